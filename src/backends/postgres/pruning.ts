/** Pruning threads (K6): the domain plans; one transaction carries it out for some short threads, or for a long one. */
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

/** Threads that go together, and the checkpoints that they may have in all: for as long as it takes their writers wait. */
const THREADS_TOGETHER = 50;
const CHECKPOINTS_TOGETHER = 1_000;

export async function pruneCheckpoints(db: Database, call: Call, prune: Prune): Promise<PruneCounts> {
  const now = db.now();
  let total = NO_PRUNE_COUNTS;
  for (let after = ""; ; ) {
    const threads = await db.read<ThreadRow>(call, selectThreads(call.tenant, prune.threadId, after, now));
    after = threads.at(-1)?.threadId ?? after;
    const many: ThreadRow[] = [];
    for (const thread of threads) {
      // Fewer than are kept anyway, and no block that none of them needs: nothing to look at.
      const isSwept = prune.dryRun || thread.looseBlocks === 0;
      if (prune.keepLast === null || thread.checkpointCount > prune.keepLast || !isSwept) many.push(thread);
      else total = sumOfPruneCounts(total, { ...NO_PRUNE_COUNTS, threads: 1, keptCheckpoints: thread.checkpointCount });
    }
    for (const some of groupsOf(many)) {
      for (const threadId of await pruneTogether(db, call, some, prune, now, (counts) => {
        total = sumOfPruneCounts(total, counts);
      })) {
        total = sumOfPruneCounts(total, await pruneThread(db, call, threadId, prune, now));
      }
    }
    if (threads.length < THREADS_AT_ONCE || prune.threadId !== null) return total;
  }
}

function selectThreads(tenant: string, threadId: string | null, after: string, now: number): Sql {
  return sql`${SELECT_THREADS} WHERE t.tenant = ${tenant} AND ${isThreadLive(now)} AND t.thread_id > ${after}
    ${threadId === null ? NOTHING : sql`AND t.thread_id = ${threadId}`} ORDER BY t.thread_id LIMIT ${THREADS_AT_ONCE}`;
}

/** Neighbours, as many as may go together; a long thread goes alone. */
function* groupsOf(threads: readonly ThreadRow[]): Generator<readonly string[], void, void> {
  let some: string[] = [];
  let checkpoints = 0;
  for (const { threadId, checkpointCount } of threads) {
    if (some.length === THREADS_TOGETHER || (some.length > 0 && checkpoints + checkpointCount > CHECKPOINTS_TOGETHER)) {
      yield some;
      some = [];
      checkpoints = 0;
    }
    some.push(threadId);
    checkpoints += checkpointCount;
  }
  if (some.length > 0) yield some;
}

/**
 * Prunes threads in one transaction: those that nobody else is writing to. It waits for nobody's lock.
 * @returns the threads that are left, to be pruned one by one
 */
async function pruneTogether(
  db: Database,
  call: Call,
  threadIds: readonly string[],
  rule: Prune,
  now: number,
  count: (counts: PruneCounts) => void,
): Promise<readonly string[]> {
  if (threadIds.length < 2) return threadIds;
  const { tenant } = call;
  if (rule.dryRun) {
    const plans = await db.snapshot(call, (tx) => planAll(tx, call, threadIds, rule, now));
    for (const { all, removed } of plans) count(countsOf(all, removed));
    return [];
  }
  const pruned = await db.transact(call, async (tx) => {
    const locked = (await lockFree(tx, tenant, threadIds)).filter(
      // Gone, or linked to a session just now.
      (thread) => thread.sessionId === null || (thread.sessionUpdatedAt !== null && !isThreadGone(thread, now)),
    );
    const ids = locked.map(({ threadId }) => threadId);
    if (ids.length === 0) return { ids, plans: [] };
    const plans = await planAll(tx, call, ids, rule, now);
    removeAll(
      tx,
      tenant,
      plans.map(({ removed }, i) => ({ thread: locked[i] as ThreadRow, removed })),
    );
    return { ids, plans };
  });
  for (const { all, removed } of pruned.plans) count(countsOf(all, removed));
  const done = new Set(pruned.ids);
  return threadIds.filter((id) => !done.has(id));
}

/** Locks those of the threads that nobody else has locked. */
function lockFree(tx: Transaction, tenant: string, threadIds: readonly string[]): Promise<ThreadRow[]> {
  return tx.query<ThreadRow>(sql`${SELECT_THREADS} WHERE t.tenant = ${tenant} AND t.thread_id = ANY(${threadIds}::text[])
    FOR NO KEY UPDATE OF t SKIP LOCKED`);
}

