// The conformance kit and the random programs with everything encrypted, whatever the options.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EncryptionOptions, encryption } from "../../../src/layers/encryption/encryption.js";
import { keyRing } from "../../../src/layers/encryption/key-ring.js";
import { describeStorage, runPrograms, type StorageFactory, vitestRunner } from "../../../src/testing/index.js";
import { memoryFactory } from "../../testing/memory-factory.js";
import { sqliteFactory } from "../../testing/sqlite-factory.js";
import { layered } from "../layered-factory.js";

const runner = vitestRunner({ describe, it });
const secret = randomBytes(32);

/** The store behind the layer declares what ciphertext leaves possible. */
function encrypted(factory: StorageFactory, options: Omit<EncryptionOptions, "keys"> = {}): StorageFactory {
  const keys = keyRing({ current: "k1", keys: { k1: secret } });
  return {
    ...layered(factory, encryption({ keys, ...options })),
    supports: {
      ...factory.supports,
      replacements: false,
      changeFeed: false,
      vectors: options.vectors === "plain",
      itemFilters: false,
      metadataFilters: options.metadata !== true,
    },
  };
}

describeStorage("memory, encrypted", encrypted(memoryFactory), runner);
describeStorage(
  "memory, metadata encrypted too",
  encrypted(memoryFactory, { metadata: true, vectors: "plain", plaintext: "read" }),
  runner,
);
describeStorage("sqlite, encrypted", encrypted(sqliteFactory), runner, { scale: { messages: 2_000, racers: 8 } });

describe("an encrypted store agrees with the reference model on random programs", () => {
  it.each<[string, StorageFactory, number]>([
    ["memory", encrypted(memoryFactory), 80],
    ["memory, metadata encrypted too", encrypted(memoryFactory, { metadata: true, vectors: "plain" }), 60],
    ["sqlite", encrypted(sqliteFactory), 15],
  ])("%s", { timeout: 600_000 }, async (_name, factory, programs) => {
    expect(await runPrograms(fc, factory, { programs, commands: 60 })).toBeGreaterThan(0);
  });
});
