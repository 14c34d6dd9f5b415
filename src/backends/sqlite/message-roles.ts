/**
 * Which messages are of a role (C3). An entry for each append would touch one more page of the file each time; so entries are
 * made for a block of messages at once, and the few newest messages, whose block is not full, are looked through.
 */
import type { HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { Connection } from "./connection/connection.js";
import { type Gap, partsInSight, type SeqRange } from "./message-gap.js";

/** Messages of a block: `seq` 1 to 32, 33 to 64, … */
const BLOCK = 32;

/** The last `seq` of the blocks that are full once `lastSeq` is given: up to it every message has its entry. */
function lastOfFullBlocks(lastSeq: number): number {
  return lastSeq - (lastSeq % BLOCK);
}

/** Makes the entries of blocks that appends have filled: `lastSeq` was `from` before them and is `to` now. */
export function rememberRoles(tx: Connection, session: number, from: number, to: number): void {
  const [first, last] = [lastOfFullBlocks(from), lastOfFullBlocks(to)];
  if (last === first) return;
  tx.run(
    "INSERT INTO message_roles (session, role, seq) SELECT session, role, seq FROM messages WHERE session = ? AND seq > ? AND seq <= ?",
    session,
    first,
    last,
  );
}

/** Makes the entry of a message that is put below the session's `lastSeq`. */
export function rememberRole(
  tx: Connection,
  session: { readonly id: number; readonly lastSeq: number },
  message: { readonly role: string; readonly seq: number },
): void {
  if (message.seq > lastOfFullBlocks(session.lastSeq)) return;
  tx.run("INSERT INTO message_roles (session, role, seq) VALUES (?, ?, ?)", session.id, message.role, message.seq);
}

/** Removes the entries of messages with `from < seq < to`; to be called before those are removed. */
export function forgetRoles(tx: Connection, session: number, from: number, to: number): void {
  tx.run(
    `DELETE FROM message_roles WHERE (session, role, seq) IN
       (SELECT session, role, seq FROM messages WHERE session = ? AND seq > ? AND seq < ?)`,
    session,
    from,
    to,
  );
}

/** The `seq`s of a role in a window, nearest to where the window is read from first; `limit` at most. */
export function selectSeqsOfRole(
  db: Connection,
  session: Gap & { readonly id: number; readonly lastSeq: number },
  role: string,
  window: Omit<HistoryWindow, "roles">,
): number[] {
  const newestFirst = window.after === null;
  const parts = partsInSight(session, window);
  const seqs: number[] = [];
  for (const part of newestFirst ? parts.reverse() : parts) {
    const tail = selectTail(db, session, role, part);
    const full = selectFull(db, session.id, role, part, newestFirst, window.limit);
    seqs.push(...(newestFirst ? [...tail.reverse(), ...full] : [...full, ...tail]));
  }
  return seqs.slice(0, window.limit);
}

/** In the block that is not full yet, oldest first. */
function selectTail(
  db: Connection,
  session: { readonly id: number; readonly lastSeq: number },
  role: string,
  { after, before }: SeqRange,
): number[] {
  const rows = db.all<{ seq: number }>(
    `SELECT seq FROM messages INDEXED BY messages_by_seq
     WHERE session = ? AND seq > ? AND seq < ? AND role = ? ORDER BY seq`,
    session.id,
    Math.max(after, lastOfFullBlocks(session.lastSeq)),
    before,
    role,
  );
  return rows.map(({ seq }) => seq);
}

function selectFull(
  db: Connection,
  session: number,
  role: string,
  { after, before }: SeqRange,
  newestFirst: boolean,
  limit: number,
): number[] {
  const rows = db.all<{ seq: number }>(
    `SELECT seq FROM message_roles WHERE session = ? AND role = ? AND seq > ? AND seq < ?
     ORDER BY seq ${newestFirst ? "DESC" : "ASC"} LIMIT ?`,
    session,
    role,
    after,
    before,
    limit,
  );
  return rows.map(({ seq }) => seq);
}
