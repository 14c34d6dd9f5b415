// What a single server may do to its callers: die, hang, forget scripts, close connections, be full. WAYSTONE_TEST_SCALE=full runs more rounds.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import { until } from "../../support/redis-cluster.js";
import { startRedis } from "../../support/redis-server.js";
import { startLoad, summary } from "./load.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";
const KILLS = FULL ? 100 : 4;
const TIMEOUT_MS = 5_000;

/** What F2 allows beyond the deadline, and a busy machine. */
const SLACK_MS = 250 + 500;

it(`kill -9 and a restart with appendfsync always, ${KILLS} times: nothing acknowledged is lost`, {
  timeout: 600_000,
}, async () => {
  await using server = await startRedis();
  await using storage = redisStorage({ url: server.url });
  const load = await startLoad(times(8, storage), TIMEOUT_MS);
  for (let round = 0; round < KILLS; round++) {
    const { acknowledged } = load.report;
    await sleep(100 + Math.random() * 200);
    await until(async () => load.report.acknowledged > acknowledged + 50);
    await server.kill();
    await sleep(Math.random() * 100);
    await server.start();
  }
  await sleep(300);
  await load.stop();
  const lost = await load.countLost();
  console.log(`${KILLS} kills: ${summary(load.report, lost)}`);
  expect([lost, load.report.wrong]).toEqual([0, []]);
  expect(load.report.late).toBe(0);
});

it("SCRIPT FLUSH is not noticed", { timeout: 60_000 }, async () => {
  await using server = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: server.url });
  const load = await startLoad(times(8, storage), TIMEOUT_MS);
  for (let round = 0; round < 20; round++) {
    await sleep(20);
    expect(await server.command("SCRIPT", "FLUSH")).toMatch(/^\+OK/);
  }
  await load.stop();
  expect([await load.countLost(), load.report.wrong, [...load.report.failed]]).toEqual([0, [], []]);
});

it("CLIENT KILL fails the calls on the connection, as unknown, and none is done twice", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: server.url });
  const load = await startLoad(times(8, storage), TIMEOUT_MS);
  for (let round = 0; round < 10; round++) {
    await sleep(40);
    await server.command("CLIENT", "KILL", "TYPE", "normal");
  }
  await sleep(200);
  await load.stop();
  expect([await load.countLost(), load.report.wrong]).toEqual([0, []]);
  const outcomes = [...load.report.failed.keys()];
  expect(outcomes).toContain("CONNECTION unknown");
  expect(outcomes.filter((name) => !name.startsWith("CONNECTION "))).toEqual([]);
});

it("a server that sleeps holds no call beyond its deadline", { timeout: 60_000 }, async () => {
  await using server = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: server.url });
  await storage.createSession("s", "ada");
  const sleeping = server.command("DEBUG", "SLEEP", "3");
  await until(() => isSilent(server));
  const late = storage.addConversationMessage("s", "user", "late", { messageId: "late" });
  const write = storage.addConversationMessage("s", "user", "hello", { timeoutMs: 300, messageId: "m" });
  const read = storage.getSession("s", { timeoutMs: 300 });
  expect(await settlesWithin(300 + SLACK_MS, [write, read])).toBe(true);
  await expect(write).rejects.toMatchObject({ code: "TIMEOUT", outcome: "unknown" });
  await expect(read).rejects.toMatchObject({ code: "TIMEOUT", outcome: "not-applied" });
  expect((await late).seq).toBe(1);
  await sleeping;
  // It was on its way, and is done.
  expect((await storage.addConversationMessage("s", "user", "hello", { messageId: "m" })).seq).toBe(2);
});

it("a server that is stopped holds no call beyond its deadline, also those that come later, nor the end", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true });
  const storage = redisStorage({ url: server.url, timeoutMs: 400 });
  await storage.createSession("s", "ada", { timeoutMs: 20_000 });
  process.kill(server.pid, "SIGSTOP");
  for (let i = 0; i < 3; i++) {
    const call = storage.addConversationMessage("s", "user", "hello");
    expect(await settlesWithin(400 + SLACK_MS, [call])).toBe(true);
    await expect(call).rejects.toMatchObject({ code: "TIMEOUT" });
  }
  expect((await storage.healthCheck()).status).toBe("unhealthy");
  expect(await settlesWithin(8_000, [storage.close()])).toBe(true);
  process.kill(server.pid, "SIGCONT");
});

