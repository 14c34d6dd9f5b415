/** Pruning threads (K6): the domain plans, transactions of bounded size carry it out. */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import {
  NO_PRUNE_COUNTS,
  type PrunableCheckpoint,
  type PruneCounts,
  planPruneInSteps,
  sumOfPruneCounts,
} from "../../domain/pruning.js";
import { sweepLoose } from "./checkpoint-blocks.js";
import { deleteState } from "./checkpoint-states.js";
import { hasWrites, removeWrites, type SizeOfWrites, sizeOfWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { inSteps } from "./connection/snapshots.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone, type ThreadRow, threadsById } from "./thread-rows.js";

type Prune = Parameters<CheckpointDriver["pruneCheckpoints"]>[1];

/** Checkpoints looked at, or removed, between two looks at the time. */
const PIECE_ROWS = 50;

/**
 * Most checkpoints removed in one transaction, during which other writers wait: so many, or this share of a longer thread, which
 * is planned for anew in each.
 */
const REMOVED_AT_ONCE = { checkpoints: 1_000, share: 0.1 };

/** Threads found in one step. */
const THREADS_AT_ONCE = 50;

export async function pruneCheckpoints(file: OpenFile, call: Call, prune: Prune): Promise<PruneCounts> {
  const now = file.now();
  let total = NO_PRUNE_COUNTS;
  let hadLoose = false;
  for (let after = ""; ; ) {
    const threads = await file.read(call, (db, tenant) => selectThreads(db, tenant, prune.threadId, after));
    for (const thread of threads) {
      const counts = isThreadGone(thread, now) ? NO_PRUNE_COUNTS : await pruneThread(file, call, thread, prune, now);
      total = sumOfPruneCounts(total, counts);
      hadLoose ||= thread.looseBlocks > 0;
      after = thread.threadId;
    }
    if (threads.length === 0 || prune.threadId !== null) break;
  }
  if ((total.removedCheckpoints > 0 || hadLoose) && !prune.dryRun) await file.maintenance.reclaim(call);
  return total;
}

function selectThreads(db: Connection, tenant: number, threadId: string | null, after: string): ThreadRow[] {
  if (threadId !== null) return [findThread(db, tenant, threadId)].filter((thread) => thread !== undefined);
  return threadsById(db, tenant, after, THREADS_AT_ONCE);
}

type Candidate = PrunableCheckpoint & { readonly id: number; readonly sizeBytes: number };

async function pruneThread(
  file: OpenFile,
  call: Call,
  thread: ThreadRow,
  rule: Prune,
  now: number,
): Promise<PruneCounts> {
  // Fewer than are kept anyway, and no block that none of them needs: nothing to look at.
  const isSwept = rule.dryRun || thread.looseBlocks === 0;
  if (rule.keepLast !== null && thread.checkpointCount <= rule.keepLast && isSwept) {
    return { ...NO_PRUNE_COUNTS, threads: 1, keptCheckpoints: thread.checkpointCount };
  }
  if (rule.dryRun) return planThread(file, call, thread, rule, now);
  let total = NO_PRUNE_COUNTS;
  for (;;) {
    const counts = await file.writeInSlices(call, (tx) => removeSome(tx, thread.id, rule, now));
    total = {
      ...sumOfPruneCounts(total, counts),
      threads: Math.max(total.threads, counts.threads),
      keptCheckpoints: counts.keptCheckpoints,
    };
    if (!counts.more) return total;
  }
}

/** What would go. */
function planThread(file: OpenFile, call: Call, thread: ThreadRow, rule: Prune, now: number): Promise<PruneCounts> {
  return file.survey(call, async (read) => {
    const candidates: Candidate[] = [];
    for (let more = true; more; ) {
      const after = candidates.at(-1)?.seq ?? 0;
      const rows = await read((db) => selectCandidates(db, thread.id, after));
      candidates.push(...rows);
      more = rows.length > 0;
    }
    const plan = planPruneInSteps(candidates, rule, now);
    let step = plan.next();
    while (!step.done) step = await read(() => plan.next());
    const removed = step.value;
    let counts = countsOf(candidates.length, removed);
    for (const each of removed) {
      if (!each.hasWrites) continue;
      const size = await inSteps(read, (db) => sizeOfWrites(db, thread.id, each));
      counts = sumOfPruneCounts(counts, countsOfWrites(size));
    }
    return counts;
  });
}

type SomeRemoved = PruneCounts & { readonly more: boolean };

/**
 * One transaction: it plans for the thread as it is and removes the newest of what goes, so that none stays behind without the
 * parent that it needs. What is too much for one transaction goes in the next ones; each leaves a thread that is whole.
 */
function* removeSome(tx: Connection, thread: number, rule: Prune, now: number): Generator<void, SomeRemoved, void> {
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

function selectCandidates(db: Connection, thread: number, after: number): Candidate[] {
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

function countsOf(all: number, removed: readonly Candidate[]): PruneCounts {
  return {
    threads: 1,
    removedCheckpoints: removed.length,
    removedWrites: 0,
    keptCheckpoints: all - removed.length,
    removedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

function countsOfWrites({ count, bytes }: SizeOfWrites): PruneCounts {
  return { ...NO_PRUNE_COUNTS, removedWrites: count, removedBytes: bytes };
}
