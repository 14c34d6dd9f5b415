/** Leases: who may acquire one, and which write one lets through (L1, K7). */
import type { Lease, LeaseSubject } from "../contract/call.js";
import { ConflictError, FencedError, InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import { integer, knownFields } from "./arguments.js";
import type { FencingToken } from "./driver/call.js";
import type { StoredLease } from "./driver/stored.js";
import { identifier } from "./identifiers.js";

/** Longest time to live of a lease, in milliseconds: 30 days. */
export const MAX_LEASE_TTL_MS: number = 30 * 24 * 60 * 60 * 1000;

/** What a lease is for, as drivers see it. */
export type FencedSubject = Pick<FencingToken, "kind" | "id">;

/** The subject of a lease to acquire: exactly one session or thread. */
export function leaseSubject(value: unknown, name = "subject"): FencedSubject {
  const { session, thread } = knownFields(value, name, ["session", "thread"]);
  if ((session === undefined) === (thread === undefined)) {
    throw new InvalidArgumentError(`${name} must name either a session or a thread`);
  }
  return session === undefined
    ? { kind: "thread", id: identifier(thread, `${name}.thread`) }
    : { kind: "session", id: identifier(session, `${name}.session`) };
}

export function leaseTtl(value: unknown): number {
  return integer(value, "ttlMs", { min: 1, max: MAX_LEASE_TTL_MS });
}

/** The token of a lease, whatever it is for; the other fields of a lease are for people and prove nothing. */
export function leaseToken(lease: unknown, name = "lease"): FencingToken {
  const fields = knownFields(lease, name, ["subject", "token", "owner", "acquiredAt", "expiresAt"]);
  return {
    ...leaseSubject(fields.subject, `${name}.subject`),
    token: integer(fields.token, `${name}.token`, { min: 1 }),
  };
}

/**
 * The token that a write carries, `null` for none.
 * @throws InvalidArgumentError if the lease is for something else than one of the subjects that the write is about
 */
export function fencingToken(lease: unknown, subjects: readonly FencedSubject[]): FencingToken | null {
  if (lease === undefined) return null;
  const fence = leaseToken(lease);
  if (subjects.some(({ kind, id }) => kind === fence.kind && id === fence.id)) return fence;
  const expected = subjects.map(({ kind, id }) => `${kind} ${quoteIdentifier(id)}`).join(" or ");
  throw new InvalidArgumentError(
    `lease is for ${fence.kind} ${quoteIdentifier(fence.id)}, but this call writes to ${expected}`,
  );
}

/** Whether an owner may take the lease now: it is free, its own, or has run out. */
export function mayAcquire(stored: StoredLease | undefined, owner: string, now: number): boolean {
  return stored === undefined || stored.owner === owner || now >= stored.expiresAt;
}

/**
 * Lets a write pass whose token is the current one, run out or not: clocks never decide about safety (L1).
 * @throws FencedError
 */
export function assertCurrentLease(
  stored: StoredLease | undefined,
  fence: FencingToken,
): asserts stored is StoredLease {
  const subject = `${fence.kind} ${quoteIdentifier(fence.id)}`;
  if (stored === undefined) {
    throw new FencedError(`the lease of ${subject} is gone: it was released, or its subject was deleted`);
  }
  if (stored.token !== fence.token) {
    throw new FencedError(
      `the lease of ${subject} with token ${fence.token} was superseded by token ${stored.token} of ${quoteIdentifier(stored.owner)}`,
    );
  }
}

/** The refusal to acquire what another owner holds; trying again later may succeed. */
export function leaseHeld(subject: FencedSubject, stored: StoredLease): ConflictError {
  const until = new Date(stored.expiresAt).toISOString();
  return new ConflictError(
    `the lease of ${subject.kind} ${quoteIdentifier(subject.id)} is held by ${quoteIdentifier(stored.owner)} until ${until}`,
    { retryable: true },
  );
}

/** A stored lease as its holder sees it. */
export function toLease({ kind, id }: FencedSubject, stored: StoredLease): Lease {
  const subject: LeaseSubject = kind === "session" ? { session: id } : { thread: id };
  return {
    subject,
    token: stored.token,
    owner: stored.owner,
    acquiredAt: new Date(stored.acquiredAt),
    expiresAt: new Date(stored.expiresAt),
  };
}