interface Plan {
  readonly all: number;
  readonly removed: readonly Candidate[];
}

/** What goes of each thread, in their order. */
async function planAll(
  tx: Transaction,
  call: Call,
  threadIds: readonly string[],
  rule: Prune,
  now: number,
): Promise<Plan[]> {
  const rows = await tx.query<Candidate & { readonly n: number }>(
    sql`SELECT wanted.n, c.* FROM unnest(${threadIds}::text[]) WITH ORDINALITY AS wanted (id, n),
      LATERAL (${selectCandidates(call.tenant, sql`wanted.id`)} OFFSET 0) c`,
  );
  const candidates = threadIds.map((): Candidate[] => []);
  for (const row of rows) candidates[row.n - 1]?.push(row);
  const slices = new Slices(call);
  const plans: Plan[] = [];
  for (const some of candidates) {
    const removed = await slices.run(planPruneInSteps(some, rule, now));
    plans.push({ all: some.length, removed });
  }
  return plans;
}

interface Gone {
  readonly thread: ThreadRow;
  readonly removed: readonly Candidate[];
}

/** Sends the deletions, also of blocks that were left before; they are waited for with the end of the transaction. */
function removeAll(tx: Transaction, tenant: string, pruned: readonly Gone[]): void {
  const gone = pruned.filter(({ removed }) => removed.length > 0);
  if (gone.length > 0) removeCheckpoints(tx, tenant, gone);
  for (const { thread, removed } of pruned) {
    const looseBlocks = removed.reduce((sum, { blocks }) => sum + blocks, thread.looseBlocks);
    if (looseBlocks > 0) sweepLoose(tx, tenant, { ...thread, looseBlocks }, "all");
  }
}

function removeCheckpoints(tx: Transaction, tenant: string, gone: readonly Gone[]): void {
  const ids = gone.flatMap(({ thread, removed }) => removed.map(() => thread.threadId));
  const all = gone.flatMap(({ removed }) => removed);
  const withWrites = gone.flatMap(({ thread, removed }) =>
    removed.filter(({ hasWrites }) => hasWrites).map((each) => ({ ...each, threadId: thread.threadId })),
  );
  if (withWrites.length > 0) {
    tx.run(sql`DELETE FROM @checkpoint_writes w
      USING unnest(${withWrites.map(({ threadId }) => threadId)}::text[], ${withWrites.map(({ namespace }) => namespace)}::text[],
        ${withWrites.map(({ checkpointId }) => checkpointId)}::text[]) AS gone (thread_id, namespace, checkpoint_id)
      WHERE w.tenant = ${tenant} AND w.thread_id = gone.thread_id AND w.namespace = gone.namespace
        AND w.checkpoint_id = gone.checkpoint_id`);
  }
  tx.run(sql`DELETE FROM @checkpoints k USING unnest(${ids}::text[], ${all.map(({ seq }) => seq)}::bigint[]) AS gone (thread_id, seq)
    WHERE k.tenant = ${tenant} AND k.thread_id = gone.thread_id AND k.seq = gone.seq`);
  tx.run(sql`UPDATE @threads t SET checkpoint_count = checkpoint_count - gone.count
    FROM unnest(${gone.map(({ thread }) => thread.threadId)}::text[], ${gone.map(({ removed }) => removed.length)}::bigint[])
      AS gone (thread_id, count)
    WHERE t.tenant = ${tenant} AND t.thread_id = gone.thread_id`);
}

async function pruneThread(db: Database, call: Call, threadId: string, rule: Prune, now: number): Promise<PruneCounts> {
  const { tenant } = call;
  const planned = async (tx: Transaction): Promise<Plan> => {
    const [plan] = await planAll(tx, call, [threadId], rule, now);
    return plan as Plan;
  };
  if (rule.dryRun) {
    const { all, removed } = await db.snapshot(call, planned);
    return countsOf(all, removed);
  }
  return db.transact(call, async (tx) => {
    const thread = await lockThread(tx, tenant, threadId);
    // Deleted since it was found.
    if (thread === undefined || isThreadGone(thread, now)) return NO_PRUNE_COUNTS;
    const { all, removed } = await planned(tx);
    removeAll(tx, tenant, [{ thread, removed }]);
    return countsOf(all, removed);
  });
}

type Candidate = PrunableCheckpoint & {
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly writeCount: number;
  readonly writeBytes: number;
};

/** @param threadId a column of the statement around it */
function selectCandidates(tenant: string, threadId: Sql): Sql {
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