it("calls that come while the server is away wait for it, and those whose deadline comes first say so", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: server.url, connectTimeoutMs: 15_000, timeoutMs: 30_000 });
  await storage.createSession("s", "ada");
  await server.kill();
  await sleep(50);
  await expect(storage.addConversationMessage("s", "user", "no", { timeoutMs: 300 })).rejects.toMatchObject({
    outcome: "not-applied",
  });
  const waiting = storage.addConversationMessage("s", "user", "yes");
  const readers = Array.from({ length: 50 }, () => storage.getSession("s"));
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  await sleep(50);
  await server.start();
  await Promise.allSettled(readers);
  process.removeListener("warning", onWarning);
  expect(await waiting).toMatchObject({ seq: 1, content: "yes" });
  // Such as of a listener for each call that waits.
  expect(warnings).toEqual([]);
});

it("a server without memory takes no writes, gives what it has, and nothing is half", { timeout: 60_000 }, async () => {
  await using server = await startRedis({ inMemory: true });
  await using storage = redisStorage({ url: server.url });
  await storage.createSession("s", "ada");
  const long = "x".repeat(200_000);
  await storage.addConversationMessage("s", "user", long);
  await server.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await server.command("CONFIG", "SET", "maxmemory", String((await usedMemory(server)) + 2_000_000));
  let stored = 1;
  const failure = await (async () => {
    for (;;) {
      await storage.addConversationMessage("s", "user", long);
      stored += 1;
    }
  })().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true });
  expect(String(failure)).toMatch(/no memory/);
  await server.command("CONFIG", "SET", "maxmemory", "1000000");
  for (const write of [
    () => storage.createSession("t", "ada"),
    () => storage.storeCheckpoint("t", "c", { long }),
    () => storage.putItem(["a"], "k", { long }),
    () => storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 1_000 }),
  ]) {
    await expect(write()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
  }
  const session = await storage.getSession("s");
  expect(session).toMatchObject({ messageCount: stored });
  expect(await storage.getConversationHistory("s", { limit: 10_000 })).toHaveLength(stored);
  await server.command("CONFIG", "SET", "maxmemory", "0");
  expect((await storage.addConversationMessage("s", "user", "again")).seq).toBe(stored + 1);
});

it("a replica takes no writes and says so", { timeout: 60_000 }, async () => {
  await using master = await startRedis({ inMemory: true });
  await using made = redisStorage({ url: master.url });
  await made.initialize();
  await using replica = await startRedis({
    inMemory: true,
    settings: { replicaof: `127.0.0.1 ${master.port}`, "repl-diskless-sync-delay": 0 },
  });
  await until(async () => (await replica.command("INFO", "replication")).includes("master_link_status:up"));
  await using storage = redisStorage({ url: replica.url });
  await expect(storage.createSession("s", "ada")).rejects.toMatchObject({
    code: "CONNECTION",
    outcome: "not-applied",
    message: expect.stringMatching(/replica/),
  });
  expect((await storage.healthCheck()).checks).toContainEqual(
    expect.objectContaining({ name: "role", status: "error" }),
  );
});

it("a write waits for replicas when it is told to, and is unknown when they do not come", {
  timeout: 60_000,
}, async () => {
  await using master = await startRedis({ inMemory: true, settings: { "repl-diskless-sync-delay": 0 } });
  await using storage = redisStorage({ url: master.url, waitReplicas: 1, timeoutMs: 20_000 });
  await expect(storage.createSession("s", "ada", { timeoutMs: 2_000 })).rejects.toMatchObject({ outcome: "unknown" });
  await using replica = await startRedis({
    inMemory: true,
    settings: { replicaof: `127.0.0.1 ${master.port}`, "repl-diskless-sync-delay": 0 },
  });
  await until(async () => (await replica.command("INFO", "replication")).includes("master_link_status:up"));
  const session = await storage.createSession("s", "ada", { ifExists: "return" });
  expect(session.sessionId).toBe("s");
  await storage.addConversationMessage("s", "user", "hello");
  await master.kill();
  expect(await replica.command("XLEN", "waystone:{default}:m:s")).toMatch(/^:1\r\n/);
});

/** Whether a server takes long to answer. */
async function isSilent(server: { command(...words: string[]): Promise<string> }): Promise<boolean> {
  const answers = server.command("PING").then(
    () => true,
    () => true,
  );
  return !(await Promise.race([answers, sleep(200).then(() => false)]));
}

function times(count: number, storage: StorageBackend): StorageBackend[] {
  return Array.from({ length: count }, () => storage);
}

async function usedMemory(server: { command(...words: string[]): Promise<string> }): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await server.command("INFO", "memory"))?.[1]);
}
