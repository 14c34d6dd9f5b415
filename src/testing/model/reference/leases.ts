/** Leases in the reference model (L1). */
import type { Lease, LeaseSubject } from "../../../contract/call.js";
import type { ModelVerbs } from "../verbs.js";
import type { ModelLease, TenantState } from "./state.js";
import { Refusal } from "./state.js";

export function leaseVerbs(state: TenantState): ModelVerbs<"acquireLease" | "renewLease" | "releaseLease"> {
  return {
    acquireLease(subject, { owner, ttlMs }) {
      const now = state.now();
      const held = state.leases.get(leaseKey(subject));
      if (held !== undefined && held.owner !== owner && now < held.expiresAt) throw new Refusal("CONFLICT");
      state.lastToken += 1;
      const lease: ModelLease = { token: state.lastToken, owner, ttlMs, acquiredAt: now, expiresAt: now + ttlMs };
      state.leases.set(leaseKey(subject), lease);
      return present(subject, lease);
    },

    renewLease(lease, { ttlMs } = {}) {
      const held = currentLease(state, lease);
      if (held === undefined) throw new Refusal("FENCED");
      const renewed = { ...held, ttlMs: ttlMs ?? held.ttlMs, expiresAt: state.now() + (ttlMs ?? held.ttlMs) };
      state.leases.set(leaseKey(lease.subject), renewed);
      return present(lease.subject, renewed);
    },

    releaseLease: (lease) => currentLease(state, lease) !== undefined && state.leases.delete(leaseKey(lease.subject)),
  };
}

/** Sessions and threads of the same name are two subjects. */
export function leaseKey(subject: LeaseSubject): string {
  return JSON.stringify("session" in subject ? ["session", subject.session] : ["thread", subject.thread]);
}

/** A write that carries a lease must carry the newest one of its subject; a write that carries none is accepted. */
export function checkFence(state: TenantState, lease: Lease | undefined, ...written: readonly LeaseSubject[]): void {
  if (lease === undefined) return;
  if (!written.some((subject) => leaseKey(subject) === leaseKey(lease.subject))) throw new Refusal("INVALID_ARGUMENT");
  if (currentLease(state, lease) === undefined) throw new Refusal("FENCED");
}

/** Expiry only lets another owner acquire: an expired lease is the current one until then. */
function currentLease(state: TenantState, lease: Lease): ModelLease | undefined {
  const held = state.leases.get(leaseKey(lease.subject));
  return held?.token === lease.token ? held : undefined;
}

function present(subject: LeaseSubject, lease: ModelLease): Lease {
  return {
    subject: { ...subject },
    token: lease.token,
    owner: lease.owner,
    acquiredAt: new Date(lease.acquiredAt),
    expiresAt: new Date(lease.expiresAt),
  };
}
