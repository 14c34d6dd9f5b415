/** Sessions and what is theirs alone, over shards: each is in the shard of its id (S1-S11, C1-C6, T1, T2). */
import { SessionNotFoundError, UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type {
  ConversationDriver,
  SessionDriver,
  SessionListing,
  TaskContextDriver,
} from "../../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../../domain/driver/stored.js";
import { compareCodePoints } from "../../../domain/identifiers.js";
import { walkThreads } from "../thread-rows.js";
import { mergePages } from "./merge.js";
import { SessionBatches } from "./session-batches.js";
import { byShard, type Shards } from "./shards.js";
import { endMoves } from "./thread-move.js";
import type { ThreadPlaces } from "./thread-places.js";

type OfSessions = SessionDriver & ConversationDriver & TaskContextDriver;

/** Threads of a session that are looked up in one step. */
const THREADS_AT_ONCE = 200;

export function shardedSessionVerbs(shards: Shards, places: ThreadPlaces, inner: OfSessions): OfSessions {
  const batches = new SessionBatches(shards);

  /** A session that is not there may be one that was decided about by a batch whose maker has gone. */
  const ofSession = async <T>(call: Call, sessionId: string, run: (call: Call) => Promise<T>): Promise<T> => {
    try {
      return await run(shards.to(call, sessionId));
    } catch (error) {
      if (!(error instanceof SessionNotFoundError) || !(await batches.carryOut(call, [sessionId]))) throw error;
      return run(shards.to(call, sessionId));
    }
  };

  const getSessions = async (call: Call, sessionIds: readonly string[]): Promise<(StoredSession | undefined)[]> => {
    const found: (StoredSession | undefined)[] = sessionIds.map(() => undefined);
    await Promise.all(
      [...byShard(sessionIds, (id) => shards.of(id))].map(async ([shard, part]) => {
        const rows = await inner.getSessions(
          shards.call(call, shard),
          part.map(({ thing }) => thing),
        );
        for (const [i, { at }] of part.entries()) found[at] = rows[i];
      }),
    );
    return found;
  };

  return {
    createSession: (call, session) =>
      batches.waiting(call, () => inner.createSession(shards.to(call, session.sessionId), session)),

    createSessions(call, sessions) {
      const homes = new Set(sessions.map(({ sessionId }) => shards.of(sessionId)));
      const [only] = homes;
      if (homes.size > 1 || only === undefined) return batches.create(call, sessions);
      return batches.waiting(call, () => inner.createSessions(shards.call(call, only), sessions));
    },

    async getSessions(call, sessionIds) {
      const found = await getSessions(call, sessionIds);
      const absent = sessionIds.filter((_, i) => found[i] === undefined);
      if (absent.length === 0 || !(await batches.carryOut(call, absent))) return found;
      return getSessions(call, sessionIds);
    },

    updateSession: (call, sessionId, change, fence) =>
      ofSession(call, sessionId, (one) => inner.updateSession(one, sessionId, change, fence)),

    endSession: (call, sessionId, status, fence) =>
      ofSession(call, sessionId, (one) => inner.endSession(one, sessionId, status, fence)),

    async listSessions(call, listing) {
      if (listing.after === null) await batches.carryOutAll(call, false);
      const { orderBy, limit } = listing;
      const sources = shards.all(call).map((one) => (last: StoredSession | null, step: number) => {
        const after = last === null ? listing.after : { time: last[orderBy], id: last.sessionId };
        return inner.listSessions(one, { ...listing, limit: step, after });
      });
      return mergePages(sources, sessionOrder(listing), limit);
    },

    async deleteSession(call, sessionId) {
      await batches.carryOut(call, [sessionId]);
      const one = shards.to(call, sessionId);
      const linked: string[] = [];
      const all = { sessionId, orderBy: "createdAt", direction: "asc", after: null } as const;
      for await (const { threadId } of walkThreads(shards.connection, one, all, THREADS_AT_ONCE)) linked.push(threadId);
      const deleted = await inner.deleteSession(one, sessionId);
      // Marks that lead to them; one that stays is removed by whoever comes across it.
      await places.forget(call, shards.of(sessionId), linked);
      return deleted;
    },

    async cleanupSessions(call, cleanup) {
      const counts = await shards.walk(call, (one) => inner.cleanupSessions(one, cleanup));
      if (!cleanup.dryRun) {
        await batches.carryOutAll(call, true);
        await endMoves(shards, call, "all");
        await places.removeIdleMarks(call);
      }
      return counts.reduce((sum, count) => sum + count, 0);
    },

    addMessages: (call, sessionId, messages, fence) =>
      ofSession(call, sessionId, (one) => inner.addMessages(one, sessionId, messages, fence)),

    getHistory: (call, sessionId, window) => inner.getHistory(shards.to(call, sessionId), sessionId, window),

    deleteMessages: (call, sessionId, range, fence) =>
      ofSession(call, sessionId, (one) => inner.deleteMessages(one, sessionId, range, fence)),

    storeContext: (call, sessionId, context, fence) =>
      ofSession(call, sessionId, (one) => inner.storeContext(one, sessionId, context, fence)),

    getContext: (call, sessionId, version) => inner.getContext(shards.to(call, sessionId), sessionId, version),

    listContexts: (call, sessionId, listing) => inner.listContexts(shards.to(call, sessionId), sessionId, listing),

    async shareContext() {
      throw new UnsupportedError(
        "sessions share no task context where a tenant is spread over shards: they would be in two of them",
      );
    },
  };
}

function sessionOrder({
  orderBy,
  direction,
}: Pick<SessionListing, "orderBy" | "direction">): (a: StoredSession, b: StoredSession) => number {
  const sign = direction === "asc" ? 1 : -1;
  return (a, b) => sign * (a[orderBy] - b[orderBy] || compareCodePoints(a.sessionId, b.sessionId));
}
