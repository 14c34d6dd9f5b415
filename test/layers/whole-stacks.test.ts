// Layers that change what a call does, together: the conformance kit through all of them, and random programs on a store that fails.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batch, cache, encryption, keyRing, type Layer, withLayers } from "../../src/layers/index.js";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../src/testing/index.js";
import { memoryFactory } from "../testing/memory-factory.js";
import { paired } from "./failover/paired-factory.js";
import { layered } from "./layered-factory.js";
import { withFaultsBelow } from "./stacks.js";

const keys = keyRing({ current: "k1", keys: { k1: randomBytes(32) } });

const CHANGING = {
  encryption: () => encryption({ keys, metadata: true }),
  cache: () => cache({ ttlMs: 3_600_000, absentTtlMs: 3_600_000 }),
  batch: () => batch(),
} satisfies { readonly [kind: string]: () => Layer };

type Kind = keyof typeof CHANGING;

/** These layers in the order that is allowed, around the stores of a factory. */
function around(factory: StorageFactory, kinds: readonly Kind[]): StorageFactory {
  const hides = kinds.includes("encryption");
  return {
    ...layered(factory, (backend) =>
      withLayers(
        backend,
        kinds.map((kind) => CHANGING[kind]()),
      ),
    ),
    supports: {
      ...factory.supports,
      replacements: false,
      changeFeed: false,
      // Each handle has a cache of its own.
      secondHandle: factory.supports.secondHandle && !kinds.includes("cache"),
      vectors: factory.supports.vectors === true && !hides,
      itemFilters: !hides,
      metadataFilters: !hides,
    },
  };
}

describeStorage(
  "memory, encrypted, cached and in batches",
  around(memoryFactory, ["encryption", "cache", "batch"]),
  vitestRunner({ describe, it }),
);

describe("stacks agree with the reference model on random programs", () => {
  it.each<[readonly Kind[]]>([[["encryption", "cache"]], [["encryption", "batch"]], [["cache", "batch"]]])(
    "%s",
    { timeout: 300_000 },
    async (kinds) => {
      expect(await runPrograms(fc, around(memoryFactory, kinds), { programs: 30, commands: 50 })).toBeGreaterThan(0);
    },
  );

  it.each(["sync-both", "primary-then-fallback"] as const)(
    "encryption,cache around a failover, %s, whose primary fails",
    { timeout: 300_000 },
    async (mode) => {
      const pair = paired(withFaultsBelow(memoryFactory, ["retry", "timeout"], 11), memoryFactory, mode);
      const factory = around(pair, ["encryption", "cache"]);
      expect(await runPrograms(fc, factory, { programs: 15, commands: 50 })).toBeGreaterThan(0);
    },
  );

  it("also on a store that fails, where retries hide it", { timeout: 300_000 }, async () => {
    const faulty = withFaultsBelow(memoryFactory, ["retry", "timeout"], 11);
    const factory = around(faulty, ["encryption", "cache"]);
    expect(await runPrograms(fc, factory, { programs: 30, commands: 50 })).toBeGreaterThan(0);
  });
});
