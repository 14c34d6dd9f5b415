// Redis stores with prefixes of their own, on the server of the test file.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { type RedisStorageOptions, redisStorage } from "../../src/backends/redis/index.js";
import type { StorageFactory, StorageHarness, StorageSupport } from "../../src/testing/storage-factory.js";
import { sharedRedis } from "../support/redis-server.js";

let admin: Redis | undefined;

/** What a store of several shards refuses. */
export const SHARDED_SUPPORT = { sharedContexts: false, batchesAcrossLabels: false } as const;

export const redisFactory: StorageFactory = factory({});

/** Tenants of these stores are spread over four hash tags. */
export const redisShardsFactory: StorageFactory = factory({ shards: 4 });

function factory(options: Pick<RedisStorageOptions, "shards">): StorageFactory {
  const supports: StorageSupport = {
    reopen: true,
    secondHandle: true,
    clock: true,
    storedBytes: true,
    freedBytes: true,
    replacements: true,
    changeFeed: true,
    durability: "crash",
    ...(options.shards === undefined ? {} : SHARDED_SUPPORT),
  };
  return { supports, create: () => create(options) };
}

async function create(options: Pick<RedisStorageOptions, "shards">): Promise<StorageHarness> {
  const url = await sharedRedis();
  const prefix = `test-${randomBytes(6).toString("hex")}`;
  return {
    open: async (given) => redisStorage({ ...options, ...given, url, prefix }),
    destroy: async () => {
      admin ??= new Redis(url);
      await removeKeys(admin, prefix);
    },
  };
}

/** Removes all keys of one server that begin with a prefix. */
export async function removeKeys(server: Redis, prefix: string): Promise<void> {
  for (let cursor = "0"; ; ) {
    const [next, keys] = await server.scan(cursor, "MATCH", `${prefix}:*`, "COUNT", 1_000);
    // One by one: in a Cluster they are of many slots. At once: memory that is freed later would disturb what is measured next.
    await Promise.all(keys.map((key) => server.del(key)));
    cursor = next;
    if (cursor === "0") return;
  }
}
