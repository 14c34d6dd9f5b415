/** Threads over shards: each call goes to where the thread is, and a thread that is linked to a session comes to it (K1-K9, L1). */
import { SessionNotFoundError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type { CheckpointDriver, ThreadListing } from "../../../domain/driver/storage-driver.js";
import type { Rows, StoredThread } from "../../../domain/driver/stored.js";
import { compareCodePoints } from "../../../domain/identifiers.js";
import { NO_PRUNE_COUNTS, sumOfPruneCounts } from "../../../domain/pruning.js";
import { GET_THREAD } from "../lua/threads.js";
import { mergePages } from "./merge.js";
import type { Shards } from "./shards.js";
import { walkThreadsHere } from "./thread-move.js";
import { SourceAway, type ThreadPlaces } from "./thread-places.js";

/** Threads that one step of a walk finds. */
const THREADS_AT_ONCE = 200;

export function shardedThreadVerbs(
  shards: Shards,
  places: ThreadPlaces,
  inner: CheckpointDriver,
  isSession: (call: Call, sessionId: string) => Promise<boolean>,
): CheckpointDriver {
  return {
    storeCheckpoint(call, threadId, checkpoint, fence) {
      const { sessionId } = checkpoint;
      const store = (one: Call): ReturnType<CheckpointDriver["storeCheckpoint"]> =>
        inner.storeCheckpoint(one, threadId, checkpoint, fence);
      if (sessionId === null) return places.at(call, threadId, store);
      const assertThere = async (): Promise<void> => {
        if (!(await isSession(call, sessionId))) throw new SessionNotFoundError(sessionId);
      };
      return places.into(call, threadId, shards.of(sessionId), assertThere, store);
    },

    getCheckpoint: (call, threadId, wanted) =>
      places.at(call, threadId, (one) => inner.getCheckpoint(one, threadId, wanted)),

    listCheckpoints: (call, threadId, listing) =>
      places.at(call, threadId, (one) => inner.listCheckpoints(one, threadId, listing)),

    putWrites: (call, threadId, target, writes, fence) =>
      places.at(call, threadId, (one) => inner.putWrites(one, threadId, target, writes, fence)),

    getWrites: (call, threadId, target) => places.at(call, threadId, (one) => inner.getWrites(one, threadId, target)),

    listThreads(call, listing) {
      const { sessionId, orderBy, limit } = listing;
      if (sessionId !== null) return listHere(shards, call, shards.of(sessionId), listing);
      const sources = shards.numbers.map((shard) => (last: StoredThread | null, step: number) => {
        const after = last === null ? listing.after : { time: last[orderBy], id: last.threadId };
        return listHere(shards, call, shard, { ...listing, limit: step, after });
      });
      return mergePages(sources, threadOrder(listing), limit);
    },

    copyThread: (call, fromThreadId, toThreadId) => copyThread(shards, places, inner, call, fromThreadId, toThreadId),

    async deleteThread(call, threadId) {
      let from = shards.of(threadId);
      const deleted = await places.at(call, threadId, (one, shard) => {
        from = shard;
        return inner.deleteThread(one, threadId);
      });
      await places.forget(call, from, [threadId]);
      return deleted;
    },

    deleteCheckpoints: (call, threadId, target, fence) =>
      places.at(call, threadId, (one) => inner.deleteCheckpoints(one, threadId, target, fence)),

    async pruneCheckpoints(call, prune) {
      const pruneOne = (threadId: string): ReturnType<CheckpointDriver["pruneCheckpoints"]> =>
        places.at(call, threadId, (one) => inner.pruneCheckpoints(one, { ...prune, threadId }));
      if (prune.threadId !== null) return pruneOne(prune.threadId);
      const all = { sessionId: null, orderBy: "createdAt", direction: "asc", after: null } as const;
      let total = NO_PRUNE_COUNTS;
      await shards.walk(call, async (_one, shard) => {
        for await (const { threadId } of walkThreadsHere(shards, call, shard, all, THREADS_AT_ONCE)) {
          total = sumOfPruneCounts(total, await pruneOne(threadId));
        }
      });
      return total;
    },
  };
}

async function listHere(
  shards: Shards,
  call: Call,
  shard: number,
  listing: ThreadListing,
): Promise<Rows<StoredThread>> {
  const rows: StoredThread[] = [];
  const walk = walkThreadsHere(shards, call, shard, listing, listing.limit + 1);
  for await (const { lastSeq: _, leaves: _leaves, ...thread } of walk) {
    if (rows.length === listing.limit) return { rows, more: true };
    rows.push(thread);
  }
  return { rows, more: false };
}

/** The copy is in the shard of its source, so that it is one script too. */
async function copyThread(
  shards: Shards,
  places: ThreadPlaces,
  inner: CheckpointDriver,
  call: Call,
  from: string,
  to: string,
): ReturnType<CheckpointDriver["copyThread"]> {
  const look = (threadId: string): Promise<{ readonly shard: number; readonly isThere: boolean }> =>
    places.at(call, threadId, async (one, shard) => {
      const row = await shards.connection.run<readonly unknown[]>(one, GET_THREAD, [threadId]);
      return { shard, isThere: row.length > 0 };
    });
  for (;;) {
    const source = await look(from);
    if (!source.isThere) return "absent";
    if ((await look(to)).isThere) return "exists";
    try {
      return await places.into(
        call,
        to,
        source.shard,
        async () => undefined,
        (one) => inner.copyThread(one, from, to),
        from,
      );
    } catch (error) {
      if (!(error instanceof SourceAway)) throw error;
    }
    if (call.cancelled) throw call.cancellation();
  }
}

function threadOrder({
  orderBy,
  direction,
}: Pick<ThreadListing, "orderBy" | "direction">): (a: StoredThread, b: StoredThread) => number {
  const sign = direction === "asc" ? 1 : -1;
  return (a, b) => sign * (a[orderBy] - b[orderBy] || compareCodePoints(a.threadId, b.threadId));
}
