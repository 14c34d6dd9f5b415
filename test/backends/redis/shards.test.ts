// Tenants of Redis that are spread over shards: where they are, what listings show while much changes, and threads that many link at once.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { ShardNames, shardOfId } from "../../../src/backends/redis/shards/placing.js";
import { openStorage } from "../../../src/open.js";
import { moveSlot, type RedisCluster, SLOTS, startCluster, until } from "../../support/redis-cluster.js";
import { type RedisServer, sharedRedis } from "../../support/redis-server.js";

const newPrefix = (): string => `test-${randomBytes(6).toString("hex")}`;

describe("the number of shards", () => {
  it("is the store's: another one is refused, none is as it is", async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using first = await openStorage(`${url}?shards=8&prefix=${prefix}`);
    await first.createSession("s", "u");
    for (const shards of [1, 4, 16]) {
      await using other = redisStorage({ url, prefix, shards });
      await expect(other.initialize()).rejects.toMatchObject({
        code: "UNSUPPORTED",
        message: expect.stringContaining(`8 shards, not ${shards}`),
      });
    }
    await using same = redisStorage({ url, prefix });
    expect((await same.getSession("s"))?.userId).toBe("u");
  });

  it("is 1 for a store that has data and no number", async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using old = redisStorage({ url, prefix });
    await old.createSession("s", "u");
    const admin = new Redis(url);
    await admin.del(`${prefix}:shards`);
    admin.disconnect();
    await using spread = redisStorage({ url, prefix, shards: 4 });
    await expect(spread.initialize()).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await using same = redisStorage({ url, prefix, shards: 1 });
    expect((await same.getSession("s"))?.userId).toBe("u");
  });

  it("is 1 to 256", () => {
    for (const shards of [0, 257, 1.5, "4"]) {
      expect(() => redisStorage({ url: "redis://localhost", shards: shards as number })).toThrow(/shards/);
    }
  });
});

describe("where things are", () => {
  it("stays the same from version to version: it is part of the format", () => {
    const ids = ["", "a", "session-1", "session-2", "\u{1F600}", "__proto__"];
    expect(ids.map((id) => shardOfId(id, 256))).toMatchInlineSnapshot(`
      [
        11,
        179,
        139,
        229,
        10,
        171,
      ]
    `);
    expect(new ShardNames(4).of("acme")).toMatchInlineSnapshot(`
      [
        "acme/0.3",
        "acme/1.1",
        "acme/2.3",
        "acme/3.1",
      ]
    `);
    expect(new ShardNames(3).of("50% {of} all/1")).toMatchInlineSnapshot(`
      [
        "50% {of} all/1/0.3",
        "50% {of} all/1/1.1",
        "50% {of} all/1/2.2",
      ]
    `);
  });

  it("is even for ids that differ in a number", () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 16_000; i++) {
      const shard = shardOfId(`session-${i}`, 16);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    expect([Math.min(...counts) > 850, Math.max(...counts) < 1_150, counts]).toEqual([true, true, counts]);
  });
});

