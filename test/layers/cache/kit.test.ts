// The conformance kit and the random programs through the cache.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CacheOptions, cache } from "../../../src/layers/cache/cache.js";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../../src/testing/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { layered } from "../layered-factory.js";

const runner = vitestRunner({ describe, it });

/** Each handle has a cache of its own, as each process has. */
function cached(factory: StorageFactory, options: CacheOptions): StorageFactory {
  return {
    ...layered(factory, (backend) => cache(options)(backend)),
    // Without validation, what another handle writes is seen when the time is over.
    supports: {
      ...factory.supports,
      replacements: false,
      changeFeed: false,
      secondHandle: options.validate === "always" && factory.supports.secondHandle,
    },
  };
}

describeStorage("memory, cached", cached(memoryFactory, { ttlMs: 3_600_000, absentTtlMs: 3_600_000 }), runner);
describeStorage("memory, cached and validated", cached(memoryFactory, { validate: "always" }), runner);

describe("a cached store agrees with the reference model on random programs", () => {
  it.each<[string, StorageFactory, number]>([
    ["memory", cached(memoryFactory, { ttlMs: 3_600_000, absentTtlMs: 3_600_000 }), 120],
    ["memory, validated, with two handles", cached(memoryFactory, { validate: "always" }), 60],
    ["memory, hardly any room", cached(memoryFactory, { maxEntries: 2, maxBytes: 2_000, ttlMs: 3_600_000 }), 50],
    ["sqlite", cached(sqliteFactory, { ttlMs: 3_600_000, absentTtlMs: 3_600_000 }), 15],
  ])("%s", { timeout: 600_000 }, async (_name, factory, programs) => {
    expect(await runPrograms(fc, factory, { programs, commands: 60 })).toBeGreaterThan(0);
  });
});
