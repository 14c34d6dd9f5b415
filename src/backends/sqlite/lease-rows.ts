/** Rows of leases, and what they refuse (L1). */
import type { FencingToken } from "../../domain/driver/call.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease, type FencedSubject } from "../../domain/leases.js";
import { isExpired } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { discardSession, discardThread, newBatch } from "./garbage.js";
import { sessionHead } from "./session-rows.js";
import { findThread, isThreadGone } from "./thread-rows.js";

/** Refuses a write under a lease that is not the current one. @throws FencedError */
export function assertFence(db: Connection, tenant: number, fence: FencingToken | null, now: number): void {
  if (fence !== null) assertCurrentLease(storedLease(db, tenant, fence, now), fence);
}

/** The lease of a subject; that of an expired one is gone with it. A subject need not be stored to have a lease. */
export function storedLease(
  db: Connection,
  tenant: number,
  subject: FencedSubject,
  now: number,
): StoredLease | undefined {
  return goneSubject(db, tenant, subject, now) === undefined ? selectLease(db, tenant, subject) : undefined;
}

/** How to clear the place of a subject that is stored and has expired; `undefined` for any other. */
export function goneSubject(
  db: Connection,
  tenant: number,
  { kind, id }: FencedSubject,
  now: number,
): (() => void) | undefined {
  if (kind === "session") {
    const session = sessionHead(db, tenant, id);
    if (session === undefined || !isExpired(session, now)) return undefined;
    return () => discardSession(db, newBatch(db), { ...session, tenant });
  }
  const thread = findThread(db, tenant, id);
  if (thread === undefined || !isThreadGone(thread, now)) return undefined;
  return () => discardThread(db, newBatch(db), { ...thread, tenant });
}

export function selectLease(db: Connection, tenant: number, { kind, id }: FencedSubject): StoredLease | undefined {
  return db.get<StoredLease>(
    `SELECT token, owner, ttl_ms AS ttlMs, acquired_at AS acquiredAt, expires_at AS expiresAt
     FROM leases WHERE tenant = ? AND kind = ? AND subject_id = ?`,
    tenant,
    kind,
    id,
  );
}