describe("one tenant in a Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  it("has its data and its load on every master", { timeout: 60_000 }, async () => {
    await using storage = redisStorage({ url: cluster.url, shards: 16 });
    await storage.initialize();
    const admins = cluster.masters.map(({ url }) => new Redis(url));
    const calls = async (): Promise<number[]> => {
      const stats = await Promise.all(admins.map((admin) => admin.info("commandstats")));
      return stats.map((text) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(text)?.[1] ?? 0));
    };
    const before = await calls();
    const ids = Array.from({ length: 300 }, (_, i) => `session ${i}`);
    await Promise.all(
      ids.map(async (id) => {
        await storage.createSession(id, "ada");
        await storage.addConversationMessage(id, "user", "hello");
        await storage.storeCheckpoint(`thread of ${id}`, "c", { id }, { sessionId: id });
      }),
    );
    const after = await calls();
    const keys = await Promise.all(admins.map((admin) => admin.dbsize()));
    for (const admin of admins) admin.disconnect();
    const share = (counts: readonly number[]): number[] => {
      const sum = counts.reduce((total, count) => total + count, 0);
      return counts.map((count) => Math.round((100 * count) / sum));
    };
    const shares = { calls: share(after.map((count, i) => count - (before[i] ?? 0))), keys: share(keys) };
    console.log(`one tenant on three masters, in percent: ${JSON.stringify(shares)}`);
    for (const each of [...shares.calls, ...shares.keys])
      expect([each > 22, each < 45, shares]).toEqual([true, true, shares]);
  });

  it("loses nothing while its slots move, and threads between its shards", { timeout: 120_000 }, async () => {
    await using storage = redisStorage({ url: cluster.url, prefix: "moving", shards: 4 });
    const sessions = Array.from({ length: 6 }, (_, i) => `session ${i}`);
    await storage.batchCreateSessions(sessions.map((sessionId) => ({ sessionId, userId: "u" })));
    const stored = new Map<string, string[]>();
    let running = true;
    const linking = Array.from({ length: 6 }, async (_, k) => {
      const thread = `thread ${k}`;
      const ids: string[] = [];
      stored.set(thread, ids);
      for (let i = 0; running; i++) {
        const sessionId = sessions[(i + k) % sessions.length] as string;
        await storage.storeCheckpoint(thread, `c${i}`, { i }, { sessionId });
        ids.push(`c${i}`);
        expect((await storage.getCheckpoint(thread))?.checkpointId).toBe(`c${i}`);
      }
    });
    // Enough that there is something to move.
    await until(async () => [...stored.values()].every((ids) => ids.length >= 20));
    let keys = 0;
    for (const name of new ShardNames(4).of("default")) {
      const [first] = cluster.masters as [RedisServer];
      const slot = Number((await first.command("CLUSTER", "KEYSLOT", `moving:{${name}}`)).slice(1).split("\r\n")[0]);
      const from = Math.floor(slot / Math.ceil(SLOTS / 3));
      const [source, target] = [cluster.masters[from], cluster.masters[(from + 1) % 3]] as [RedisServer, RedisServer];
      keys += await moveSlot(cluster, slot, source, target, 2);
    }
    running = false;
    await Promise.all(linking);
    for (const [thread, ids] of stored) {
      const found = await storage.listCheckpoints(thread, { limit: 10_000 });
      expect(found.map(({ checkpointId }) => checkpointId).reverse()).toEqual(ids);
    }
    const listed = await Promise.all(sessions.map((sessionId) => storage.listThreads({ sessionId })));
    expect(listed.flatMap(({ items }) => items.map(({ threadId }) => threadId)).sort()).toEqual([...stored.keys()]);
    const sum = [...stored.values()].reduce((total, ids) => total + ids.length, 0);
    expect([(await storage.getMetrics()).checkpoints.value, keys > 20, sum > 6]).toEqual([sum, true, true]);
  });
});

describe("listings while much changes", () => {
  it.each(["createdAt", "updatedAt"] as const)(
    "show no session that was deleted before, and every one that stays, by %s",
    { timeout: 60_000 },
    async (orderBy) => {
      const url = await sharedRedis();
      const prefix = newPrefix();
      await using writer = redisStorage({ url, prefix, shards: 8 });
      await using reader = redisStorage({ url, prefix });
      const stable = Array.from({ length: 60 }, (_, i) => `stable ${i}`);
      for (const id of stable) await writer.createSession(id, "u");
      const deleted = new Set<string>();
      const acknowledged = new Set<string>();
      let running = true;
      const churn = Array.from({ length: 4 }, async (_, k) => {
        for (let i = 0; running; i++) {
          const ids = [0, 1, 2].map((n) => `churn ${k} ${i} ${n}`);
          await writer.batchCreateSessions(ids.map((sessionId) => ({ sessionId, userId: "u" })));
          for (const id of ids) acknowledged.add(id);
          for (const id of ids) {
            acknowledged.delete(id);
            await writer.deleteSession(id);
            deleted.add(id);
          }
        }
      });
      for (let round = 0; round < 25; round++) {
        const gone = new Set(deleted);
        const made = [...acknowledged];
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await reader.listSessions({ limit: 7, orderBy, direction: "asc", cursor });
          seen.push(...page.items.map(({ sessionId }) => sessionId));
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        expect(seen.filter((id) => gone.has(id))).toEqual([]);
        expect(seen.filter((id) => id.startsWith("stable"))).toEqual(
          [...stable].sort((a, b) => seen.indexOf(a) - seen.indexOf(b)),
        );
        expect(new Set(seen).size).toBe(seen.length);
        // Made before the listing, and still there after it.
        expect(made.filter((id) => acknowledged.has(id) && !seen.includes(id))).toEqual([]);
      }
      running = false;
      await Promise.all(churn);
      expect(deleted.size).toBeGreaterThan(50);
    },
  );
});

