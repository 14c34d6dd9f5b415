/** Pruning threads (K6): the domain plans, transactions of bounded size carry it out. */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import { NO_PRUNE_COUNTS, type PruneCounts, planPruneInSteps, sumOfPruneCounts } from "../../domain/pruning.js";
import { sizeOfWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { inSteps } from "./connection/snapshots.js";
import { LONG_WRITE_MS } from "./long-writes/works.js";
import { type Candidate, countsOf, countsOfWrites, selectCandidates } from "./prune-step.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone, type ThreadRow, threadsById } from "./thread-rows.js";

type Prune = Parameters<CheckpointDriver["pruneCheckpoints"]>[1];

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
  const { keepLast, maxAgeMs } = rule;
  let total = NO_PRUNE_COUNTS;
  for (let isLong = false; ; ) {
    const begun = performance.now();
    const counts = await file.writeLong(
      call,
      "pruneStep",
      { thread: thread.id, rule: { keepLast, maxAgeMs }, now },
      isLong,
    );
    isLong = performance.now() - begun >= LONG_WRITE_MS.pruneStep;
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
