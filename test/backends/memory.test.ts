// The conformance kit on the memory backend.
import { describe, it } from "vitest";
import { memoryDriver } from "../../src/backends/memory/index.js";
import { storageBackend } from "../../src/domain/backend/storage-backend.js";
import type { Clock } from "../../src/domain/clock.js";
import { describeStorage, type StorageFactory, vitestRunner } from "../../src/testing/index.js";

const factory: StorageFactory = {
  supports: {
    reopen: false,
    secondHandle: true,
    clock: true,
    vectors: true,
    replacements: true,
    changeFeed: true,
    durability: "memory",
  },
  create: async () => {
    let clock: Clock | undefined;
    const driver = memoryDriver({ clock: { now: () => clock?.now() ?? Date.now() }, changeFeed: true });
    return {
      // Handles on one store share its driver: closing one must not empty it for the others.
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

describeStorage("memory", factory, vitestRunner({ describe, it }));
