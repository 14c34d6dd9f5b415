/** Tokens of leases carry the epoch: a lease that the store before has given is one that a later owner has superseded (L1). */
import type { Lease } from "../../contract/call.js";

/** Tokens of one epoch. */
const PER_EPOCH = 2 ** 32;

/** A token that no store has given. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** A store's lease, as callers see it. */
export function outwardLease(lease: Lease, epoch: number): Lease {
  return { ...lease, token: epoch * PER_EPOCH + lease.token };
}

/** A caller's lease, as the store in charge knows it. What is no lease stays, so that the store refuses it. */
export function inwardLease(lease: unknown, epoch: number): unknown {
  if (typeof lease !== "object" || lease === null || !("token" in lease)) return lease;
  const { token } = lease;
  if (typeof token !== "number" || !Number.isSafeInteger(token) || token < 1) return lease;
  const own = token % PER_EPOCH;
  const isCurrent = Math.floor(token / PER_EPOCH) === epoch && own > 0;
  return { ...lease, token: isCurrent ? own : NEVER };
}
