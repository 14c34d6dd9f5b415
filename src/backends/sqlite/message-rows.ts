/** Rows of messages: adding, finding and reading them. */
import type { HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { isInPieces, readText, type TextInPieces, type TextOfRow, untilWhole } from "./long-text-rows.js";
import { isInGap, partsInSight, type SeqRange } from "./message-gap.js";
import { locatedSeq } from "./message-ids.js";
import { forgetRoles } from "./message-roles.js";
import { SHORT_TEXT } from "./portion.js";
import type { SessionHead } from "./session-rows.js";

/** A message whose content may be kept in pieces. */
export interface MessageRow extends StoredMessage, TextOfRow {
  readonly content: string;
}

/** A message of a window: one that is not short is read by itself. */
interface WindowRow extends Omit<MessageRow, "content" | "metadata"> {
  readonly content: string | null;
  readonly metadata: string | null;
}

const BESIDE_TEXTS = "seq, message_id AS messageId, role, timestamp, checksum, long";

const COLUMNS = `${BESIDE_TEXTS}, metadata, content`;

/** Characters that are read in one step. */
const READ_AT_ONCE = 1024 * 1024;

const IF_SHORT = `CASE WHEN octet_length(metadata) + octet_length(content) <= ${SHORT_TEXT} THEN`;

const WITH_SHORT_TEXTS = `${BESIDE_TEXTS}, ${IF_SHORT} metadata END AS metadata, ${IF_SHORT} content END AS content`;

const INSERT = `INSERT INTO messages (session, seq, message_id, id_indexed, role, timestamp, checksum, metadata, content, long)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const NEWEST = `SELECT ${WITH_SHORT_TEXTS} FROM messages INDEXED BY messages_by_seq
  WHERE session = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?`;

const OLDEST = `SELECT ${WITH_SHORT_TEXTS} FROM messages INDEXED BY messages_by_seq
  WHERE session = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`;

/** Messages counted in one step. */
const COUNTED_AT_ONCE = 5_000;

const BY_SEQ = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_seq WHERE session = ? AND seq = ?`;

const SHORT_BY_SEQ = `SELECT ${WITH_SHORT_TEXTS} FROM messages INDEXED BY messages_by_seq WHERE session = ? AND seq = ?`;

const BY_ID = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_message_id
  WHERE session = ? AND message_id = ? AND id_indexed = 1`;

/**
 * @param isLocated the id says the message's `seq` itself
 * @param long the content, where that is kept in pieces
 */
export function insertMessage(
  tx: Connection,
  session: number,
  message: StoredMessage,
  isLocated: boolean,
  long?: TextInPieces | undefined,
): void {
  tx.run(
    INSERT,
    session,
    message.seq,
    message.messageId,
    isLocated ? 0 : 1,
    message.role,
    message.timestamp,
    long?.checksum ?? checksum(message.metadata, String(message.content)),
    message.metadata,
    long === undefined ? String(message.content) : "",
    long?.long ?? null,
  );
}

/** What finding and reading messages needs of their session. */
export type MessageOwner = Pick<SessionHead, "id" | "lastSeq" | "gapAfter" | "gapBefore">;

/** Whether a message has the id, wherever it stands (C4). */
export function hasMessage(db: Connection, session: MessageOwner, messageId: string): boolean {
  return findRow(db, session, messageId) !== undefined;
}

/** The message of an id, wherever it stands (C4). @throws CorruptionError */
export function* findMessage(
  db: Connection,
  session: MessageOwner,
  messageId: string,
): Generator<void, StoredMessage | undefined, void> {
  const row = findRow(db, session, messageId);
  return row && (yield* whole(db, session.id, row));
}

function findRow(db: Connection, session: MessageOwner, messageId: string): MessageRow | undefined {
  const row = db.get<MessageRow>(BY_ID, session.id, messageId) ?? findLocated(db, session.id, messageId);
  return row === undefined || isInGap(session, row.seq) ? undefined : row;
}

/** Makes an id free that a message has which is deleted and not swept yet. */
export function freeMessageId(tx: Connection, session: MessageOwner, messageId: string): void {
  if (session.gapAfter === null) return;
  const row = tx.get<MessageRow>(BY_ID, session.id, messageId);
  if (row !== undefined) deleteRange(tx, session.id, row.seq - 1, row.seq + 1);
}

function findLocated(db: Connection, session: number, messageId: string): MessageRow | undefined {
  const seq = locatedSeq(messageId);
  const row = seq === undefined ? undefined : db.get<MessageRow>(BY_SEQ, session, seq);
  return row?.messageId === messageId ? row : undefined;
}

/** The row of a message, as it is. */
export function messageRow(db: Connection, session: number, seq: number): MessageRow | undefined {
  return db.get<MessageRow>(BY_SEQ, session, seq);
}

/**
 * Messages of a window that is not filtered by role, ascending; `limit` at most.
 * @param enough characters of long messages after which the first ones of the window do
 * @throws CorruptionError
 */
export function* selectWindow(
  db: Connection,
  session: MessageOwner,
  window: Omit<HistoryWindow, "roles">,
  enough: number = Number.POSITIVE_INFINITY,
): Generator<void, StoredMessage[], void> {
  const newestFirst = window.after === null;
  const parts = partsInSight(session, window);
  const rows: WindowRow[] = [];
  for (const { after, before } of newestFirst ? parts.reverse() : parts) {
    const limit = window.limit - rows.length;
    if (limit > 0) rows.push(...db.all<WindowRow>(newestFirst ? NEWEST : OLDEST, session.id, after, before, limit));
  }
  const messages = yield* allWhole(db, session.id, rows, enough);
  return newestFirst ? messages.reverse() : messages;
}

/** Those of these messages that are there. @throws CorruptionError */
export function* selectBySeqs(
  db: Connection,
  session: number,
  seqs: readonly number[],
): Generator<void, StoredMessage[], void> {
  const rows = seqs.flatMap((seq) => db.get<WindowRow>(SHORT_BY_SEQ, session, seq) ?? []);
  return yield* allWhole(db, session, rows);
}

/** The `seq` of the oldest message above `after`. */
export function firstSeq(db: Connection, session: number, after: number): number | undefined {
  const sql = "SELECT seq FROM messages WHERE session = ? AND seq > ? ORDER BY seq LIMIT 1";
  return db.get<{ seq: number }>(sql, session, after)?.seq;
}

/** Counts a few thousand messages of a range from its oldest on; `last` is where to go on, `undefined` at the end. */
export function countSome(
  db: Connection,
  session: number,
  { after, before }: SeqRange,
): { readonly count: number; readonly last: number | undefined } {
  const row = db.get<{ count: number; last: number | null }>(
    `SELECT count(*) AS count, max(seq) AS last FROM
       (SELECT seq FROM messages INDEXED BY messages_by_seq WHERE session = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?)`,
    session,
    after,
    before,
    COUNTED_AT_ONCE,
  );
  const count = row?.count ?? 0;
  return { count, last: count === COUNTED_AT_ONCE ? (row?.last ?? undefined) : undefined };
}

/** Deletes the messages with `from < seq < to`; returns how many. */
export function deleteRange(tx: Connection, session: number, from: number, to: number): number {
  forgetRoles(tx, session, from, to);
  return tx.run("DELETE FROM messages WHERE session = ? AND seq > ? AND seq < ?", session, from, to);
}

/** Without those that are deleted while others are read by themselves. */
function* allWhole(
  db: Connection,
  session: number,
  rows: readonly WindowRow[],
  enough: number = Number.POSITIVE_INFINITY,
): Generator<void, StoredMessage[], void> {
  if (rows.every(isShort)) return rows.map(intact);
  const messages: StoredMessage[] = [];
  let [read, all] = [0, 0];
  for (const row of rows) {
    if (read >= READ_AT_ONCE) {
      all += read;
      if (all >= enough) break;
      read = 0;
      yield;
    }
    const message = isShort(row) ? intact(row) : yield* wholeOf(db, session, row);
    if (message === undefined) continue;
    messages.push(message);
    read += message.content.length + message.metadata.length;
  }
  return messages;
}

function isShort(row: WindowRow): row is MessageRow {
  return row.content !== null && row.metadata !== null && !isInPieces(row, row.content);
}

function* wholeOf(
  db: Connection,
  session: number,
  { seq }: WindowRow,
): Generator<void, StoredMessage | undefined, void> {
  const row = messageRow(db, session, seq);
  return row && (yield* whole(db, session, row));
}

/** `undefined` when it is deleted meanwhile. */
function* whole(db: Connection, session: number, row: MessageRow): Generator<void, StoredMessage | undefined, void> {
  if (!isInPieces(row, row.content)) return intact(row);
  const again = (): MessageRow | undefined => messageRow(db, session, row.seq);
  return yield* untilWhole(row, again, function* (each) {
    if (!isInPieces(each, each.content)) return intact(each);
    const { checksum: _checksum, long: _long, ...message } = each;
    return { ...message, content: yield* readText(db, each, nameOf(each), each.metadata) };
  });
}

/** @throws CorruptionError */
function intact({ checksum: sum, long: _long, ...message }: MessageRow): StoredMessage {
  assertIntact(sum, nameOf(message), message.metadata, message.content);
  return message;
}

const nameOf =
  ({ seq }: Pick<StoredMessage, "seq">) =>
  (): string =>
    `message ${seq}`;
