/** Rows of messages: adding, finding and reading them. */
import type { HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { locatedSeq } from "./message-ids.js";
import { forgetRoles } from "./message-roles.js";

interface MessageRow extends StoredMessage {
  readonly checksum: number | null;
}

/** Above every `seq`. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

const COLUMNS = "seq, message_id AS messageId, role, timestamp, checksum, metadata, content";

const INSERT = `INSERT INTO messages (session, seq, message_id, id_indexed, role, timestamp, checksum, metadata, content)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const NEWEST = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_seq
  WHERE session = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?`;

const OLDEST = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_seq
  WHERE session = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`;

const BY_SEQ = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_seq WHERE session = ? AND seq = ?`;

const BY_ID = `SELECT ${COLUMNS} FROM messages INDEXED BY messages_by_message_id
  WHERE session = ? AND message_id = ? AND id_indexed = 1`;

export function insertMessage(tx: Connection, session: number, message: StoredMessage): void {
  tx.run(
    INSERT,
    session,
    message.seq,
    message.messageId,
    locatedSeq(message.messageId) === message.seq ? 0 : 1,
    message.role,
    message.timestamp,
    checksum(message.metadata, message.content),
    message.metadata,
    message.content,
  );
}

/** The message of an id, wherever it stands (C4). */
export function findMessage(db: Connection, session: number, messageId: string): StoredMessage | undefined {
  const indexed = db.get<MessageRow>(BY_ID, session, messageId);
  if (indexed !== undefined) return intact(indexed);
  const seq = locatedSeq(messageId);
  const located = seq === undefined ? undefined : db.get<MessageRow>(BY_SEQ, session, seq);
  return located?.messageId === messageId ? intact(located) : undefined;
}

/** Messages of a window that is not filtered by role, ascending; `limit` at most. */
export function selectWindow(
  db: Connection,
  session: number,
  { after, before, limit }: Omit<HistoryWindow, "roles">,
): StoredMessage[] {
  const sql = after === null ? NEWEST : OLDEST;
  const rows = db.all<MessageRow>(sql, session, after ?? 0, before ?? NO_BOUND, limit).map(intact);
  return after === null ? rows.reverse() : rows;
}

/** Those of these messages that are there. */
export function selectBySeqs(db: Connection, session: number, seqs: readonly number[]): StoredMessage[] {
  return seqs.flatMap((seq) => {
    const row = db.get<MessageRow>(BY_SEQ, session, seq);
    return row === undefined ? [] : [intact(row)];
  });
}

/** The `seq` of the oldest message above `after`. */
export function firstSeq(db: Connection, session: number, after: number): number | undefined {
  const sql = "SELECT seq FROM messages WHERE session = ? AND seq > ? ORDER BY seq LIMIT 1";
  return db.get<{ seq: number }>(sql, session, after)?.seq;
}

/** Deletes the messages with `from < seq < to`; returns how many. */
export function deleteRange(tx: Connection, session: number, from: number, to: number): number {
  forgetRoles(tx, session, from, to);
  return tx.run("DELETE FROM messages WHERE session = ? AND seq > ? AND seq < ?", session, from, to);
}

/** @throws CorruptionError */
function intact({ checksum: sum, ...message }: MessageRow): StoredMessage {
  assertIntact(sum, () => `message ${message.seq}`, message.metadata, message.content);
  return message;
}
