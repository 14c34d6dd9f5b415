// The conformance kit on the Redis backend through the client library of Valkey, whose clients an application brings.
import { randomBytes } from "node:crypto";
import { Cluster, Redis as Valkey } from "iovalkey";
import { afterAll, describe, expect, it } from "vitest";
import { redisStorage } from "../../src/backends/redis/index.js";
import { describeStorage, vitestRunner } from "../../src/testing/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { startCluster } from "../support/redis-cluster.js";
import { sharedRedis, startRedis } from "../support/redis-server.js";

let client: Valkey | undefined;
afterAll(() => client?.disconnect());

const factory: StorageFactory = {
  supports: { reopen: true, secondHandle: true, clock: true, durability: "crash" },
  create: async () => {
    client ??= new Valkey(await sharedRedis());
    const prefix = `test-${randomBytes(6).toString("hex")}`;
    return {
      open: async (options) => redisStorage({ ...options, client: client as Valkey, prefix }),
      destroy: async () => undefined,
    };
  },
};

describeStorage("redis through iovalkey", factory, vitestRunner({ describe, it }), {
  scale: { messages: 2_000, racers: 16 },
});

it("a Cluster of iovalkey's gives its settings as well", { timeout: 60_000 }, async () => {
  await using cluster = await startCluster();
  const own = new Cluster(cluster.masters.map(({ port }) => ({ host: "127.0.0.1", port })));
  await using storage = redisStorage({ client: own });
  for (const tenant of ["a", "b", "c"]) await storage.tenant(tenant).createSession("s", "ada");
  expect(await storage.tenant("b").getSession("s")).toMatchObject({ userId: "ada" });
  own.disconnect();
});

it("what a server says and a connection that breaks are told as through ioredis", { timeout: 60_000 }, async () => {
  await using server = await startRedis({ inMemory: true });
  const own = new Valkey(server.url, { lazyConnect: true });
  await using storage = redisStorage({ client: own, timeoutMs: 9_000 });
  await storage.createSession("s", "ada");
  await server.command("SCRIPT", "FLUSH");
  expect(await storage.addConversationMessage("s", "user", "hello")).toMatchObject({ seq: 1 });
  await server.command("CONFIG", "SET", "maxmemory", "1");
  await expect(storage.addConversationMessage("s", "user", "full")).rejects.toMatchObject({
    code: "CONNECTION",
    outcome: "not-applied",
    message: expect.stringMatching(/no memory/),
  });
  await server.command("CONFIG", "SET", "maxmemory", "0");
  const sleeping = server.command("DEBUG", "SLEEP", "10");
  const ended = sleeping.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // Its end may come before that of the kill.
  const lost = Promise.allSettled([storage.addConversationMessage("s", "user", "lost")]);
  await server.kill();
  expect(await lost).toMatchObject([{ reason: { code: "CONNECTION", outcome: "unknown" } }]);
  await ended;
});
