/** Whole threads of the SQLite backend: listing, copying, deleting and pruning, also of checkpoints by name (K6, K7, K9). */

import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, ThreadListing } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredThread } from "../../domain/driver/stored.js";
import { outlineKey } from "./checkpoint-states.js";
import type { Connection } from "./connection/connection.js";
import { deleteLease, discardThread, newBatch, sweepStep } from "./garbage.js";
import { assertFence } from "./lease-rows.js";
import { pruneCheckpoints } from "./pruning.js";
import { liveHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone, SELECT_THREADS, type ThreadRow } from "./thread-rows.js";

type ThreadVerbs = Pick<
  CheckpointDriver,
  "listThreads" | "copyThread" | "deleteThread" | "deleteCheckpoints" | "pruneCheckpoints"
>;

/** Rows looked at in one step. */
const SLICE_ROWS = 200;

export function threadVerbs(file: () => OpenFile): ThreadVerbs {
  return {
    listThreads: (call, listing) => listThreads(file(), call, listing),

    copyThread: (call, from, to) => file().writeLong(call, "copyThread", { from, to, now: file().now() }),

    deleteThread: (call, threadId) => deleteThread(file(), call, threadId),

    async deleteCheckpoints(call, threadId, target, fence) {
      for (;;) {
        const told = { threadId, target, fence, now: file().now() };
        const counts = await file().writeLong(call, "deleteCheckpoints", told);
        if (counts === "fenced") {
          await file().read(call, (db, tenant) => assertFence(db, tenant, fence, file().now()));
          continue;
        }
        if (counts.removedCheckpoints + counts.removedWrites > 0) await file().maintenance.reclaim(call);
        return counts;
      }
    },

    pruneCheckpoints: (call, prune) => pruneCheckpoints(file(), call, prune),
  };
}

/** The thread goes at once; its checkpoints are swept before the call ends, few ones in the same transaction. */
async function deleteThread(file: OpenFile, call: Call, threadId: string): Promise<boolean> {
  file.outlines.forget(outlineKey(call.tenant, threadId));
  const { wasThere, batch } = await file.write(call, (tx, tenant) => {
    const thread = findThread(tx, tenant, threadId);
    if (thread === undefined) {
      // There may be a lease for a thread that is yet to come.
      deleteLease(tx, tenant, "thread", threadId);
      return { wasThere: false, batch: null };
    }
    const own = newBatch(tx);
    discardThread(tx, own, { ...thread, tenant });
    return { wasThere: !isThreadGone(thread, file.now()), batch: sweepStep(tx, own) ? own : null };
  });
  if (batch !== null) await file.maintenance.sweep(call, batch);
  if (wasThere) await file.maintenance.reclaim(call);
  return wasThere;
}

/** Before and beyond every time that a `Date` can hold. */
const NEVER = 8_640_000_000_000_001;

interface Position {
  readonly time: number;
  readonly id: string;
}

async function listThreads(file: OpenFile, call: Call, listing: ThreadListing): Promise<Rows<StoredThread>> {
  const now = file.now();
  const wanted = listing.limit + 1;
  const start = listing.after ?? { time: listing.direction === "asc" ? -NEVER : NEVER, id: "" };
  if (wanted <= SLICE_ROWS) {
    const slice = await file.read(call, (db, tenant) => selectSlice(db, tenant, listing, start, wanted, now));
    const rows = slice.filter((row) => !isThreadGone(row, now));
    if (rows.length === wanted || slice.length < wanted) return pageOf(rows, listing.limit);
  }
  return file.scan(call, async (read, tenant) => {
    const rows: ThreadRow[] = [];
    let from: Position = start;
    while (rows.length < wanted) {
      const slice = await read((db) => selectSlice(db, tenant, listing, from, SLICE_ROWS, now));
      rows.push(...slice.filter((row) => !isThreadGone(row, now)));
      const last = slice.at(-1);
      if (last === undefined || slice.length < SLICE_ROWS) break;
      from = { time: last[listing.orderBy], id: last.threadId };
    }
    return pageOf(rows.slice(0, wanted), listing.limit);
  });
}

function selectSlice(
  db: Connection,
  tenant: number,
  { sessionId, orderBy, direction }: ThreadListing,
  start: Position,
  limit: number,
  now: number,
): ThreadRow[] {
  const sql = SLICES[sessionId === null ? "all" : "session"][orderBy][direction];
  const scope = sessionId === null ? tenant : liveHead(db, tenant, sessionId, now)?.id;
  return scope === undefined ? [] : db.all<ThreadRow>(sql, scope, start.time, start.id, limit);
}

function sliceSql(scope: "all" | "session", column: "created_at" | "updated_at", direction: "asc" | "desc"): string {
  const index = `threads_by_${scope === "session" ? "session_" : ""}${column === "created_at" ? "created" : "updated"}`;
  const select = SELECT_THREADS.replace("threads t", `threads t INDEXED BY ${index}`);
  const where = `${select} WHERE t.${scope === "all" ? "tenant" : "session"} = ?`;
  return direction === "asc"
    ? `${where} AND (t.${column}, t.thread_id) > (?, ?) ORDER BY t.${column}, t.thread_id LIMIT ?`
    : `${where} AND (t.${column}, t.thread_id) < (?, ?) ORDER BY t.${column} DESC, t.thread_id DESC LIMIT ?`;
}

const directions = (scope: "all" | "session", column: "created_at" | "updated_at") => ({
  asc: sliceSql(scope, column, "asc"),
  desc: sliceSql(scope, column, "desc"),
});

const SLICES = {
  all: { createdAt: directions("all", "created_at"), updatedAt: directions("all", "updated_at") },
  session: { createdAt: directions("session", "created_at"), updatedAt: directions("session", "updated_at") },
};

function pageOf(rows: readonly ThreadRow[], limit: number): Rows<StoredThread> {
  return { rows: rows.slice(0, limit).map(toStoredThread), more: rows.length > limit };
}

function toStoredThread({ threadId, sessionId, checkpointCount, createdAt, updatedAt }: ThreadRow): StoredThread {
  return { threadId, sessionId, checkpointCount, createdAt, updatedAt };
}
