/** Leases of the SQLite backend (L1). */
import type { FencingToken } from "../../domain/driver/call.js";
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease, type FencedSubject, mayAcquire } from "../../domain/leases.js";
import { isExpired } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { deleteLease, discardSession, discardThread, newBatch } from "./garbage.js";
import { sessionHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { findThread, isThreadGone } from "./thread-rows.js";

export function leaseVerbs(file: () => OpenFile): LeaseDriver {
  return {
    acquireLease: (call, subject, { owner, ttlMs }) =>
      file().write(call, (tx, tenant) => {
        const now = file().now();
        const gone = goneSubject(tx, tenant, subject, now);
        const stored = gone === undefined ? selectLease(tx, tenant, subject) : undefined;
        if (stored !== undefined && !mayAcquire(stored, owner, now)) return { held: stored };
        gone?.();
        const token = nextToken(tx, tenant);
        const acquired = { token, owner, ttlMs, acquiredAt: now, expiresAt: now + ttlMs };
        putLease(tx, tenant, subject, acquired);
        return { acquired };
      }),

    renewLease: (call, fence, ttlMs) =>
      file().write(call, (tx, tenant) => {
        const now = file().now();
        const stored = storedLease(tx, tenant, fence, now);
        assertCurrentLease(stored, fence);
        const lasting = ttlMs ?? (stored as StoredLease).ttlMs;
        const renewed = { ...(stored as StoredLease), ttlMs: lasting, expiresAt: now + lasting };
        putLease(tx, tenant, fence, renewed);
        return renewed;
      }),

    releaseLease: (call, fence) =>
      file().write(call, (tx, tenant) => {
        const isCurrent = storedLease(tx, tenant, fence, file().now())?.token === fence.token;
        if (isCurrent) deleteLease(tx, tenant, fence.kind, fence.id);
        return isCurrent;
      }),
  };
}

/** Refuses a write under a lease that is not the current one. @throws FencedError */
export function assertFence(db: Connection, tenant: number, fence: FencingToken | null, now: number): void {
  if (fence !== null) assertCurrentLease(storedLease(db, tenant, fence, now), fence);
}

/** The lease of a subject; that of an expired one is gone with it. A subject need not be stored to have a lease. */
function storedLease(db: Connection, tenant: number, subject: FencedSubject, now: number): StoredLease | undefined {
  return goneSubject(db, tenant, subject, now) === undefined ? selectLease(db, tenant, subject) : undefined;
}

/** How to clear the place of a subject that is stored and has expired; `undefined` for any other. */
function goneSubject(
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

function selectLease(db: Connection, tenant: number, { kind, id }: FencedSubject): StoredLease | undefined {
  return db.get<StoredLease>(
    `SELECT token, owner, ttl_ms AS ttlMs, acquired_at AS acquiredAt, expires_at AS expiresAt
     FROM leases WHERE tenant = ? AND kind = ? AND subject_id = ?`,
    tenant,
    kind,
    id,
  );
}

function putLease(tx: Connection, tenant: number, { kind, id }: FencedSubject, lease: StoredLease): void {
  tx.run(
    `INSERT INTO leases (tenant, kind, subject_id, token, owner, ttl_ms, acquired_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (tenant, kind, subject_id) DO UPDATE SET token = excluded.token, owner = excluded.owner,
       ttl_ms = excluded.ttl_ms, acquired_at = excluded.acquired_at, expires_at = excluded.expires_at`,
    tenant,
    kind,
    id,
    lease.token,
    lease.owner,
    lease.ttlMs,
    lease.acquiredAt,
    lease.expiresAt,
  );
}

/** Grows with every acquisition in the tenant, whatever was deleted. */
function nextToken(tx: Connection, tenant: number): number {
  tx.run("UPDATE tenants SET last_lease_token = last_lease_token + 1 WHERE id = ?", tenant);
  const row = tx.get<{ token: number }>("SELECT last_lease_token AS token FROM tenants WHERE id = ?", tenant);
  return (row as { token: number }).token;
}
