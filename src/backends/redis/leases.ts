/** Leases of the Redis backend (L1). */
import type { Call } from "../../domain/driver/call.js";
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease } from "../../domain/leases.js";
import type { Connection } from "./connection/connection.js";
import { ACQUIRE_LEASE, RELEASE_LEASE, RENEW_LEASE } from "./lua/leases.js";
import { parseLease } from "./refusals.js";

type Reply = readonly [verdict: string, lease: string | null];
type Acquired = Awaited<ReturnType<LeaseDriver["acquireLease"]>>;

/**
 * Acquires with a token that was given out before, or the next one of the tenant. `undefined` if a later one was used since.
 */
export async function acquireWith(
  connection: Connection,
  call: Call,
  { kind, id }: { readonly kind: "session" | "thread"; readonly id: string },
  { owner, ttlMs }: { readonly owner: string; readonly ttlMs: number },
  token: number | "",
): Promise<Acquired | undefined> {
  const [verdict, text] = await connection.run<Reply>(call, ACQUIRE_LEASE, [kind, id, owner, ttlMs, token]);
  if (verdict === "A") return undefined;
  const lease = parseLease(text) as StoredLease;
  return verdict === "H" ? { held: lease } : { acquired: lease };
}

export function leaseVerbs(connection: () => Connection): LeaseDriver {
  return {
    async acquireLease(call, subject, lease) {
      return (await acquireWith(connection(), call, subject, lease, "")) as Acquired;
    },

    async renewLease(call, fence, ttlMs) {
      const args = [fence.kind, fence.id, fence.token, ttlMs ?? ""];
      const [, text] = await connection().run<Reply>(call, RENEW_LEASE, args);
      const lease = parseLease(text);
      assertCurrentLease(lease, fence);
      return lease;
    },

    async releaseLease(call, { kind, id, token }) {
      return (await connection().run<number>(call, RELEASE_LEASE, [kind, id, token])) === 1;
    },
  };
}
