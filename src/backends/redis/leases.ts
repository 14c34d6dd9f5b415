/** Leases of the Redis backend (L1). */
import type { LeaseDriver } from "../../domain/driver/storage-driver.js";
import type { StoredLease } from "../../domain/driver/stored.js";
import { assertCurrentLease } from "../../domain/leases.js";
import type { Connection } from "./connection/connection.js";
import { ACQUIRE_LEASE, RELEASE_LEASE, RENEW_LEASE } from "./lua/leases.js";
import { parseLease } from "./refusals.js";

type Reply = readonly [verdict: string, lease: string | null];

export function leaseVerbs(connection: () => Connection): LeaseDriver {
  return {
    async acquireLease(call, { kind, id }, { owner, ttlMs }) {
      const [verdict, text] = await connection().run<Reply>(call, ACQUIRE_LEASE, [kind, id, owner, ttlMs]);
      const lease = parseLease(text) as StoredLease;
      return verdict === "H" ? { held: lease } : { acquired: lease };
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
