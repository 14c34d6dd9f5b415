// Calls of a driver without the shell around it, and a store whose inside a test can look at.
import type { MemoryStore, Tenant } from "../../../src/backends/memory/state.js";
import { enter } from "../../../src/backends/memory/state.js";
import type { Call } from "../../../src/domain/driver/call.js";
import { RecentOutlines } from "../../../src/domain/segments/recent-outlines.js";
import { type ManualClock, manualClock } from "../../../src/testing/manual-clock.js";

/** A call that nobody gives up, unless the test sets `cancelled`. */
export function driverCall(tenant = "default"): Call & { cancelled: boolean } {
  return {
    tenant,
    operation: "getSession",
    cancelled: false,
    sent: false,
    remainingMs: () => Number.POSITIVE_INFINITY,
    cancellation: () => new Error("given up"),
  };
}

export function emptyStore(clock: ManualClock = manualClock()): MemoryStore & { readonly clock: ManualClock } {
  return { clock, keepVersions: 20, tenants: new Map(), outlines: new RecentOutlines() };
}

/** How much of everything the tenant holds, indexes included. */
export function sizesOf(store: MemoryStore): Record<string, number> {
  const { tenant } = enter(store, driverCall());
  return Object.fromEntries(Object.entries(countable(tenant)).map(([name, rows]) => [name, [...rows].length]));
}

function countable(tenant: Tenant): Record<string, Iterable<unknown>> {
  return {
    sessions: tenant.sessions.keys(),
    sessionsByCreated: tenant.sessionsByCreated.scan(),
    sessionsByUpdated: tenant.sessionsByUpdated.scan(),
    sessionsByUserAndCreated: tenant.sessionsByUserAndCreated.scan(),
    sessionsByUserAndUpdated: tenant.sessionsByUserAndUpdated.scan(),
    threads: tenant.threads.keys(),
    threadsByCreated: tenant.threadsByCreated.scan(),
    threadsByUpdated: tenant.threadsByUpdated.scan(),
    contexts: tenant.contexts.scan(),
    items: tenant.items.scan(),
    sessionLeases: tenant.leases.session.keys(),
    threadLeases: tenant.leases.thread.keys(),
  };
}
