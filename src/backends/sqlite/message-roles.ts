/**
 * Which messages are of a role (C3). An entry for each append would touch one more page of the file each time; so entries are
 * made for a block of messages at once, and the few newest messages, whose block is not full, are looked through.
 */
import type { HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { Connection } from "./connection/connection.js";

/** Messages of a block: `seq` 1 to 32, 33 to 64, … */
const BLOCK = 32;

/** Above every `seq`. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

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
  session: { readonly id: number; readonly lastSeq: number },
  role: string,
  { after, before, limit }: Omit<HistoryWindow, "roles">,
): number[] {
  const border = lastOfFullBlocks(session.lastSeq);
  const tail = db
    .all<{ seq: number }>(
      "SELECT seq FROM messages WHERE session = ? AND seq > ? AND seq < ? AND role = ? ORDER BY seq",
      session.id,
      Math.max(after ?? 0, border),
      before ?? NO_BOUND,
      role,
    )
    .map(({ seq }) => seq);
  const direction = after === null ? "DESC" : "ASC";
  const full = db
    .all<{ seq: number }>(
      `SELECT seq FROM message_roles WHERE session = ? AND role = ? AND seq > ? AND seq < ? ORDER BY seq ${direction} LIMIT ?`,
      session.id,
      role,
      after ?? 0,
      before ?? NO_BOUND,
      limit,
    )
    .map(({ seq }) => seq);
  return (after === null ? [...tail.reverse(), ...full] : [...full, ...tail]).slice(0, limit);
}
