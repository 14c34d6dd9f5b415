// Long texts of messages, writes, contexts and items: sent and read in pieces that hold the server for a moment each, and gone with what they belong to.
import { randomBytes, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import type { Connection } from "../../../src/backends/redis/connection/connection.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { storeTexts } from "../../../src/backends/redis/long-texts.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import type { Call } from "../../../src/domain/driver/call.js";
import { sharedRedis, startRedis } from "../../support/redis-server.js";

const long = (mark: string): string => `${mark} `.repeat(200);

/** A tenant in which every text of more than 100 characters is long, and how many of them its server has. */
async function open(): Promise<{
  readonly storage: StorageBackend;
  readonly count: () => Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const url = await sharedRedis();
  const tenant = randomUUID();
  const storage = redisStorage({ url, tenant, pieceLength: 100 });
  const server = new Redis(url);
  return {
    storage,
    count: async () => (await server.keys(`waystone:{${tenant}}:v:*`)).length,
    async [Symbol.asyncDispose]() {
      await storage.close();
      server.disconnect();
    },
  };
}

it("long contents of messages go with their messages, and with their session", async () => {
  await using opened = await open();
  const { storage, count } = opened;
  await storage.createSession("s", "ada");
  for (let i = 1; i <= 4; i++) await storage.addConversationMessage("s", "user", long(`m${i}`), { messageId: `m${i}` });
  expect(await storage.addConversationMessage("s", "user", "another", { messageId: "m1" })).toMatchObject({
    seq: 1,
    content: long("m1"),
  });
  expect(await count()).toBe(4);
  expect(await storage.deleteConversationMessages("s", { before: 3 })).toBe(2);
  expect(await count()).toBe(2);
  await storage.deleteSession("s");
  expect(await count()).toBe(0);
});

it("long values of writes go when they are overwritten, with their checkpoint, and with the last thread that has them", async () => {
  await using opened = await open();
  const { storage, count } = opened;
  for (const id of ["c1", "c2"]) {
    await storage.storeCheckpoint("t", id, { plan: id });
    await storage.putWrites("t", id, "task", [["channel", long(id)]]);
  }
  await storage.putWrites("t", "c1", "task", [["channel", long("again")]], { overwrite: true });
  expect(await count()).toBe(2);
  await storage.copyThread("t", "copy");
  await storage.deleteThread("t");
  expect((await storage.getWrites("copy", "c1"))[0]?.value).toBe(long("again"));
  expect(await count()).toBe(2);
  await storage.deleteCheckpoints("copy", ["c1"]);
  expect(await count()).toBe(1);
  expect((await storage.getWrites("copy", "c2"))[0]?.value).toBe(long("c2"));
  await storage.deleteThread("copy");
  expect(await count()).toBe(0);
});

it("long contexts go with the last versions that are kept, and with their last session", async () => {
  await using opened = await open();
  const { storage, count } = opened;
  await storage.createSession("s", "ada");
  await storage.createSession("other", "ada");
  for (let i = 1; i <= 25; i++) await storage.storeTaskContext("s", { text: long(`v${i}`) });
  expect(await count()).toBe(20);
  await storage.shareTaskContext("s", "other");
  await storage.deleteSession("s");
  expect((await storage.getTaskContext("other"))?.context).toEqual({ text: long("v25") });
  await storage.deleteSession("other");
  expect(await count()).toBe(0);
});

it("long values of items go when they are put again, deleted, swept, or their prefix is deleted", async () => {
  await using opened = await open();
  const { storage, count } = opened;
  for (const key of ["a", "b", "c"]) await storage.putItem(["n", key], "k", { text: long(key) });
  await storage.putItem(["n", "a"], "k", { text: long("again") });
  expect(await count()).toBe(3);
  expect((await storage.searchItems(["n"], { filter: { text: long("again") } })).items).toHaveLength(1);
  await storage.deleteItem(["n", "a"], "k");
  expect(await count()).toBe(2);
  await storage.putItem(["n", "c"], "k", { text: long("short-lived") }, { ttlMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await storage.cleanupExpiredSessions();
  expect(await count()).toBe(1);
  await storage.deleteItems(["n", "b"]);
  expect(await count()).toBe(0);
});

it("a reader finds a whole text while it is replaced again and again", { timeout: 60_000 }, async () => {
  await using opened = await open();
  const { storage } = opened;
  await storage.putItem(["n"], "k", { text: long("0") });
  let writing = true;
  const writer = (async () => {
    for (let i = 1; i <= 200; i++) await storage.putItem(["n"], "k", { text: long(String(i % 10)) });
    writing = false;
  })();
  for (let reads = 0; writing || reads === 0; reads++) {
    const text = (await storage.getItem(["n"], "k"))?.value.text as string;
    expect(text).toBe(long(text.slice(0, 1)));
  }
  await writer;
});

it("a long text that still stands there without a piece is damaged, and is told as that at once", async () => {
  const url = await sharedRedis();
  const tenant = randomUUID();
  await using storage = redisStorage({ url, tenant, pieceLength: 100 });
  await storage.putItem(["n"], "k", { text: long("a") });
  const server = new Redis(url);
  const [key] = await server.keys(`waystone:{${tenant}}:v:*`);
  await server.hdel(key as string, "2");
  server.disconnect();
  await expect(storage.getItem(["n"], "k")).rejects.toMatchObject({ code: "CORRUPTION" });
});

it("pieces that the server has lost are sent again, and told in a typed error if it loses them each time", async () => {
  const sent: unknown[] = [];
  const connection = {
    options: { pieceLength: 4 },
    keyOf: () => "waystone:{default}",
    plain: async (_: Call, commands: readonly unknown[]) => sent.push(...commands),
  } as unknown as Connection;
  const call = { tenant: "default", sent: true } as Call;
  let losses = 2;
  const store = (): Promise<readonly [string, ...unknown[]]> =>
    storeTexts(connection, call, ["0123456789"], async ([mark]) => (losses-- > 0 ? ["P"] : ["O", mark]));
  expect(await store()).toEqual(["O", expect.stringMatching(/^.[0-9a-f]{32} 3 10$/)]);
  expect(sent).toHaveLength(3 * (3 + 1));
  losses = 10;
  await expect(store()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
});

it("no command about a text of 32 MiB holds the server long", { timeout: 120_000 }, async () => {
  await using server = await startRedis({
    inMemory: true,
    settings: { appendfsync: "no", "slowlog-log-slower-than": 1_000, "slowlog-max-len": 10_000 },
  });
  await using storage = redisStorage({ url: server.url, timeoutMs: 60_000 });
  const bare = new Redis(server.url);
  const text = randomBytes(32 * 786_432).toString("base64");
  await storage.createSession("s", "ada");
  await storage.addConversationMessage("s", "user", text);
  expect((await storage.getConversationHistory("s"))[0]?.content).toBe(text);
  await storage.storeTaskContext("s", { text });
  expect((await storage.getTaskContext("s"))?.context).toEqual({ text });
  await storage.putWrites("t", "c", "task", [["channel", text]]);
  expect((await storage.getWrites("t", "c"))[0]?.value).toBe(text);
  await storage.deleteSession("s");
  const log = (await bare.slowlog("GET", 10_000)) as [number, number, number][];
  const took = log.map(([, , microseconds]) => microseconds / 1_000).sort((a, b) => b - a);
  bare.disconnect();
  console.log(
    `longest commands: ${took
      .slice(0, 5)
      .map((ms) => ms.toFixed(1))
      .join(", ")} ms`,
  );
  // Whole it takes 200 ms and more; a busy machine makes a moment of one piece long, not that of one in a hundred.
  expect(took.filter((ms) => ms > 20).length).toBeLessThan(5);
});
