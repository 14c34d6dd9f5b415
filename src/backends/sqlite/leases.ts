/** Leases of the SQLite backend (L1). */
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease, type FencedSubject, mayAcquire } from "../../domain/leases.js";
import type { Connection } from "./connection/connection.js";
import { deleteLease } from "./garbage.js";
import { goneSubject, selectLease, storedLease } from "./lease-rows.js";
import type { OpenFile } from "./store.js";

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
