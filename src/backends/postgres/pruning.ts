/** Pruning threads (K6): the domain plans, one transaction a thread carries it out. */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import {
  NO_PRUNE_COUNTS,
  type PrunableCheckpoint,
  type PruneCounts,
  planPruneInSteps,
  sumOfPruneCounts,
} from "../../domain/pruning.js";
import { Slices } from "../../domain/slices.js";
import { sweepLoose } from "./blocks.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { NOTHING } from "./session-listing.js";
import type { Database } from "./store.js";
import { isThreadGone, isThreadLive, lockThread, SELECT_THREADS, type ThreadRow } from "./thread-rows.js";

type Prune = Parameters<CheckpointDriver["pruneCheckpoints"]>[1];

/** Threads found in one step. */
const THREADS_AT_ONCE = 200;

export async function pruneCheckpoints(db: Database, call: Call, prune: Prune): Promise<PruneCounts> {
  const now = db.now();
  let total = NO_PRUNE_COUNTS;
  for (let after = ""; ; ) {
    const threads = await db.read<ThreadRow>(call, selectThreads(call.tenant, prune.threadId, after, now));
    for (const thread of threads) {
      total = sumOfPruneCounts(total, await pruneThread(db, call, thread, prune, now));
      after = thread.threadId;
    }
    if (threads.length < THREADS_AT_ONCE || prune.threadId !== null) return total;
  }
}

function selectThreads(tenant: string, threadId: string | null, after: string, now: number): Sql {
  return sql`${SELECT_THREADS} WHERE t.tenant = ${tenant} AND ${isThreadLive(now)} AND t.thread_id > ${after}
    ${threadId === null ? NOTHING : sql`AND t.thread_id = ${threadId}`} ORDER BY t.thread_id LIMIT ${THREADS_AT_ONCE}`;
}

function pruneThread(db: Database, call: Call, thread: ThreadRow, rule: Prune, now: number): Promise<PruneCounts> {
  // Fewer than are kept anyway: nothing to look at.
  if (rule.keepLast !== null && thread.checkpointCount <= rule.keepLast) {
    return Promise.resolve({ ...NO_PRUNE_COUNTS, threads: 1, keptCheckpoints: thread.checkpointCount });
  }
  const { tenant } = call;
  const { threadId } = thread;
  const plan = async (tx: Transaction): Promise<{ readonly all: number; readonly removed: Candidate[] }> => {
    const candidates = await tx.query<Candidate>(selectCandidates(tenant, threadId));
    const removed = await new Slices(call).run(planPruneInSteps(candidates, rule, now));
    return { all: candidates.length, removed };
  };
  if (rule.dryRun) {
    return db.snapshot(call, async (tx) => {
      const { all, removed } = await plan(tx);
      return countsOf(all, removed);
    });
  }
  return db.transact(call, async (tx) => {
    const stored = await lockThread(tx, tenant, threadId);
    // Deleted since it was found.
    if (stored === undefined || isThreadGone(stored, now)) return NO_PRUNE_COUNTS;
    const { all, removed } = await plan(tx);
    if (removed.length === 0) return countsOf(all, removed);
    const seqs = removed.map(({ seq }) => seq);
    tx.run(sql`DELETE FROM @checkpoint_writes w USING @checkpoints k
      WHERE k.tenant = ${tenant} AND k.thread_id = ${threadId} AND k.seq = ANY(${seqs}::bigint[])
        AND w.tenant = ${tenant} AND w.thread_id = ${threadId} AND w.namespace = k.namespace
        AND w.checkpoint_id = k.checkpoint_id`);
    tx.run(
      sql`DELETE FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ${threadId} AND seq = ANY(${seqs}::bigint[])`,
    );
    tx.run(sql`UPDATE @threads SET checkpoint_count = checkpoint_count - ${removed.length}
      WHERE tenant = ${tenant} AND thread_id = ${threadId}`);
    const left = removed.reduce((sum, { blocks }) => sum + blocks, 0);
    sweepLoose(tx, tenant, { ...stored, looseBlocks: stored.looseBlocks + left }, "all");
    return countsOf(all, removed);
  });
}

type Candidate = PrunableCheckpoint & {
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly writeCount: number;
  readonly writeBytes: number;
};

function selectCandidates(tenant: string, threadId: string): Sql {
  return sql`SELECT k.namespace, k.checkpoint_id AS "checkpointId", k.parent_id AS "parentId",
      k.needs_parent AS "needsParent", k.seq, k.created_at AS "createdAt", k.size_bytes AS "sizeBytes", k.blocks,
      coalesce(w.count, 0) AS "writeCount", coalesce(w.bytes, 0) AS "writeBytes", w.count IS NOT NULL AS "hasWrites"
    FROM @checkpoints k LEFT JOIN (
        SELECT namespace, checkpoint_id, count(*) AS count, sum(octet_length(value))::bigint AS bytes
        FROM @checkpoint_writes WHERE tenant = ${tenant} AND thread_id = ${threadId} GROUP BY namespace, checkpoint_id) w
      ON w.namespace = k.namespace AND w.checkpoint_id = k.checkpoint_id
    WHERE k.tenant = ${tenant} AND k.thread_id = ${threadId} ORDER BY k.seq`;
}

function countsOf(all: number, removed: readonly Candidate[]): PruneCounts {
  return {
    threads: 1,
    removedCheckpoints: removed.length,
    removedWrites: removed.reduce((sum, { writeCount }) => sum + writeCount, 0),
    keptCheckpoints: all - removed.length,
    removedBytes: removed.reduce((sum, { sizeBytes, writeBytes }) => sum + sizeBytes + writeBytes, 0),
  };
}
