/** Leases of the PostgreSQL backend (L1). */
import type { FencingToken } from "../../domain/driver/call.js";
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease, type FencedSubject, mayAcquire } from "../../domain/leases.js";
import { isExpired } from "../../domain/sessions.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { removeLeases, removeSessions, removeThread } from "./removal.js";
import { lockHead, type SessionHead } from "./session-rows.js";
import type { Database } from "./store.js";
import { isThreadGone, lockThread } from "./thread-rows.js";

const COLUMNS = sql`token, owner, ttl_ms AS "ttlMs", acquired_at AS "acquiredAt", expires_at AS "expiresAt"`;

export function leaseVerbs(database: () => Database): LeaseDriver {
  return {
    acquireLease: (call, subject, { owner, ttlMs }) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const now = db.now();
        const { gone, stored } = await lockLease(tx, call.tenant, subject, now);
        if (gone === undefined && stored !== undefined && !mayAcquire(stored, owner, now)) return { held: stored };
        await gone?.();
        const token = await nextToken(tx, call.tenant);
        const acquired = { token, owner, ttlMs, acquiredAt: now, expiresAt: now + ttlMs };
        // A lease that came in between is of somebody else: the transaction is done again.
        if (gone === undefined && stored !== undefined) changeLease(tx, call.tenant, subject, acquired);
        else insertLease(tx, call.tenant, subject, acquired);
        return { acquired };
      });
    },

    renewLease: (call, fence, ttlMs) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const now = db.now();
        const { gone, stored: found } = await lockLease(tx, call.tenant, fence, now);
        const stored = gone === undefined ? found : undefined;
        assertCurrentLease(stored, fence);
        const lasting = ttlMs ?? stored.ttlMs;
        const renewed = { ...stored, ttlMs: lasting, expiresAt: now + lasting };
        changeLease(tx, call.tenant, fence, renewed);
        return renewed;
      });
    },

    releaseLease: (call, fence) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const { gone, stored } = await lockLease(tx, call.tenant, fence, db.now());
        if (gone !== undefined || stored?.token !== fence.token) return false;
        removeLeases(tx, call.tenant, fence.kind, [fence.id]);
        return true;
      });
    },
  };
}

/**
 * The lease that a write carries, held until the write is done, so that nobody acquires in between. Of a subject that has
 * expired the lease is gone with it; whoever locks the subject knows that.
 */
export function holdLease(tenant: string, { kind, id }: FencedSubject): Sql {
  return sql`SELECT ${COLUMNS} FROM @leases WHERE tenant = ${tenant} AND kind = ${kind} AND subject_id = ${id} FOR SHARE`;
}

/** Begins to look for the lease of a fence; to be sent behind the locks of the subjects. */
export function holdFence(
  tx: Transaction,
  tenant: string,
  fence: FencingToken | null,
): Promise<StoredLease | undefined> {
  return fence === null ? Promise.resolve(undefined) : tx.get<StoredLease>(holdLease(tenant, fence));
}

/** Refuses a write under a lease that is not the current one. @throws FencedError */
export function assertFence(held: StoredLease | undefined, fence: FencingToken | null): void {
  if (fence !== null) assertCurrentLease(held, fence);
}

interface LockedLease {
  readonly stored: StoredLease | undefined;
  /** How to clear the place of a subject that is stored and has expired; `undefined` for any other. */
  readonly gone: (() => Promise<void>) | undefined;
}

async function lockLease(tx: Transaction, tenant: string, subject: FencedSubject, now: number): Promise<LockedLease> {
  const lease = sql`SELECT ${COLUMNS} FROM @leases
    WHERE tenant = ${tenant} AND kind = ${subject.kind} AND subject_id = ${subject.id} FOR UPDATE`;
  if (subject.kind === "session") {
    const [session, stored] = await Promise.all([
      tx.get<SessionHead>(lockHead(tenant, subject.id)),
      tx.get<StoredLease>(lease),
    ]);
    const isGone = session !== undefined && isExpired(session, now);
    return { stored, gone: isGone ? () => removeSessions(tx, tenant, [subject.id]) : undefined };
  }
  const [thread, stored] = await Promise.all([lockThread(tx, tenant, subject.id), tx.get<StoredLease>(lease)]);
  const isGone = thread !== undefined && isThreadGone(thread, now);
  return { stored, gone: isGone ? () => removeThread(tx, tenant, subject.id) : undefined };
}

function insertLease(tx: Transaction, tenant: string, { kind, id }: FencedSubject, lease: StoredLease): void {
  tx.run(sql`INSERT INTO @leases (tenant, kind, subject_id, token, owner, ttl_ms, acquired_at, expires_at)
    VALUES (${tenant}, ${kind}, ${id}, ${lease.token}, ${lease.owner}, ${lease.ttlMs}, ${lease.acquiredAt},
      ${lease.expiresAt})`);
}

function changeLease(tx: Transaction, tenant: string, { kind, id }: FencedSubject, lease: StoredLease): void {
  tx.run(sql`UPDATE @leases SET token = ${lease.token}, owner = ${lease.owner}, ttl_ms = ${lease.ttlMs},
      acquired_at = ${lease.acquiredAt}, expires_at = ${lease.expiresAt}
    WHERE tenant = ${tenant} AND kind = ${kind} AND subject_id = ${id}`);
}

/** Grows with every acquisition in the tenant, whatever was deleted. */
async function nextToken(tx: Transaction, tenant: string): Promise<number> {
  const row = await tx.get<{ token: number }>(
    sql`INSERT INTO @tenants AS t (tenant, last_lease_token) VALUES (${tenant}, 1)
      ON CONFLICT (tenant) DO UPDATE SET last_lease_token = t.last_lease_token + 1
      RETURNING last_lease_token AS token`,
  );
  return (row as { token: number }).token;
}
