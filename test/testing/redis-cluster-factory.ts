// Stores on a Redis Cluster of six nodes that the test file starts, with prefixes of their own.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { redisStorage } from "../../src/backends/redis/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { removeKeys } from "./redis-factory.js";

let started: Promise<{ readonly cluster: RedisCluster; readonly masters: readonly Redis[] }> | undefined;

export const redisClusterFactory: StorageFactory = {
  supports: { reopen: true, secondHandle: true, clock: true, replacements: true, durability: "crash" },
  create: async () => {
    started ??= start();
    const { cluster, masters } = await started;
    const prefix = `test-${randomBytes(6).toString("hex")}`;
    return {
      open: async (options) => redisStorage({ ...options, url: cluster.url, prefix }),
      destroy: async () => {
        await Promise.all(masters.map((master) => removeKeys(master, prefix)));
      },
    };
  },
};

async function start(): Promise<{ readonly cluster: RedisCluster; readonly masters: readonly Redis[] }> {
  const cluster = await startCluster();
  return { cluster, masters: cluster.masters.map(({ url }) => new Redis(url)) };
}
