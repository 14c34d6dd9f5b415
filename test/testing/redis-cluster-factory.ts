// Stores on a Redis Cluster of six nodes that the test file starts, with prefixes of their own.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { type RedisStorageOptions, redisStorage } from "../../src/backends/redis/index.js";
import type { StorageFactory, StorageHarness, StorageSupport } from "../../src/testing/storage-factory.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { removeKeys, SHARDED_SUPPORT } from "./redis-factory.js";

let started: Promise<{ readonly cluster: RedisCluster; readonly masters: readonly Redis[] }> | undefined;

const supports: StorageSupport = {
  reopen: true,
  secondHandle: true,
  clock: true,
  replacements: true,
  changeFeed: true,
  durability: "crash",
};

export const redisClusterFactory: StorageFactory = { supports, create: () => create({}) };

/** Tenants of these stores are spread over 16 hash tags, and so over all masters. */
export const redisClusterShardsFactory: StorageFactory = {
  supports: { ...supports, ...SHARDED_SUPPORT },
  create: () => create({ shards: 16 }),
};

async function create(options: Pick<RedisStorageOptions, "shards">): Promise<StorageHarness> {
  started ??= start();
  const { cluster, masters } = await started;
  const prefix = `test-${randomBytes(6).toString("hex")}`;
  return {
    open: async (given) => redisStorage({ ...options, ...given, url: cluster.url, prefix }),
    destroy: async () => {
      await Promise.all(masters.map((master) => removeKeys(master, prefix)));
    },
  };
}

async function start(): Promise<{ readonly cluster: RedisCluster; readonly masters: readonly Redis[] }> {
  const cluster = await startCluster();
  return { cluster, masters: cluster.masters.map(({ url }) => new Redis(url)) };
}
