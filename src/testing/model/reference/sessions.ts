/** Sessions in the reference model (S1-S10). */
import type { TimeRange } from "../../../contract/call.js";
import type { NewSession, Session, SessionQuery, SessionUpdate } from "../../../contract/session-storage.js";
import type { ModelVerbs } from "../verbs.js";
import { checkFence, leaseKey } from "./leases.js";
import { pageAfter } from "./pages.js";
import type { ModelSession, TenantState } from "./state.js";
import { byCodePoint, copy, hasMetadata, Refusal, storedMetadata } from "./state.js";

type Place = Pick<ModelSession, "sessionId" | "createdAt" | "updatedAt">;

const HOUR_MS = 3_600_000;

export function sessionVerbs(
  state: TenantState,
): ModelVerbs<
  | "createSession"
  | "getSession"
  | "updateSession"
  | "endSession"
  | "listSessions"
  | "deleteSession"
  | "batchCreateSessions"
  | "batchGetSessions"
  | "cleanupExpiredSessions"
> {
  return {
    createSession(sessionId, userId, { metadata, ttlMs, ifExists } = {}) {
      const existing = state.sessions.get(sessionId);
      if (existing === undefined) return create(state, { sessionId, userId, metadata, ttlMs });
      if (ifExists === "return") return present(existing);
      throw new Refusal("SESSION_EXISTS");
    },

    getSession(sessionId) {
      const session = state.sessions.get(sessionId);
      return session && present(session);
    },

    updateSession(sessionId, { expectedVersion, idempotencyKey, ...update }, { lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      const payload = { ...normalUpdate(update), expectedVersion };
      const seen = idempotencyKey === undefined ? undefined : session.idempotency.get(idempotencyKey);
      if (seen !== undefined) {
        if (JSON.stringify(seen.payload) !== JSON.stringify(payload)) throw new Refusal("CONFLICT");
        return copy(seen.result);
      }
      if (expectedVersion !== undefined && expectedVersion !== session.version) throw new Refusal("CONFLICT");
      change(session, update);
      session.version += 1;
      touch(session, state.now());
      const result = present(session);
      if (idempotencyKey !== undefined) {
        session.idempotency.set(idempotencyKey, { payload, at: state.now(), result: copy(result) });
      }
      return result;
    },

    endSession(sessionId, status = "completed", { lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      if (session.status === status) return present(session);
      if (session.status !== "active") throw new Refusal("CONFLICT");
      session.status = status;
      session.version += 1;
      touch(session, state.now());
      return present(session);
    },

    listSessions(query = {}) {
      const { orderBy = "createdAt", direction = "desc", limit = 50, cursor } = query;
      const sign = direction === "asc" ? 1 : -1;
      const found = [...state.sessions.values()].filter((session) => matches(session, query));
      return pageAfter<Place, ModelSession, Session>(found, {
        compare: (a, b) => sign * (a[orderBy] - b[orderBy] || byCodePoint(a.sessionId, b.sessionId)),
        place: ({ sessionId, createdAt, updatedAt }) => ({ sessionId, createdAt, updatedAt }),
        present,
        limit,
        cursor,
      });
    },

    deleteSession: (sessionId) => removeSession(state, sessionId),

    batchCreateSessions(list) {
      if (new Set(list.map(({ sessionId }) => sessionId)).size < list.length) throw new Refusal("INVALID_ARGUMENT");
      if (list.some(({ sessionId }) => state.sessions.has(sessionId))) throw new Refusal("SESSION_EXISTS");
      return list.map((session) => create(state, session));
    },

    batchGetSessions: (sessionIds) =>
      sessionIds.map((id) => {
        const session = state.sessions.get(id);
        return session && present(session);
      }),

    cleanupExpiredSessions({ maxIdleHours = 24, dryRun = false } = {}) {
      const idleBefore = state.now() - maxIdleHours * HOUR_MS;
      const idle = [...state.sessions.values()].filter((session) => session.updatedAt <= idleBefore);
      if (dryRun) return idle.length;
      for (const { sessionId } of idle) removeSession(state, sessionId);
      state.expired.clear();
      return idle.length;
    },
  };
}

/** The session that a write is about (S6). */
export function sessionToWrite(state: TenantState, sessionId: string): ModelSession {
  const session = state.sessions.get(sessionId);
  if (session === undefined) throw new Refusal("SESSION_NOT_FOUND");
  return session;
}

/** A clock that steps back does not take `updatedAt` back with it. */
export function touch(session: ModelSession, now: number): void {
  session.updatedAt = Math.max(session.updatedAt, now);
}

/** Leaves nothing: conversation and contexts are the session's own, linked threads and leases are looked up (S10). */
export function removeSession(state: TenantState, sessionId: string): boolean {
  for (const thread of [...state.threads.values()]) {
    if (thread.sessionId === sessionId) removeThread(state, thread.threadId);
  }
  state.leases.delete(leaseKey({ session: sessionId }));
  return state.sessions.delete(sessionId);
}

/** A lease goes with its subject, so that a write under it is refused from now on (K7). */
export function removeThread(state: TenantState, threadId: string): boolean {
  state.leases.delete(leaseKey({ thread: threadId }));
  return state.threads.delete(threadId);
}

/** When the session is gone for readers, `undefined` for never (S8). */
export function sessionExpiry(session: ModelSession): number | undefined {
  return session.ttlMs === undefined ? undefined : session.updatedAt + session.ttlMs;
}

function create(state: TenantState, { sessionId, userId, metadata, ttlMs }: NewSession): Session {
  const now = state.now();
  const session: ModelSession = {
    sessionId,
    userId,
    status: "active",
    metadata: storedMetadata(metadata),
    createdAt: now,
    updatedAt: now,
    version: 1,
    requestCount: 0,
    totalProcessingTime: 0,
    errorCount: 0,
    lastSeq: 0,
    ttlMs,
    messages: [],
    context: { lastVersion: 0, versions: [] },
    idempotency: new Map(),
  };
  state.sessions.set(sessionId, session);
  state.expired.delete(sessionId);
  return present(session);
}

function present(session: ModelSession): Session {
  const { sessionId, userId, status, version, requestCount, totalProcessingTime, errorCount, lastSeq, ttlMs } = session;
  const expiry = sessionExpiry(session);
  return {
    sessionId,
    userId,
    status,
    metadata: copy(session.metadata),
    createdAt: new Date(session.createdAt),
    updatedAt: new Date(session.updatedAt),
    version,
    requestCount,
    totalProcessingTime,
    errorCount,
    messageCount: session.messages.length,
    lastSeq,
    ...(ttlMs === undefined || expiry === undefined ? {} : { ttlMs, expiresAt: new Date(expiry) }),
  };
}

/** The same change in its one form: what two uses of an idempotency key are compared by. */
function normalUpdate(update: SessionUpdate): SessionUpdate {
  return {
    metadata: update.metadata && storedMetadata(update.metadata),
    unsetMetadata: update.unsetMetadata ?? [],
    status: update.status,
    incrementRequests: Number(update.incrementRequests ?? 0),
    addProcessingTime: update.addProcessingTime ?? 0,
    markError: update.markError ?? false,
  };
}

function change(session: ModelSession, update: SessionUpdate): void {
  const { metadata, unsetMetadata, status, incrementRequests, addProcessingTime, markError } = normalUpdate(update);
  const merged = new Map(Object.entries({ ...session.metadata }));
  for (const [key, value] of Object.entries(metadata ?? {})) if (value !== undefined) merged.set(key, value);
  for (const key of unsetMetadata ?? []) merged.delete(key);
  session.metadata = Object.fromEntries(merged);
  session.status = status ?? session.status;
  session.requestCount += Number(incrementRequests);
  session.totalProcessingTime += addProcessingTime ?? 0;
  session.errorCount += markError ? 1 : 0;
}

function matches(session: ModelSession, { userId, status, metadata, created, updated }: SessionQuery): boolean {
  return (
    (userId === undefined || session.userId === userId) &&
    (status === undefined || [status].flat().includes(session.status)) &&
    hasMetadata(session.metadata, metadata) &&
    within(session.createdAt, created) &&
    within(session.updatedAt, updated)
  );
}

function within(time: number, { from, to }: TimeRange = {}): boolean {
  return (from === undefined || time >= from.getTime()) && (to === undefined || time < to.getTime());
}
