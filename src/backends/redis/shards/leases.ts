/** Leases over shards (L1): each is where its subject is. Numbers of tokens come from one shard, so that they grow in the whole tenant. */
import type { Call } from "../../../domain/driver/call.js";
import type { LeaseDriver } from "../../../domain/driver/storage-driver.js";
import { acquireWith } from "../leases.js";
import { NEXT_TOKEN } from "../lua/leases.js";
import type { Shards } from "./shards.js";
import { harmless, type ThreadPlaces } from "./thread-places.js";

export function shardedLeaseVerbs(shards: Shards, places: ThreadPlaces, inner: LeaseDriver): LeaseDriver {
  const at = <T>(
    call: Call,
    { kind, id }: { readonly kind: "session" | "thread"; readonly id: string },
    run: (call: Call) => Promise<T>,
  ): Promise<T> => (kind === "session" ? run(shards.to(call, id)) : places.at(call, id, run));
  return {
    async acquireLease(call, subject, lease) {
      for (;;) {
        const token = await harmless(call, () => shards.connection.run<number>(shards.call(call, 0), NEXT_TOKEN, []));
        const acquired = await at(call, subject, (one) => acquireWith(shards.connection, one, subject, lease, token));
        if (acquired !== undefined) return acquired;
        if (call.cancelled) throw call.cancellation();
      }
    },
    renewLease: (call, fence, ttlMs) => at(call, fence, (one) => inner.renewLease(one, fence, ttlMs)),
    releaseLease: (call, fence) => at(call, fence, (one) => inner.releaseLease(one, fence)),
  };
}
