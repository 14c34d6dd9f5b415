/** Leases of the memory backend (L1). */
import type { FencingToken } from "../../domain/driver/call.js";
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease, type FencedSubject, mayAcquire } from "../../domain/leases.js";
import { runAtOnce, Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { hasManyThreads, removeExpiredThread, removingExpiredSession } from "./session-entries.js";
import type { MemoryStore, Tenant } from "./state.js";
import { enter, liveSession, liveThread } from "./state.js";

export function leaseVerbs(store: MemoryStore): LeaseDriver {
  return {
    async acquireLease(call, subject, { owner, ttlMs }) {
      const { tenant, now } = enter(store, call);
      const { kind, id } = subject;
      const session = kind === "session" ? tenant.sessions.get(id) : undefined;
      const acquiring = acquire(tenant, subject, owner, ttlMs, now);
      return hasManyThreads(session) ? alone(tenant, () => new Slices(call).finish(acquiring)) : runAtOnce(acquiring);
    },

    async renewLease(call, fence, ttlMs) {
      const { tenant, now } = enter(store, call);
      const stored = storedLease(tenant, fence, now);
      assertCurrentLease(stored, fence);
      const renewed = { ...stored, ttlMs: ttlMs ?? stored.ttlMs, expiresAt: now + (ttlMs ?? stored.ttlMs) };
      tenant.leases[fence.kind].set(fence.id, renewed);
      return renewed;
    },

    async releaseLease(call, fence) {
      const { tenant, now } = enter(store, call);
      const isCurrent = storedLease(tenant, fence, now)?.token === fence.token;
      if (isCurrent) tenant.leases[fence.kind].delete(fence.id);
      return isCurrent;
    },
  };
}

function* acquire(
  tenant: Tenant,
  { kind, id }: FencedSubject,
  owner: string,
  ttlMs: number,
  now: number,
): Generator<void, { readonly acquired: StoredLease } | { readonly held: StoredLease }, void> {
  if (kind === "session") yield* removingExpiredSession(tenant, id, now);
  else removeExpiredThread(tenant, id, now);
  const stored = tenant.leases[kind].get(id);
  if (stored !== undefined && !mayAcquire(stored, owner, now)) return { held: stored };
  tenant.lastToken += 1;
  const acquired = { token: tenant.lastToken, owner, ttlMs, acquiredAt: now, expiresAt: now + ttlMs };
  tenant.leases[kind].set(id, acquired);
  return { acquired };
}

/** Refuses a write under a lease that is not the current one. @throws FencedError */
export function checkFence(tenant: Tenant, fence: FencingToken | null, now: number): void {
  if (fence !== null) assertCurrentLease(storedLease(tenant, fence, now), fence);
}

/** The lease of a subject; that of an expired one is gone with it. A subject need not be stored to have a lease. */
function storedLease(tenant: Tenant, { kind, id }: FencedSubject, now: number): StoredLease | undefined {
  const hasExpired =
    kind === "session"
      ? tenant.sessions.has(id) && liveSession(tenant, id, now) === undefined
      : tenant.threads.has(id) && liveThread(tenant, id, now) === undefined;
  return hasExpired ? undefined : tenant.leases[kind].get(id);
}
