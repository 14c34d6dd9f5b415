/** Whole threads of the memory backend: listing, copying, deleting and pruning, also of checkpoints by name (K6, K7, K9). */
import { bytesOf } from "../../domain/codec/long-text.js";
import type { CheckpointDriver, ThreadListing } from "../../domain/driver/storage-driver.js";
import type { StoredThread } from "../../domain/driver/stored.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import {
  NO_PRUNE_COUNTS,
  type PrunableCheckpoint,
  type PruneCounts,
  type PruneRule,
  planPruneInSteps,
  sumOfPruneCounts,
} from "../../domain/pruning.js";
import { inSlices, Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { deleteNamed } from "./checkpoint-deletion.js";
import { FirstRows, LeastRows } from "./pages.js";
import { removeExpiredThread } from "./session-entries.js";
import type { KeptCheckpoint, MemoryStore, Tenant, ThreadEntry } from "./state.js";
import { enter, liveSession, liveThread } from "./state.js";
import {
  addThread,
  copyCheckpoints,
  emptyThread,
  removeCheckpoints,
  removeThread,
  setThread,
  writesOf,
} from "./thread-entries.js";

type ThreadVerbs = Pick<
  CheckpointDriver,
  "listThreads" | "copyThread" | "deleteThread" | "deleteCheckpoints" | "pruneCheckpoints"
>;

export function threadVerbs(store: MemoryStore): ThreadVerbs {
  return {
    async listThreads(call, listing) {
      const { tenant, now } = enter(store, call);
      const isListed = ({ threadId }: StoredThread): boolean => liveThread(tenant, threadId, now) !== undefined;
      if (listing.sessionId === null) {
        const page = new FirstRows<StoredThread>(listing.limit);
        await inSlices(call, scanThreads(tenant, listing), (row) => !isListed(row) || page.add(row));
        return page.page();
      }
      const compare = threadOrder(listing);
      const after = listing.after && positionKey(listing.after);
      const page = new LeastRows<StoredThread>(listing.limit, compare);
      const linked = threadsOfSession(tenant, listing.sessionId, now);
      await inSlices(call, linked, (row) => (after !== null && compare(row, after) <= 0) || page.add(row));
      return page.page();
    },

    async copyThread(call, fromThreadId, toThreadId) {
      const { tenant, now } = enter(store, call);
      return alone(tenant, async () => {
        call.sent = false;
        const source = liveThread(tenant, fromThreadId, now);
        if (source === undefined) return "absent";
        if (liveThread(tenant, toThreadId, now) !== undefined) return "exists";
        const copy = emptyThread(tenant, { ...source.row, threadId: toThreadId, sessionId: null });
        await new Slices(call).run(copyCheckpoints(source, copy));
        call.sent = true;
        removeExpiredThread(tenant, toThreadId, now);
        addThread(tenant, copy);
        return "copied";
      });
    },

    async deleteThread(call, threadId) {
      const { tenant, now } = enter(store, call);
      const wasThere = liveThread(tenant, threadId, now) !== undefined;
      const thread = tenant.threads.get(threadId);
      if (thread !== undefined) removeThread(tenant, thread);
      // There may be a lease for a thread that is yet to come.
      tenant.leases.thread.delete(threadId);
      return wasThere;
    },

    async deleteCheckpoints(call, threadId, target, fence) {
      const { tenant, now } = enter(store, call);
      return alone(tenant, () => deleteNamed(call, tenant, threadId, target, fence, now));
    },

    async pruneCheckpoints(call, { threadId, dryRun, ...rule }) {
      const { tenant, now } = enter(store, call);
      let total = NO_PRUNE_COUNTS;
      const slices = new Slices(call);
      for (const each of threadId === null ? tenant.threadsByCreated.scan() : [{ threadId }]) {
        await alone(tenant, async () => {
          const thread = liveThread(tenant, each.threadId, now);
          if (thread !== undefined)
            total = sumOfPruneCounts(total, await pruneThread(tenant, thread, rule, now, dryRun, slices));
        });
        if (slices.over()) await slices.next();
      }
      return total;
    },
  };
}

type ThreadPlace = Pick<StoredThread, "threadId" | "createdAt" | "updatedAt">;

function threadOrder({ orderBy, direction }: ThreadListing): (a: ThreadPlace, b: ThreadPlace) => number {
  const sign = direction === "asc" ? 1 : -1;
  return (a, b) => sign * (a[orderBy] - b[orderBy] || compareCodePoints(a.threadId, b.threadId));
}

function positionKey({ time, id }: NonNullable<ThreadListing["after"]>): ThreadPlace {
  return { threadId: id, createdAt: time, updatedAt: time };
}

function scanThreads(tenant: Tenant, { orderBy, direction, after }: ThreadListing): Iterable<StoredThread> {
  const beyond = after && positionKey(after);
  if (orderBy === "updatedAt") return tenant.threadsByUpdated.scan(direction, beyond);
  return rowsOf(tenant.threadsByCreated.scan(direction, beyond));
}

function* rowsOf(threads: Iterable<ThreadEntry>): Generator<StoredThread> {
  for (const { row } of threads) yield row;
}

/** The threads that are linked now, each as it is when its turn comes. */
function* threadsOfSession(tenant: Tenant, sessionId: string, now: number): Generator<StoredThread> {
  for (const id of [...(liveSession(tenant, sessionId, now)?.threads ?? [])]) {
    const thread = tenant.threads.get(id);
    if (thread?.row.sessionId === sessionId) yield thread.row;
  }
}

/** Prunes a thread, which nobody else may change meanwhile. Given up before the first checkpoint goes, it changes nothing. */
async function pruneThread(
  tenant: Tenant,
  thread: ThreadEntry,
  rule: PruneRule,
  now: number,
  dryRun: boolean,
  slices: Slices,
): Promise<PruneCounts> {
  const { removed, counts } = await slices.run(planThread(thread, rule, now));
  if (!dryRun && removed.length > 0) {
    await slices.finish(removeCheckpoints(thread, removed));
    setThread(tenant, thread, { ...thread.row, checkpointCount: thread.checkpoints.length });
  }
  return counts;
}

interface ThreadPlan {
  readonly removed: readonly KeptCheckpoint[];
  readonly counts: PruneCounts;
}

function* planThread(thread: ThreadEntry, rule: PruneRule, now: number): Generator<void, ThreadPlan, void> {
  const checkpoints: (KeptCheckpoint & PrunableCheckpoint)[] = [];
  for (const row of thread.checkpoints.toArray()) {
    const hasWrites = thread.namespaces.get(row.namespace)?.writes.has(row.checkpointId) ?? false;
    checkpoints.push({ ...row, hasWrites });
    yield;
  }
  const removed = yield* planPruneInSteps(checkpoints, rule, now);
  let [removedWrites, removedBytes] = [0, 0];
  for (const { namespace, checkpointId, sizeBytes } of removed) {
    const writes = writesOf(thread, namespace, checkpointId);
    removedWrites += writes.length;
    removedBytes += writes.reduce((sum, { value }) => sum + bytesOf(value), sizeBytes);
    yield;
  }
  const keptCheckpoints = checkpoints.length - removed.length;
  const counts = { threads: 1, removedCheckpoints: removed.length, removedWrites, keptCheckpoints, removedBytes };
  return { removed, counts };
}