describe("threads that many link at once", () => {
  it("lose no checkpoint, are never away for readers, and end with one session", { timeout: 60_000 }, async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    const storages = [8, undefined, undefined].map((shards) => redisStorage({ url, prefix, shards }));
    const [one, two] = storages as [(typeof storages)[number], (typeof storages)[number]];
    await one.initialize();
    const sessions = Array.from({ length: 5 }, (_, i) => `session ${i}`);
    await one.batchCreateSessions(sessions.map((sessionId) => ({ sessionId, userId: "u" })));
    for (const thread of ["a", "b"]) {
      await one.storeCheckpoint(thread, "first", { thread });
      const stored = new Set(["first"]);
      let running = true;
      const reading = (async () => {
        let least = 0;
        while (running) {
          const before = stored.size;
          const found = await two.listCheckpoints(thread, { limit: 1_000, data: true });
          expect(found.length).toBeGreaterThanOrEqual(Math.max(before, least));
          least = found.length;
          expect((await two.getCheckpoint(thread, { checkpointId: "first" }))?.data).toEqual({ thread });
        }
      })();
      await Promise.all(
        storages.map(async (storage, k) => {
          for (let i = 0; i < 40; i++) {
            const id = `c ${k} ${i}`;
            const sessionId = sessions[(i * 3 + k) % sessions.length] as string;
            await storage.storeCheckpoint(thread, id, { id }, i % 3 === 0 ? {} : { sessionId });
            stored.add(id);
          }
        }),
      );
      running = false;
      await reading;
      const found = await one.listCheckpoints(thread, { limit: 1_000, data: true });
      expect(found.map(({ checkpointId }) => checkpointId).sort()).toEqual([...stored].sort());
      expect(new Set(found.map(({ seq }) => seq)).size).toBe(found.length);
      const owners = await Promise.all(sessions.map((sessionId) => one.listThreads({ sessionId })));
      expect(owners.flatMap(({ items }) => items).filter(({ threadId }) => threadId === thread).length).toBe(1);
      expect((await one.listThreads()).items.filter(({ threadId }) => threadId === thread).length).toBe(1);
    }
    expect((await one.getMetrics()).checkpoints.value).toBe(242);
    await Promise.all(storages.map((storage) => storage.close()));
  });
});

describe("threads with long texts", () => {
  it("take them along to another shard, and leave those of their copies", async () => {
    const url = await sharedRedis();
    const prefix = newPrefix();
    await using storage = redisStorage({ url, prefix, shards: 8, pieceLength: 10 });
    const text = "a text of many pieces. ".repeat(20);
    for (let i = 0; i < 6; i++) await storage.createSession(`session ${i}`, "u");
    await storage.storeCheckpoint("t", "c", { text });
    await storage.putWrites("t", "c", "task", [["long", text]]);
    await storage.copyThread("t", "copy");
    const textOf = async (thread: string): Promise<unknown> => (await storage.getWrites(thread, "c"))[0]?.value;
    for (let i = 0; i < 6; i++) {
      for (const thread of ["t", "copy"]) {
        await storage.storeCheckpoint(thread, `c${i}`, { i }, { sessionId: `session ${i}` });
        expect([await textOf("t"), await textOf("copy")]).toEqual([text, text]);
        await expect(
          storage.storeCheckpoint(thread, "no", {}, { sessionId: `session ${(i + 1) % 6}`, expectedHead: "another" }),
        ).rejects.toMatchObject({ code: "CONFLICT" });
        expect([await textOf("t"), await textOf("copy")]).toEqual([text, text]);
      }
    }
    await storage.deleteThread("t");
    expect([await textOf("t"), await textOf("copy")]).toEqual([undefined, text]);
    await storage.deleteSession("session 5");
    expect(await textOf("copy")).toBe(undefined);
    await storage.cleanupExpiredSessions({ maxIdleHours: 0 });
    const admin = new Redis(url);
    const left = (await admin.keys(`${prefix}:*`)).filter((key) => !key.endsWith("}") && !key.endsWith(":shards"));
    admin.disconnect();
    expect(left).toEqual([]);
  });
});
