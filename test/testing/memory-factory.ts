// Stores in memory for the conformance kit: handles share a driver, so that the clauses about two handles and about opening
// again are tried out without a disk.
import { memoryDriver } from "../../src/backends/memory/index.js";
import { storageBackend } from "../../src/domain/backend/storage-backend.js";
import { type Clock, systemClock } from "../../src/domain/clock.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";

/** Each store lives until it is destroyed, whatever handles come and go. */
export const memoryFactory: StorageFactory = {
  supports: {
    reopen: true,
    secondHandle: true,
    clock: true,
    vectors: true,
    replacements: true,
    changeFeed: true,
    durability: "memory",
  },
  create: async () => {
    let clock: Clock = systemClock;
    const driver = memoryDriver({ clock: { now: () => clock.now() }, changeFeed: true });
    return {
      open: async (options) => {
        clock = options?.clock ?? clock;
        const { changes, ...unfed } = { ...driver, close: async () => {} };
        const isFed = options?.changeFeed === true && changes !== undefined;
        return storageBackend(isFed ? { ...unfed, changes } : unfed, { clock, timeoutMs: options?.timeoutMs });
      },
      destroy: () => driver.close(),
    };
  },
};
