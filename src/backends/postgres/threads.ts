/** Whole threads of the PostgreSQL backend: listing, copying, deleting and pruning (K6, K7, K9). */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, ThreadListing } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredThread } from "../../domain/driver/stored.js";
import { copyBlocks } from "./blocks.js";
import { deleteCheckpoints } from "./checkpoint-deletion.js";
import { sql } from "./connection/sql.js";
import { pruneCheckpoints } from "./pruning.js";
import { removeLeases, removeThread } from "./removal.js";
import { keyset, NOTHING } from "./session-listing.js";
import type { Database } from "./store.js";
import { insertThread, isThreadGone, isThreadLive, lockThread, SELECT_THREADS, type ThreadRow } from "./thread-rows.js";

type ThreadVerbs = Pick<
  CheckpointDriver,
  "listThreads" | "copyThread" | "deleteThread" | "deleteCheckpoints" | "pruneCheckpoints"
>;

export function threadVerbs(database: () => Database): ThreadVerbs {
  return {
    listThreads: (call, listing) => listThreads(database(), call, listing),

    copyThread: (call, fromThreadId, toThreadId) => copyThread(database(), call, fromThreadId, toThreadId),

    deleteThread: (call, threadId) => {
      const db = database();
      db.forgetThread(call.tenant, threadId);
      return db.transact(call, async (tx) => {
        const thread = await lockThread(tx, call.tenant, threadId);
        if (thread === undefined) {
          // There may be a lease for a thread that is yet to come.
          removeLeases(tx, call.tenant, "thread", [threadId]);
          return false;
        }
        await removeThread(tx, call.tenant, threadId);
        return !isThreadGone(thread, db.now());
      });
    },

    deleteCheckpoints: (call, threadId, target, fence) => deleteCheckpoints(database(), call, threadId, target, fence),

    pruneCheckpoints: (call, prune) => pruneCheckpoints(database(), call, prune),
  };
}

function copyThread(
  db: Database,
  call: Call,
  fromThreadId: string,
  toThreadId: string,
): ReturnType<CheckpointDriver["copyThread"]> {
  const { tenant } = call;
  return db.transact(call, async (tx) => {
    const now = db.now();
    const ids = [fromThreadId, toThreadId].sort();
    const found = await Promise.all(ids.map((id) => lockThread(tx, tenant, id)));
    const source = found[ids.indexOf(fromThreadId)];
    const target = found[ids.indexOf(toThreadId)];
    if (source === undefined || isThreadGone(source, now)) return "absent";
    if (target !== undefined && !isThreadGone(target, now)) return "exists";
    if (target !== undefined) await removeThread(tx, tenant, toThreadId);
    insertThread(tx, tenant, { ...source, threadId: toThreadId, sessionId: null });
    tx.run(sql`UPDATE @threads SET loose_blocks = ${source.looseBlocks}, kept_blocks = ${source.keptBlocks}
      WHERE tenant = ${tenant} AND thread_id = ${toThreadId}`);
    copyBlocks(tx, tenant, fromThreadId, toThreadId);
    tx.run(sql`INSERT INTO @checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, parent_id, session_id,
        needs_parent, size_bytes, created_at, blocks, root, metadata, manifest)
      SELECT tenant, ${toThreadId}, namespace, checkpoint_id, seq, parent_id, session_id, needs_parent, size_bytes,
        created_at, blocks, root, metadata, manifest
      FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ${fromThreadId}`);
    tx.run(sql`INSERT INTO @checkpoint_writes (tenant, thread_id, namespace, checkpoint_id, task_id, idx, task_path,
        channel, value)
      SELECT tenant, ${toThreadId}, namespace, checkpoint_id, task_id, idx, task_path, channel, value
      FROM @checkpoint_writes WHERE tenant = ${tenant} AND thread_id = ${fromThreadId}`);
    return "copied";
  });
}

async function listThreads(db: Database, call: Call, listing: ThreadListing): Promise<Rows<StoredThread>> {
  const { sessionId, orderBy, limit } = listing;
  const rows = await db.read<ThreadRow>(
    call,
    sql`${SELECT_THREADS} WHERE t.tenant = ${call.tenant} AND ${isThreadLive(db.now())}
      ${sessionId === null ? NOTHING : sql`AND t.session_id = ${sessionId}`}
      ${keyset(listing, orderBy === "createdAt" ? sql`t.created_at` : sql`t.updated_at`, sql`t.thread_id`)}
      LIMIT ${limit + 1}`,
  );
  return { rows: rows.slice(0, limit).map(toStoredThread), more: rows.length > limit };
}

function toStoredThread({ threadId, sessionId, checkpointCount, createdAt, updatedAt }: ThreadRow): StoredThread {
  return { threadId, sessionId, checkpointCount, createdAt, updatedAt };
}
