/** One step of pruning a thread (K6). */
import {
  NO_PRUNE_COUNTS,
  type PrunableCheckpoint,
  type PruneCounts,
  type PruneRule,
  planPruneInSteps,
  sumOfPruneCounts,
} from "../../domain/pruning.js";
import { sweepLoose } from "./checkpoint-blocks.js";
import { deleteState } from "./checkpoint-states.js";
import { hasWrites, removeWrites, type SizeOfWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";

/** Checkpoints looked at, or removed, between two looks at the time. */
const PIECE_ROWS = 50;

/**
 * Most checkpoints removed in one transaction, during which other writers wait: so many, or this share of a longer thread, which
 * is planned for anew in each.
 */
const REMOVED_AT_ONCE = { checkpoints: 1_000, share: 0.1 };

export type Candidate = PrunableCheckpoint & { readonly id: number; readonly sizeBytes: number };

/** Which checkpoints go, of the thread with this number. */
export interface PruneStep {
  readonly thread: number;
  readonly rule: PruneRule;
  readonly now: number;
}

/** `more`: the next step has more to remove. */
export type SomeRemoved = PruneCounts & { readonly more: boolean };

/**
 * One transaction: it plans for the thread as it is and removes the newest of what goes, so that none stays behind without the
 * parent that it needs. What is too much for one transaction goes in the next ones; each leaves a thread that is whole.
 */
export function* pruneStep(
  tx: Connection,
  _tenant: number,
  { thread, rule, now }: PruneStep,
): Generator<void, SomeRemoved, void> {
  const stored = tx.get<{ checkpointCount: number }>(
    "SELECT checkpoint_count AS checkpointCount FROM threads WHERE id = ?",
    thread,
  );
  // Deleted since it was found.
  if (stored === undefined) return { ...NO_PRUNE_COUNTS, more: false };
  const candidates: Candidate[] = [];
  for (let more = true; more; ) {
    const rows = selectCandidates(tx, thread, candidates.at(-1)?.seq ?? 0);
    candidates.push(...rows);
    more = rows.length > 0;
    if (more) yield;
  }
  const planned = yield* planPruneInSteps(candidates, rule, now);
  const atOnce = Math.max(REMOVED_AT_ONCE.checkpoints, Math.ceil(candidates.length * REMOVED_AT_ONCE.share));
  const removed = planned.slice(-atOnce).reverse();
  const more = removed.length < planned.length;
  let counts = countsOf(candidates.length, removed);
  for (const each of removed) {
    if (each.hasWrites) {
      counts = sumOfPruneCounts(counts, countsOfWrites(yield* removeWrites(tx, thread, each)));
    }
    deleteState(tx, thread, each);
    tx.run("DELETE FROM checkpoints WHERE id = ?", each.id);
    yield;
  }
  if (removed.length > 0) {
    const checkpointCount = stored.checkpointCount - removed.length;
    tx.run("UPDATE threads SET checkpoint_count = ? WHERE id = ?", checkpointCount, thread);
  }
  // What the next transactions remove is swept with the last of them.
  if (!more) yield* sweepLoose(tx, thread, "all");
  return { ...counts, more };
}

export function selectCandidates(db: Connection, thread: number, after: number): Candidate[] {
  const rows = db.all<Omit<Candidate, "hasWrites" | "needsParent"> & { readonly needsParent: number }>(
    `SELECT id, namespace, checkpoint_id AS checkpointId, parent_id AS parentId, needs_parent AS needsParent, seq,
       created_at AS createdAt, size_bytes AS sizeBytes
     FROM checkpoints INDEXED BY checkpoints_by_seq WHERE thread = ? AND seq > ? ORDER BY seq LIMIT ?`,
    thread,
    after,
    PIECE_ROWS,
  );
  return rows.map((row) => ({
    ...row,
    needsParent: row.needsParent !== 0,
    hasWrites: hasWrites(db, thread, row.namespace, row.checkpointId),
  }));
}

export function countsOf(all: number, removed: readonly Candidate[]): PruneCounts {
  return {
    threads: 1,
    removedCheckpoints: removed.length,
    removedWrites: 0,
    keptCheckpoints: all - removed.length,
    removedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

export function countsOfWrites({ count, bytes }: SizeOfWrites): PruneCounts {
  return { ...NO_PRUNE_COUNTS, removedWrites: count, removedBytes: bytes };
}
