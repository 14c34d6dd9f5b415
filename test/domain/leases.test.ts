// Leases: tokens decide about writes, times only about who may acquire (L1, K7).
import { describe, expect, it } from "vitest";
import { ConflictError, FencedError, InvalidArgumentError } from "../../src/contract/errors.js";
import {
  assertCurrentLease,
  fencingToken,
  leaseHeld,
  leaseSubject,
  leaseToken,
  leaseTtl,
  MAX_LEASE_TTL_MS,
  mayAcquire,
  toLease,
} from "../../src/domain/leases.js";

const NOW = 1_000;
const stored = { token: 7, owner: "ann", ttlMs: 100, acquiredAt: 900, expiresAt: NOW };
const lease = toLease({ kind: "session", id: "s" }, stored);

describe("mayAcquire", () => {
  it("lets in the same owner at once, another one from the instant of expiry on", () => {
    expect(mayAcquire(undefined, "ben", 0)).toBe(true);
    expect(mayAcquire(stored, "ann", 0)).toBe(true);
    expect(mayAcquire(stored, "ben", NOW - 1)).toBe(false);
    expect(mayAcquire(stored, "ben", NOW)).toBe(true);
  });
});

describe("assertCurrentLease (L1)", () => {
  const fence = (token: number) => ({ kind: "thread", id: "t", token }) as const;

  it("lets the current token through, run out or not", () => {
    expect(assertCurrentLease({ ...stored, expiresAt: 0 }, fence(7))).toBeUndefined();
  });

  it("refuses older tokens, ones that were never given, and leases that are gone", () => {
    expect(() => assertCurrentLease(stored, fence(6))).toThrow(FencedError);
    expect(() => assertCurrentLease(stored, fence(8))).toThrow(FencedError);
    expect(() => assertCurrentLease(undefined, fence(7))).toThrow('the lease of thread "t" is gone');
    expect(() => assertCurrentLease(stored, fence(6))).toThrow('was superseded by token 7 of "ann"');
  });
});

describe("fencingToken", () => {
  const session = { kind: "session", id: "s" } as const;
  const thread = { kind: "thread", id: "s" } as const;

  it("is the lease's token if it is for something that the call writes to", () => {
    expect(fencingToken(undefined, [session])).toBeNull();
    expect(fencingToken(lease, [thread, session])).toEqual({ kind: "session", id: "s", token: 7 });
  });

  it("survives JSON, as a lease does that is handed to another process", () => {
    expect(fencingToken(JSON.parse(JSON.stringify(lease)), [session])).toEqual({ ...session, token: 7 });
  });

  it("refuses a lease for something else", () => {
    expect(() => fencingToken(lease, [thread])).toThrow('lease is for session "s", but this call writes to thread "s"');
    expect(() => fencingToken(lease, [{ kind: "session", id: "other" }])).toThrow(InvalidArgumentError);
  });

  it.each([
    [null],
    [7],
    [[]],
    [{}],
    [{ subject: { session: "s" } }],
    [{ subject: { session: "s" }, token: "7" }],
    [{ subject: { session: "s" }, token: 0 }],
    [{ subject: { session: "s" }, token: 1.5 }],
    [{ subject: { session: "s", thread: "t" }, token: 7 }],
    [{ subject: {}, token: 7 }],
    [{ subject: { session: "" }, token: 7 }],
    [{ subject: { session: "s" }, token: 7, fence: 8 }],
  ])("refuses %j", (value) => {
    expect(() => fencingToken(value, [session])).toThrow(InvalidArgumentError);
  });
});

describe("arguments of leases", () => {
  it("name exactly one session or thread", () => {
    expect(leaseSubject({ thread: "t" })).toEqual({ kind: "thread", id: "t" });
    expect(leaseSubject({ session: "s", thread: undefined })).toEqual({ kind: "session", id: "s" });
    expect(() => leaseSubject({ session: "s", thread: "t" })).toThrow("either a session or a thread");
    expect(() => leaseSubject({ user: "u" })).toThrow('no field "user"');
    expect(leaseToken(lease)).toEqual({ kind: "session", id: "s", token: 7 });
  });

  it("live for 1 ms to 30 days", () => {
    expect([leaseTtl(1), leaseTtl(MAX_LEASE_TTL_MS)]).toEqual([1, 30 * 86_400_000]);
    for (const ttlMs of [0, 1.5, MAX_LEASE_TTL_MS + 1, undefined]) {
      expect(() => leaseTtl(ttlMs)).toThrow(InvalidArgumentError);
    }
  });
});

describe("leaseHeld", () => {
  it("says by whom and until when, and that it may be tried again", () => {
    const error = leaseHeld({ kind: "session", id: "s" }, stored);
    expect(error).toBeInstanceOf(ConflictError);
    expect(error.retryable).toBe(true);
    expect(error.message).toBe('the lease of session "s" is held by "ann" until 1970-01-01T00:00:01.000Z');
  });
});
