/** Deleting checkpoints by name (K9): the domain says what must stay, one transaction removes the rest. */
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, DeletionCounts } from "../../domain/driver/storage-driver.js";
import { type NeededParent, neededOfNamed } from "../../domain/pruning.js";
import { sweepLoose } from "./blocks.js";
import { sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { assertFence, holdFence } from "./leases.js";
import type { SessionHead } from "./session-rows.js";
import { type Database, ReadAgain } from "./store.js";
import { isThreadGone, lockSessionOf, lockThread, touchThread } from "./thread-rows.js";

type Target = Parameters<CheckpointDriver["deleteCheckpoints"]>[2];

/** @throws FencedError */
export function deleteCheckpoints(
  db: Database,
  call: Call,
  threadId: string,
  target: Target,
  fence: FencingToken | null,
): Promise<DeletionCounts> {
  const { tenant } = call;
  return db.transact(call, async (tx) => {
    const now = db.now();
    const [locked, found, held] = await Promise.all([
      tx.get<SessionHead>(lockSessionOf(tenant, threadId, null)),
      lockThread(tx, tenant, threadId),
      holdFence(tx, tenant, fence),
    ]);
    const thread = found === undefined || isThreadGone(found, now) ? undefined : found;
    assertFence(found !== undefined && thread === undefined ? undefined : held, fence);
    if (thread === undefined) return { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };
    // The link was changed between the two locks.
    if (thread.sessionId !== null && locked === undefined) throw new ReadAgain();
    const { left, ...counts } = await removeNamed(tx, tenant, threadId, target);
    if (counts.removedCheckpoints + counts.removedWrites > 0) {
      const checkpointCount = thread.checkpointCount - counts.removedCheckpoints;
      touchThread(tx, tenant, thread, { ...thread, checkpointCount }, now);
    }
    sweepLoose(tx, tenant, { ...thread, looseBlocks: thread.looseBlocks + left }, "all");
    return counts;
  });
}

interface Removed {
  readonly count: number;
  readonly bytes: number;
}

async function removeNamed(
  tx: Transaction,
  tenant: string,
  threadId: string,
  { namespace, checkpointIds }: Target,
): Promise<DeletionCounts & { readonly left: number }> {
  const [needs, there] = await Promise.all([
    tx.query<NeededParent>(
      sql`SELECT checkpoint_id AS "checkpointId", parent_id AS "parentId" FROM @checkpoints
        WHERE tenant = ${tenant} AND thread_id = ${threadId} AND namespace = ${namespace} AND needs_parent
          AND (checkpoint_id = ANY(${checkpointIds}::text[]) OR parent_id = ANY(${checkpointIds}::text[]))
          AND parent_id IS NOT NULL`,
    ),
    tx.query<{ checkpointId: string }>(
      sql`SELECT checkpoint_id AS "checkpointId" FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ${threadId}
        AND namespace = ${namespace} AND checkpoint_id = ANY(${checkpointIds}::text[])`,
    ),
  ]);
  const needed = neededOfNamed(new Set(checkpointIds), needs);
  const stored = new Set(there.map(({ checkpointId }) => checkpointId));
  const removed = checkpointIds.filter((checkpointId) => !needed.has(checkpointId));
  const chosen = sql`tenant = ${tenant} AND thread_id = ${threadId} AND namespace = ${namespace}
    AND checkpoint_id = ANY(${removed}::text[])`;
  const [writes, checkpoints] = await Promise.all([
    tx.get<Removed>(
      sql`WITH gone AS (DELETE FROM @checkpoint_writes WHERE ${chosen} RETURNING octet_length(value) AS bytes)
        SELECT count(*) AS count, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone`,
    ),
    tx.get<Removed & { readonly left: number }>(
      sql`WITH gone AS (DELETE FROM @checkpoints WHERE ${chosen} RETURNING size_bytes AS bytes, blocks)
        SELECT count(*) AS count, coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(sum(blocks), 0)::bigint AS left
        FROM gone`,
    ),
  ]);
  return {
    removedCheckpoints: checkpoints?.count ?? 0,
    removedWrites: writes?.count ?? 0,
    removedBytes: (checkpoints?.bytes ?? 0) + (writes?.bytes ?? 0),
    kept: checkpointIds.filter((checkpointId) => needed.has(checkpointId) && stored.has(checkpointId)),
    left: checkpoints?.left ?? 0,
  };
}
