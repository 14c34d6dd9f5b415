/**
 * Deleting much: the row that everything is reached through goes at once, and what is left is noted as garbage in the same
 * transaction. It is swept in short steps, by the call that deleted; after a crash by whoever opens the file next (S10).
 */
import { deleteSomeBlocks } from "./checkpoint-blocks.js";
import type { Connection } from "./connection/connection.js";
import type { Gap } from "./message-gap.js";
import { deleteRange, firstSeq } from "./message-rows.js";
import { setGap } from "./session-rows.js";

type GarbageKind = "session" | "thread" | "context" | "messages";

interface GarbageRow {
  readonly id: number;
  readonly batch: number;
  readonly kind: GarbageKind;
  readonly ref: number;
}

/** How long one sweeping step may take, in milliseconds. */
const STEP_MS = 3;

/** Rows removed between two looks at the time. */
const PIECE_ROWS = 50;

/** A number for what one deletion leaves. */
export function newBatch(tx: Connection): number {
  return (tx.get<{ last: number | null }>("SELECT max(batch) AS last FROM garbage")?.last ?? 0) + 1;
}

/** Removes a session with its lease; what belongs to it is out of sight from now on. */
export function discardSession(
  tx: Connection,
  batch: number,
  session: {
    readonly id: number;
    readonly context: number | null;
    readonly tenant: number;
    readonly sessionId: string;
  },
): void {
  tx.run("DELETE FROM sessions WHERE id = ?", session.id);
  deleteLease(tx, session.tenant, "session", session.sessionId);
  note(tx, batch, "session", session.id);
  if (session.context !== null) discardUnusedContext(tx, batch, session.context);
}

/** Removes a thread with its lease. */
export function discardThread(
  tx: Connection,
  batch: number,
  thread: { readonly id: number; readonly tenant: number; readonly threadId: string },
): void {
  tx.run("DELETE FROM threads WHERE id = ?", thread.id);
  deleteLease(tx, thread.tenant, "thread", thread.threadId);
  note(tx, batch, "thread", thread.id);
}

/** Removes a context that no session names any more (T3). */
export function discardUnusedContext(tx: Connection, batch: number, context: number): void {
  if (tx.get("SELECT 1 FROM sessions WHERE context = ? LIMIT 1", context) !== undefined) return;
  tx.run("DELETE FROM contexts WHERE id = ?", context);
  note(tx, batch, "context", context);
}

/** Notes that a session has a gap; what is behind it is swept. */
export function discardMessages(tx: Connection, batch: number, session: number, gap: Gap): void {
  setGap(tx, session, gap);
  note(tx, batch, "messages", session);
}

/** The batch of a session's gap. */
export function batchOfGap(db: Connection, session: number): number | undefined {
  const sql = "SELECT batch FROM garbage WHERE kind = 'messages' AND ref = ? LIMIT 1";
  return db.get<{ batch: number }>(sql, session)?.batch;
}

export function deleteLease(tx: Connection, tenant: number, kind: "session" | "thread", subjectId: string): number {
  return tx.run("DELETE FROM leases WHERE tenant = ? AND kind = ? AND subject_id = ?", tenant, kind, subjectId);
}

/** Whether anything is left of a batch, or of any (`null`). */
export function hasGarbage(db: Connection, batch: number | null): boolean {
  return firstGarbage(db, batch) !== undefined;
}

/** Sweeps for a few milliseconds; `true` when more is left of the batch, or of any batch (`null`). */
export function sweepStep(tx: Connection, batch: number | null): boolean {
  const end = performance.now() + STEP_MS;
  for (let row = firstGarbage(tx, batch); row !== undefined; row = firstGarbage(tx, batch)) {
    while (PIECES[row.kind](tx, row) > 0) if (performance.now() >= end) return true;
    tx.run("DELETE FROM garbage WHERE id = ?", row.id);
  }
  return false;
}

/** Each removes a few rows of what is left and returns how many; 0 when nothing is. */
const PIECES: { readonly [Kind in GarbageKind]: (tx: Connection, row: GarbageRow) => number } = {
  session: (tx, { ref, batch }) =>
    tx.run(
      "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE session = ? ORDER BY seq LIMIT ?)",
      ref,
      PIECE_ROWS,
    ) ||
    tx.run(
      `DELETE FROM message_roles WHERE (session, role, seq) IN
         (SELECT session, role, seq FROM message_roles WHERE session = ? LIMIT ?)`,
      ref,
      PIECE_ROWS,
    ) ||
    tx.run(
      "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE session = ? LIMIT ?)",
      ref,
      PIECE_ROWS,
    ) ||
    discardThreadsOf(tx, ref, batch),

  thread: (tx, { ref }) =>
    tx.run(
      "DELETE FROM checkpoint_writes WHERE id IN (SELECT id FROM checkpoint_writes WHERE thread = ? LIMIT ?)",
      ref,
      PIECE_ROWS,
    ) ||
    deleteCheckpointsOf(tx, ref) ||
    // A few at a time: blocks may be large.
    deleteSomeBlocks(tx, ref, 10),

  messages: (tx, { ref }) => sweepGap(tx, ref),

  context: (tx, { ref }) =>
    tx.run(
      "DELETE FROM context_versions WHERE id IN (SELECT id FROM context_versions WHERE context = ? LIMIT ?)",
      ref,
      1,
    ),
};

/** Once nothing is behind the gap, it closes. */
function sweepGap(tx: Connection, session: number): number {
  const gap = tx.get<Gap>("SELECT gap_after AS gapAfter, gap_before AS gapBefore FROM sessions WHERE id = ?", session);
  if (gap === undefined || gap.gapAfter === null || gap.gapBefore === null) return 0;
  const first = firstSeq(tx, session, gap.gapAfter);
  if (first !== undefined && first < gap.gapBefore) {
    return deleteRange(tx, session, first - 1, Math.min(gap.gapBefore, first + PIECE_ROWS));
  }
  setGap(tx, session, { gapAfter: null, gapBefore: null });
  return 0;
}

function discardThreadsOf(tx: Connection, session: number, batch: number): number {
  const threads = tx.all<{ id: number; tenant: number; threadId: string }>(
    "SELECT id, tenant, thread_id AS threadId FROM threads WHERE session = ? LIMIT ?",
    session,
    PIECE_ROWS,
  );
  for (const thread of threads) discardThread(tx, batch, thread);
  return threads.length;
}

function deleteCheckpointsOf(tx: Connection, thread: number): number {
  const checkpoints = tx.all<{ id: number }>(
    "SELECT id FROM checkpoints WHERE thread = ? ORDER BY seq LIMIT ?",
    thread,
    PIECE_ROWS,
  );
  for (const { id } of checkpoints) {
    tx.run("DELETE FROM checkpoint_states WHERE checkpoint = ?", id);
    tx.run("DELETE FROM checkpoints WHERE id = ?", id);
  }
  return checkpoints.length;
}

function note(tx: Connection, batch: number, kind: GarbageKind, ref: number): void {
  tx.run("INSERT INTO garbage (batch, kind, ref) VALUES (?, ?, ?)", batch, kind, ref);
}

/** The newest row: what a session leaves comes after the session, and each is finished before the next is begun. */
function firstGarbage(db: Connection, batch: number | null): GarbageRow | undefined {
  return batch === null
    ? db.get<GarbageRow>("SELECT id, batch, kind, ref FROM garbage ORDER BY id DESC LIMIT 1")
    : db.get<GarbageRow>("SELECT id, batch, kind, ref FROM garbage WHERE batch = ? ORDER BY id DESC LIMIT 1", batch);
}
