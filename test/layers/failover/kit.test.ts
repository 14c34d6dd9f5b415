// The conformance kit and the random programs through the failover, in each of its modes.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../../src/testing/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { paired } from "./paired-factory.js";

const runner = vitestRunner({ describe, it });

// Every value is stored twice, and the largest take seconds.
vi.setConfig({ testTimeout: 120_000 });

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
