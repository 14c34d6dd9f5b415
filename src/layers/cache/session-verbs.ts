/** Sessions: single ones are kept, listings are not. */
import type { CallOptions } from "../../contract/call.js";
import type {
  CleanupOptions,
  CreateSessionOptions,
  NewSession,
  Session,
  SessionEndStatus,
  SessionQuery,
  SessionStorage,
  SessionUpdate,
  UpdateSessionOptions,
} from "../../contract/session-storage.js";
import { knownOptions } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { type Kept, keepNothing, keepSession } from "./kept.js";
import { isAborted, isShared, type TenantCache } from "./tenant-cache.js";

export function sessionVerbs(cache: TenantCache): SessionStorage {
  const { inner, entries, subjects, lifetimes } = cache;
  const dependsOn = (id: string): readonly string[] => [subjects.session(id), subjects.allSessions];
  /** A session that comes, or goes: with it its messages and its context. */
  const whole = (id: unknown): readonly string[] => {
    const known = String(id);
    lifetimes.forget(known);
    return [subjects.session(known), subjects.messages(known), subjects.contexts];
  };
  const keepWritten = (session: Session, moment: number | undefined): void => {
    lifetimes.learn(session);
    if (cache.validates || moment === undefined || session.ttlMs !== undefined) return;
    entries.set(subjects.session(session.sessionId), keepSession(session), dependsOn(session.sessionId), moment);
  };
  const keepRead = (session: Session | undefined): Kept<Session | undefined> | undefined => {
    lifetimes.learn(session);
    if (session === undefined) return keepNothing();
    return session.ttlMs === undefined ? keepSession(session) : undefined;
  };

  return {
    createSession: (sessionId: string, userId: string, options?: CreateSessionOptions) =>
      cache.writing(whole(sessionId), () => inner.createSession(sessionId, userId, options), keepWritten),

    getSession: async (sessionId: string, options?: CallOptions) => {
      const id = identifier(sessionId, "sessionId");
      knownOptions(options, []);
      if (cache.validates || isAborted(options)) return inner.getSession(sessionId, options);
      return entries.read<Session | undefined, Kept<Session | undefined>>({
        key: subjects.session(id),
        subjects: dependsOn(id),
        shared: isShared(options),
        give: (kept) => ({ result: kept.give() }),
        fetch: () => inner.getSession(id, options),
        keep: keepRead,
        isAbsent: (session) => session === undefined,
      });
    },

    updateSession: (sessionId: string, update: SessionUpdate, options?: UpdateSessionOptions) =>
      cache.writing(
        [subjects.session(String(sessionId))],
        () => inner.updateSession(sessionId, update, options),
        // The first result of an idempotency key may be older than the session is now.
        update?.idempotencyKey === undefined ? keepWritten : undefined,
      ),

    endSession: (sessionId: string, status?: SessionEndStatus, options?: UpdateSessionOptions) =>
      cache.writing(
        [subjects.session(String(sessionId))],
        () => inner.endSession(sessionId, status, options),
        keepWritten,
      ),

    listSessions: (query?: SessionQuery) => inner.listSessions(query),

    deleteSession: (sessionId: string, options?: CallOptions) =>
      cache.writing([...whole(sessionId), subjects.allThreads], () => inner.deleteSession(sessionId, options)),

    batchCreateSessions: (sessions: readonly NewSession[], options?: CallOptions) =>
      cache.writing(Array.isArray(sessions) ? sessions.flatMap((each: NewSession) => whole(each?.sessionId)) : [], () =>
        inner.batchCreateSessions(sessions, options),
      ),

    batchGetSessions: async (sessionIds: readonly string[], options?: CallOptions) => {
      knownOptions(options, []);
      if (!Array.isArray(sessionIds) || cache.validates || isAborted(options)) {
        return inner.batchGetSessions(sessionIds, options);
      }
      const ids = Array.from(sessionIds as readonly unknown[], (id, i) => identifier(id, `sessionIds[${i}]`));
      const kept = new Map(ids.map((id) => [id, entries.get<Kept<Session | undefined>>(subjects.session(id))]));
      const missing = [...kept].flatMap(([id, each]) => (each === undefined ? [id] : []));
      for (const id of ids) if (kept.get(id) !== undefined) entries.hit();
      const moment = entries.freshness.now;
      // Also asked for none, so that the store can refuse.
      const asked = missing.flatMap(dependsOn);
      const read =
        ids.length > 0 && missing.length === 0
          ? []
          : await entries.freshness.asking(asked, () => inner.batchGetSessions(missing, options));
      const found = new Map<string, Session | undefined>();
      for (const [i, id] of missing.entries()) {
        const session = read[i];
        found.set(id, session);
        entries.miss();
        const value = keepRead(session);
        if (value !== undefined) {
          entries.set(subjects.session(id), value, dependsOn(id), moment, session === undefined);
        }
      }
      const given = new Set<string>();
      return ids.map((id) => {
        const each = kept.get(id);
        if (each !== undefined) return each.give();
        const session = found.get(id);
        // An id that stands twice gives two objects.
        if (session === undefined || !given.has(id)) {
          given.add(id);
          return session;
        }
        return keepSession(session).give();
      });
    },

    cleanupExpiredSessions: (options?: CleanupOptions) => cache.writingAll(() => inner.cleanupExpiredSessions(options)),
  };
}
