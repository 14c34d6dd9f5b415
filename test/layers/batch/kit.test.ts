// The conformance kit and the random programs with appends in batches.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BatchOptions, batch } from "../../../src/layers/batch/batch.js";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../../src/testing/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { layered } from "../layered-factory.js";

const batched = (factory: StorageFactory, options?: BatchOptions): StorageFactory =>
  layered(factory, (backend) => batch(options)(backend));

describeStorage("memory, in batches", batched(memoryFactory), vitestRunner({ describe, it }));

describe("a store with batches agrees with the reference model on random programs", () => {
  it.each<[string, StorageFactory, number]>([
    ["memory", batched(memoryFactory), 80],
    ["memory, small batches that wait", batched(memoryFactory, { maxMessages: 2, delayMs: 1 }), 40],
    ["sqlite", batched(sqliteFactory), 15],
  ])("%s", { timeout: 600_000 }, async (_name, factory, programs) => {
    expect(await runPrograms(fc, factory, { programs, commands: 60 })).toBeGreaterThan(0);
  });
});
