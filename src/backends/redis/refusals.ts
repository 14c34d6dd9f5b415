/** What a script refuses, as the errors of the domain (S6, L1). */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { FencingToken } from "../../domain/driver/call.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease } from "../../domain/leases.js";

/** What most scripts that write begin their reply with: `O` for done, `N` for no session, `F` for a superseded lease. */
export type Verdict = readonly [verdict: string, ...rest: unknown[]];

/** @throws SessionNotFoundError, FencedError for what the verdict says */
export function assertAccepted([verdict, detail]: Verdict, sessionId: string, fence: FencingToken | null): void {
  if (verdict === "N") throw new SessionNotFoundError(sessionId);
  if (verdict === "F" && fence !== null) assertCurrentLease(parseLease(detail as string | null), fence);
}

/** The token that a script compares; nothing for none. */
export function tokenText(fence: FencingToken | null): string {
  return fence === null ? "" : String(fence.token);
}

/** A lease as it is stored: `token ttl acquiredAt expiresAt owner`. */
export function parseLease(text: string | null): StoredLease | undefined {
  const [, token, ttlMs, acquiredAt, expiresAt, owner] = /^(\d+) (\d+) (-?\d+) (-?\d+) (.*)$/s.exec(text ?? "") ?? [];
  if (owner === undefined) return undefined;
  return {
    token: Number(token),
    owner,
    ttlMs: Number(ttlMs),
    acquiredAt: Number(acquiredAt),
    expiresAt: Number(expiresAt),
  };
}
