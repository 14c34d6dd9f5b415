// The conformance kit and the random programs through the failover, in each of its modes.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type FailoverMode, failover } from "../../../src/layers/index.js";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../../src/testing/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { keptJournal } from "./kept-journal.js";

const runner = vitestRunner({ describe, it });

// Every value is stored twice, and the largest take seconds.
vi.setConfig({ testTimeout: 120_000 });

/** Pairs of stores with their journal. */
function paired(primary: StorageFactory, fallback: StorageFactory, mode: FailoverMode): StorageFactory {
  return {
    // One failover at a time has a pair of stores.
    supports: { ...primary.supports, replacements: false, secondHandle: false },
    create: async () => {
      const [first, second] = await Promise.all([primary.create(), fallback.create()]);
      const journal = keptJournal();
      return {
        open: async (options) => {
          const layer = failover({ fallback: await second.open(options), mode, journal });
          return layer(await first.open(options));
        },
        destroy: async () => {
          await first.destroy();
          await second.destroy();
        },
      };
    },
  };
}

describeStorage("memory and memory, sync-both", paired(memoryFactory, memoryFactory, "sync-both"), runner);
describeStorage(
  "memory and memory, primary-then-fallback",
  paired(memoryFactory, memoryFactory, "primary-then-fallback"),
  runner,
);
describeStorage(
  "memory and memory, fallback-on-failure",
  paired(memoryFactory, memoryFactory, "fallback-on-failure"),
  runner,
);
describeStorage("memory and sqlite, sync-both", paired(memoryFactory, sqliteFactory, "sync-both"), runner, {
  scale: { messages: 1_000, racers: 8 },
});

describe("a pair of stores agrees with the reference model on random programs", () => {
  it.each<[string, StorageFactory, number]>([
    ["sync-both", paired(memoryFactory, memoryFactory, "sync-both"), 60],
    ["primary-then-fallback", paired(memoryFactory, memoryFactory, "primary-then-fallback"), 60],
    ["fallback-on-failure", paired(memoryFactory, memoryFactory, "fallback-on-failure"), 30],
    ["sqlite and memory", paired(sqliteFactory, memoryFactory, "sync-both"), 10],
  ])("%s", { timeout: 600_000 }, async (_name, factory, programs) => {
    expect(await runPrograms(fc, factory, { programs, commands: 60 })).toBeGreaterThan(0);
  });
});
