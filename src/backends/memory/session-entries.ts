/** Sessions as they are kept: each change goes to the map and to the indexes, and nothing outlives its session (S10). */
import type { StoredSession } from "../../domain/driver/stored.js";
import { touchedAt } from "../../domain/sessions.js";
import type { ContextEntry, SessionEntry, Tenant } from "./state.js";
import { liveSession, liveThread } from "./state.js";
import { removeThread } from "./thread-entries.js";

/** Threads from which on removing their session may pause. */
const MANY_THREADS = 100;

export function insertSession(tenant: Tenant, row: StoredSession): SessionEntry {
  const { sessionId, userId, createdAt } = row;
  const parts = { conversation: null, context: null, threads: null, idempotency: null };
  const session: SessionEntry = { sessionId, userId, createdAt, row, ...parts };
  tenant.sessions.set(sessionId, session);
  tenant.sessionsByCreated.add(session);
  tenant.sessionsByUserAndCreated.add(session);
  tenant.sessionsByUpdated.add(row);
  tenant.sessionsByUserAndUpdated.add(row);
  return session;
}

export function setSession(tenant: Tenant, session: SessionEntry, row: StoredSession): void {
  tenant.sessionsByUpdated.replace(session.sessionId, session.row, row);
  tenant.sessionsByUserAndUpdated.replace(session.sessionId, session.row, row);
  session.row = row;
}

/** For a write that belongs to the session but is not its row's (S4). */
export function touchSession(tenant: Tenant, session: SessionEntry, now: number): void {
  setSession(tenant, session, { ...session.row, updatedAt: touchedAt(session.row.updatedAt, now) });
}

/**
 * Removes the session with its conversation, context, linked threads, leases and idempotency keys, in steps. For readers all of it
 * is gone with the first one.
 */
export function* removingSession(tenant: Tenant, session: SessionEntry): Generator<void, void, void> {
  const { sessionId, row } = session;
  leaveContext(tenant, session);
  tenant.sessions.delete(sessionId);
  tenant.sessionsByCreated.delete(session);
  tenant.sessionsByUserAndCreated.delete(session);
  tenant.sessionsByUpdated.delete(sessionId, row);
  tenant.sessionsByUserAndUpdated.delete(sessionId, row);
  tenant.leases.session.delete(sessionId);
  // A thread without its session is gone for readers already.
  for (const threadId of session.threads ?? []) {
    const thread = tenant.threads.get(threadId);
    if (thread !== undefined) removeThread(tenant, thread);
    yield;
  }
}

/** Clears the place of a session that has expired, in steps: what comes under its id is new. */
export function* removingExpiredSession(tenant: Tenant, sessionId: string, now: number): Generator<void, void, void> {
  const session = tenant.sessions.get(sessionId);
  if (session !== undefined && liveSession(tenant, sessionId, now) === undefined) {
    yield* removingSession(tenant, session);
  }
}

/** Clears the place of a thread that is gone with its session. */
export function removeExpiredThread(tenant: Tenant, threadId: string, now: number): void {
  const thread = tenant.threads.get(threadId);
  if (thread !== undefined && liveThread(tenant, threadId, now) === undefined) removeThread(tenant, thread);
}

/** Whether to remove the session may take long. */
export function hasManyThreads(session: SessionEntry | undefined): boolean {
  return (session?.threads?.size ?? 0) >= MANY_THREADS;
}

/** The session reads and writes this context from now on, and no longer the one that it had. */
export function joinContext(tenant: Tenant, session: SessionEntry, context: ContextEntry): void {
  if (session.context === context) return;
  leaveContext(tenant, session);
  context.sessions.add(session.sessionId);
  session.context = context;
}

/** A context lives until its last session leaves it (T3). */
function leaveContext(tenant: Tenant, session: SessionEntry): void {
  const { context } = session;
  if (context === null) return;
  context.sessions.delete(session.sessionId);
  if (context.sessions.size === 0) tenant.contexts.delete(context);
  session.context = null;
}
