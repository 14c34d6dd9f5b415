// Seeded faults: mistakes that backends make, each put into a memory store that is otherwise right.
import { memoryDriver } from "../../../src/backends/memory/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import type { Clock } from "../../../src/domain/clock.js";
import { systemClock } from "../../../src/domain/clock.js";
import type { Call } from "../../../src/domain/driver/call.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { StorageFactory } from "../../../src/testing/storage-factory.js";

/** One mistake, and the promises that it breaks: a clause of one of them must fail. */
export interface Fault {
  readonly name: string;
  readonly promises: readonly string[];
  readonly factory: StorageFactory;
}

/** Methods that stand in for those of a driver. `tenants` are those that have been named so far. */
type DriverChange = (driver: StorageDriver, clock: Clock, tenants: ReadonlySet<string>) => Partial<StorageDriver>;

/** Methods that stand in for those of a storage, and of each tenant's view of it. */
type StorageChange = (storage: StorageBackend) => Partial<StorageBackend>;

/** A fault below the shell: in what a driver stores or finds. */
export function driverFault(name: string, promises: readonly string[], change: DriverChange): Fault {
  return { name, promises, factory: memoryFactory(change, () => ({})) };
}

/** A fault above it: in what reaches the caller, or in what becomes of an argument. */
export function storageFault(name: string, promises: readonly string[], change: StorageChange): Fault {
  return { name, promises, factory: memoryFactory(() => ({}), change) };
}

/** Stores in memory, with the changes. Without any it is the control. */
export function memoryFactory(
  ofDriver: DriverChange = () => ({}),
  ofStorage: StorageChange = () => ({}),
): StorageFactory {
  return {
    supports: {
      reopen: false,
      secondHandle: false,
      clock: true,
      vectors: true,
      replacements: true,
      durability: "memory",
    },
    create: async () => ({
      open: async (options = {}) => {
        const driver = memoryDriver(options);
        const tenants = new Set<string>();
        const changed = { ...driver, ...ofDriver(driver, options.clock ?? systemClock, tenants) };
        return withChange(storageBackend(changed, options), ofStorage, tenants);
      },
      destroy: async () => undefined,
    }),
  };
}

function withChange(storage: StorageBackend, change: StorageChange, tenants: Set<string>): StorageBackend {
  tenants.add(storage.tenantName);
  return { ...storage, tenant: (name) => withChange(storage.tenant(name), change, tenants), ...change(storage) };
}

/** The same call, made for another tenant. */
export function callOf(call: Call, tenant: string): Call {
  return {
    tenant,
    operation: call.operation,
    get cancelled() {
      return call.cancelled;
    },
    get sent() {
      return call.sent;
    },
    set sent(sent: boolean) {
      call.sent = sent;
    },
    remainingMs: () => call.remainingMs(),
    cancellation: () => call.cancellation(),
  };
}

/** What a query finds that forgets to name its tenant. */
export async function ofEveryTenant<T>(
  tenants: ReadonlySet<string>,
  call: Call,
  query: (call: Call) => Promise<T[]>,
): Promise<T[]> {
  const found: T[] = [];
  for (const tenant of tenants) found.push(...(await query(callOf(call, tenant))));
  return found;
}

/** A tenant's own names for what a fault remembers. */
export function keyOf(call: Call, ...names: readonly string[]): string {
  return JSON.stringify([call.tenant, ...names]);
}

/** Lets others go first, as every step to a server does. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** As many turns as others need to look at several things, which may take several turns each. */
export async function meanwhile(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await pause();
}
