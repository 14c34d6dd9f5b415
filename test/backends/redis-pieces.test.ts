// The conformance kit on the Redis backend where nearly every text is a long one, which is stored and read in pieces.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, describe, it } from "vitest";
import { redisStorage } from "../../src/backends/redis/index.js";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { sharedRedis } from "../support/redis-server.js";
import { removeKeys } from "../testing/redis-factory.js";

let admin: Redis | undefined;
afterAll(() => admin?.disconnect());

/** Texts in pieces of 20 characters take many times as long as they do. */
const PATIENT_MS = 60_000;

const factory: StorageFactory = {
  supports: { reopen: true, secondHandle: true, clock: true, storedBytes: true, freedBytes: true, durability: "crash" },
  create: async () => {
    const url = await sharedRedis();
    const prefix = `test-${randomBytes(6).toString("hex")}`;
    return {
      open: async (options) => redisStorage({ timeoutMs: PATIENT_MS, ...options, url, prefix, pieceLength: 20 }),
      destroy: async () => {
        admin ??= new Redis(url);
        await removeKeys(admin, prefix);
      },
    };
  },
};

describeStorage("redis with texts in pieces", factory, vitestRunner({ describe, it }), {
  scale: { messages: 300, racers: 16 },
  // Texts of many MiB in pieces of 20 characters take minutes; in those of the default the kit has them elsewhere.
  filter: (name) => !/large value|long text|16 MiB|at most 64 MiB/.test(name),
});
