/** Checkpoints and writes of the PostgreSQL backend (K1-K3, K5, K8). */
import { compareWrites } from "../../domain/checkpoints.js";
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing } from "../../domain/driver/storage-driver.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import {
  assemble,
  assembleOne,
  type PartOfOneRow,
  type PartRow,
  selectOne,
  selectWithParts,
  selectWrites,
} from "./checkpoint-rows.js";
import { type Sql, sql } from "./connection/sql.js";
import { assertFence, holdFence } from "./leases.js";
import { metadataEquals, NOTHING } from "./session-listing.js";
import type { SessionHead } from "./session-rows.js";
import type { Database } from "./store.js";
import { storing } from "./storing.js";
import {
  isThreadGone,
  isThreadLive,
  lockOwner,
  lockSessionOf,
  lockThread,
  threadToWrite,
  touchOwner,
  touchThread,
} from "./thread-rows.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

export function checkpointVerbs(database: () => Database): CheckpointVerbs {
  return {
    storeCheckpoint: storing(database),

    async getCheckpoint(call, threadId, { namespace, checkpointId, writes, ifNoneMatch }) {
      const db = database();
      const chosen = sql`${fromLive(call.tenant, threadId, db.now())} AND k.namespace = ${namespace}
        ${checkpointId === null ? sql`ORDER BY k.seq DESC LIMIT 1` : sql`AND k.checkpoint_id = ${checkpointId}`}`;
      const statement = selectOne(call.tenant, threadId, chosen, { writes, ifNoneMatch });
      const { checkpoint, names } = assembleOne(await db.readInOrder<PartOfOneRow>(call, statement), writes);
      if (names.length > 0) db.blocks.remember(call.tenant, threadId, names);
      return checkpoint;
    },

    async listCheckpoints(call, threadId, listing) {
      const db = database();
      const statement = selectWithParts(call.tenant, threadId, listed(call, threadId, listing, db.now()), {
        ...listing,
        blocks: listing.data,
      });
      return assemble(await db.readInOrder<PartRow>(call, statement), listing);
    },

    async putWrites(call, threadId, target, writes, fence) {
      const db = database();
      const { tenant } = call;
      if (fence === null) {
        const thread = await db.writeIf(
          call,
          putAtOnce(tenant, threadId, target, writes, db.linkedThreads.has(tenant, threadId), db.now()),
        );
        if (thread !== undefined) return;
      }
      return db.transact(call, async (tx) => {
        const now = db.now();
        const [locked, found, held] = await Promise.all([
          tx.get<SessionHead>(lockSessionOf(tenant, threadId, null)),
          lockThread(tx, tenant, threadId),
          holdFence(tx, tenant, fence),
        ]);
        assertFence(found !== undefined && isThreadGone(found, now) ? undefined : held, fence);
        const thread = await threadToWrite(tx, tenant, threadId, found, locked, now);
        db.linkedThreads.mark(tenant, threadId, thread.sessionId !== null);
        tx.run(insertWrites(tenant, threadId, target, writes));
        touchThread(tx, tenant, thread, thread, now);
      });
    },

    async getWrites(call, threadId, { namespace, checkpointId }) {
      const db = database();
      const rows = await db.read<StoredWrite>(
        call,
        sql`${selectWrites(call.tenant, threadId, namespace, checkpointId)}
          AND EXISTS (SELECT 1 FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
            WHERE t.tenant = ${call.tenant} AND t.thread_id = ${threadId} AND ${isThreadLive(db.now())})`,
      );
      return rows.sort(compareWrites);
    },
  };
}

/**
 * Writes to a thread that is there, in one statement: it gives no row for any other.
 */
function putAtOnce(
  tenant: string,
  threadId: string,
  target: Parameters<CheckpointDriver["putWrites"]>[2],
  writes: readonly StoredWrite[],
  isLinked: boolean,
  now: number,
): Sql {
  if (!isLinked) {
    return sql`WITH thread AS (UPDATE @threads t SET updated_at = greatest(updated_at, ${now}::bigint)
        WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId} AND t.session_id IS NULL RETURNING 1),
      stored AS (${insertWrites(tenant, threadId, target, writes, sql`thread`)})
      SELECT 1 FROM thread`;
  }
  return sql`WITH owner AS (${lockOwner(tenant, threadId, null, now)}),
    thread AS (UPDATE @threads t SET updated_at = greatest(updated_at, ${now}::bigint)
      WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId}
        AND (t.session_id IS NULL OR EXISTS (SELECT 1 FROM owner WHERE owner.session_id = t.session_id))
      RETURNING 1),
    moved AS (${touchOwner(tenant, now)}),
    stored AS (${insertWrites(tenant, threadId, target, writes, sql`thread`)})
    SELECT 1 FROM thread`;
}

/** Checkpoints of a thread that is there for readers. */
function fromLive(tenant: string, threadId: string, now: number): Sql {
  return sql`FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
    JOIN @checkpoints k ON k.tenant = t.tenant AND k.thread_id = t.thread_id
    WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId} AND ${isThreadLive(now)}`;
}

function listed(call: Call, threadId: string, listing: CheckpointListing, now: number): Sql {
  const { namespace, before, limit, metadata } = listing;
  return sql`${fromLive(call.tenant, threadId, now)}
    ${namespace === null ? NOTHING : sql`AND k.namespace = ${namespace}`}
    ${before === null ? NOTHING : sql`AND k.seq < ${before}`}
    ${metadataEquals(metadata, sql`k.metadata`)}
    ORDER BY k.seq DESC LIMIT ${limit}`;
}

export function insertWrites(
  tenant: string,
  threadId: string,
  target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
  writes: readonly StoredWrite[],
  /** What must have a row, or nothing is stored. */
  condition?: Sql,
): Sql {
  const column = <Field extends keyof StoredWrite>(field: Field): StoredWrite[Field][] =>
    writes.map((write) => write[field]);
  return sql`INSERT INTO @checkpoint_writes (tenant, thread_id, namespace, checkpoint_id, task_id, idx, task_path, channel,
      value)
    SELECT ${tenant}::text, ${threadId}::text, ${target.namespace}::text, ${target.checkpointId}::text, new.*
    FROM ${condition === undefined ? NOTHING : sql`${condition},`} unnest(${column("taskId")}::text[], ${column("index")}::bigint[], ${column("taskPath")}::text[],
      ${column("channel")}::text[], ${writes.map(({ value }) => String(value))}::text[]) AS new
    ON CONFLICT (tenant, thread_id, namespace, checkpoint_id, task_id, idx)
    ${
      target.overwrite
        ? sql`DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel, value = excluded.value`
        : sql`DO NOTHING`
    }`;
}
