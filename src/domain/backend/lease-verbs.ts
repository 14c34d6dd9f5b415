/** The verbs of `LeaseStorage`: arguments checked, results put into the contract's words. */
import type { CallOptions, Lease, LeaseSubject } from "../../contract/call.js";
import type { AcquireLeaseOptions, LeaseStorage, RenewLeaseOptions } from "../../contract/lease-storage.js";
import { knownOptions } from "../arguments.js";
import type { LeaseDriver } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { leaseHeld, leaseSubject, leaseToken, leaseTtl, toLease } from "../leases.js";
import type { RunCall } from "./run-call.js";

export function leaseVerbs(run: RunCall, driver: LeaseDriver): LeaseStorage {
  return {
    acquireLease: async (subject: LeaseSubject, options: AcquireLeaseOptions) => {
      const wanted = leaseSubject(subject);
      const known = knownOptions(options, ["owner", "ttlMs"]);
      const lease = { owner: identifier(known.owner, "owner"), ttlMs: leaseTtl(known.ttlMs) };
      const result = await run("acquireLease", known, (call) => driver.acquireLease(call, wanted, lease));
      if ("held" in result) throw leaseHeld(wanted, result.held);
      return toLease(wanted, result.acquired);
    },

    renewLease: async (lease: Lease, options?: RenewLeaseOptions) => {
      const fence = leaseToken(lease);
      const known = knownOptions(options, ["ttlMs"]);
      const ttlMs = known.ttlMs === undefined ? null : leaseTtl(known.ttlMs);
      return toLease(fence, await run("renewLease", known, (call) => driver.renewLease(call, fence, ttlMs)));
    },

    releaseLease: async (lease: Lease, options?: CallOptions) => {
      const fence = leaseToken(lease);
      return run("releaseLease", knownOptions(options, []), (call) => driver.releaseLease(call, fence));
    },
  };
}
