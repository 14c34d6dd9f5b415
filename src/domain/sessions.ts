/** Sessions: how stored ones change and expire (S3-S5, S8, S9). */
import { ConflictError } from "../contract/errors.js";
import type { SessionStatus } from "../contract/session-storage.js";
import type { NewStoredSession, SessionChange } from "./driver/storage-driver.js";
import type { StoredSession } from "./driver/stored.js";

/** How long an idempotency key is remembered, in milliseconds (S5). */
export const IDEMPOTENCY_RETENTION_MS: number = 24 * 60 * 60 * 1000;

/** A session as it is stored first. */
export function newSession(session: NewStoredSession, now: number): StoredSession {
  return {
    sessionId: session.sessionId,
    userId: session.userId,
    status: "active",
    metadata: session.metadata,
    createdAt: now,
    updatedAt: now,
    version: 1,
    requestCount: 0,
    totalProcessingTime: 0,
    errorCount: 0,
    messageCount: 0,
    lastSeq: 0,
    ttlMs: session.ttlMs,
  };
}

/** Whether the session is gone for readers: its last write is `ttlMs` ago or longer (S8). */
export function isExpired(
  session: { readonly updatedAt: number; readonly ttlMs: number | null },
  now: number,
): boolean {
  return session.ttlMs !== null && now >= session.updatedAt + session.ttlMs;
}

/** `updatedAt` after a write at `now`: it never goes back, whatever the clock does. */
export function touchedAt(updatedAt: number, now: number): number {
  return Math.max(updatedAt, now);
}

/**
 * The session after an update (S2, S3, S4, S9). The idempotency key is the driver's to look up before.
 * @throws ConflictError when `expectedVersion` is not the stored one
 */
export function applySessionChange(stored: StoredSession, change: SessionChange, now: number): StoredSession {
  if (change.expectedVersion !== null && change.expectedVersion !== stored.version) {
    throw new ConflictError(
      `the session is at version ${stored.version}, not at the expected version ${change.expectedVersion}`,
    );
  }
  return {
    ...stored,
    status: change.status ?? stored.status,
    metadata: mergeMetadata(stored.metadata, change),
    updatedAt: touchedAt(stored.updatedAt, now),
    version: stored.version + 1,
    requestCount: stored.requestCount + change.addRequests,
    totalProcessingTime: stored.totalProcessingTime + change.addProcessingTime,
    errorCount: stored.errorCount + change.addErrors,
  };
}

/**
 * The session after its end; the very same object when it had ended so already.
 * @throws ConflictError when it had ended with another status
 */
export function endStored(stored: StoredSession, status: SessionStatus, now: number): StoredSession {
  if (stored.status === status) return stored;
  if (stored.status !== "active") {
    throw new ConflictError(
      `the session has already ended as ${stored.status}; make it active before ending it as ${status}`,
    );
  }
  return { ...stored, status, updatedAt: touchedAt(stored.updatedAt, now), version: stored.version + 1 };
}

/** Refuses an idempotency key that came with another payload before (S5). */
export function assertSamePayload(storedDigest: string, digest: string): void {
  if (storedDigest !== digest) {
    throw new ConflictError("this idempotency key was used with another payload in the last 24 hours");
  }
}

function mergeMetadata(stored: string, change: SessionChange): string {
  if (change.mergeMetadata === null && change.unsetMetadata.length === 0) return stored;
  // `Object.fromEntries` defines own keys, so `__proto__` stays a plain one.
  const merged = new Map<string, unknown>(Object.entries(JSON.parse(stored) as object));
  for (const [key, value] of Object.entries(change.mergeMetadata ?? {})) merged.set(key, value);
  for (const key of change.unsetMetadata) merged.delete(key);
  return JSON.stringify(Object.fromEntries(merged));
}
