// What real servers say no to: while they load, cannot save, run a script, have lost a slot or are moving one. Each is a typed error with the
// outcome that is true, within the call's deadline, and calls go on once it is over.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import {
  ownerOf,
  QUICK_TO_NOTICE,
  type RedisCluster,
  slotOf,
  startCluster,
  until,
} from "../../support/redis-cluster.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";

/** What F2 allows beyond the deadline, and a busy machine. */
const SLACK_MS = 250 + 500;

/** Of calls that find no end but this one. */
const TIMEOUT_MS = 1_000;

/** Of calls that are answered. */
const PATIENT_MS = 20_000;

type TimedCall = (storage: StorageBackend, timeoutMs: number) => Promise<unknown>;

/** A write and a read of each kind that storages have. */
const WRITES: readonly TimedCall[] = [
  (storage, timeoutMs) => storage.createSession("other", "ada", { timeoutMs }),
  (storage, timeoutMs) => storage.addConversationMessage("s", "user", "refused", { timeoutMs }),
  (storage, timeoutMs) => storage.storeCheckpoint("t", "refused", { plan: 1 }, { timeoutMs }),
  (storage, timeoutMs) => storage.storeTaskContext("s", { step: 1 }, { timeoutMs }),
  (storage, timeoutMs) => storage.putItem(["a"], "refused", { n: 1 }, { timeoutMs }),
];
const READS: readonly TimedCall[] = [
  (storage, timeoutMs) => storage.getSession("s", { timeoutMs }),
  (storage, timeoutMs) => storage.getConversationHistory("s", { timeoutMs }),
  (storage, timeoutMs) => storage.getCheckpoint("t", { timeoutMs }),
];

async function fill(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "ada");
  await storage.addConversationMessage("s", "user", "hello");
  await storage.storeCheckpoint("t", "c", { plan: 0 });
}

/** Nothing of what was refused is there, and all that was there is. */
async function expectUntouched(storage: StorageBackend): Promise<void> {
  expect(await storage.getSession("other")).toBeUndefined();
  expect(await storage.getConversationHistory("s")).toHaveLength(1);
  expect(await storage.getCheckpoint("t")).toMatchObject({ checkpointId: "c", data: { plan: 0 } });
  expect(await storage.getTaskContext("s")).toBeUndefined();
  expect(await storage.getItem(["a"], "refused")).toBeUndefined();
}

async function expectGoesOn(storage: StorageBackend): Promise<void> {
  for (const write of WRITES) await write(storage, PATIENT_MS);
  expect(await storage.getConversationHistory("s")).toHaveLength(2);
}

/** Each call is refused with these words, before its deadline, as one that was not done. */
async function expectRefused(storage: StorageBackend, calls: readonly TimedCall[], message: RegExp): Promise<void> {
  for (const call of calls) {
    await expect(call(storage, PATIENT_MS)).rejects.toMatchObject({
      code: "CONNECTION",
      outcome: "not-applied",
      retryable: true,
      message: expect.stringMatching(message),
    });
  }
}

/** Ends a server and starts it again; returns as soon as it loads its data, which takes some seconds. */
async function restartLoading(server: RedisServer): Promise<{ readonly loaded: Promise<void> }> {
  await server.command("DEBUG", "POPULATE", "6000", "filler", "8000");
  expect(await server.command("SAVE")).toMatch(/^\+OK/);
  await server.kill();
  const loaded = server.start();
  await until(async () => (await server.command("PING").catch(() => "")).startsWith("-LOADING"), 10_000);
  return { loaded };
}

const SLOW_TO_LOAD = { appendonly: "no", "key-load-delay": 1_000, rdbcompression: "no" };

it("LOADING: calls wait for a server that loads its data, and one whose deadline comes first was not done", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true, settings: SLOW_TO_LOAD });
  await using storage = redisStorage({ url: server.url, connectTimeoutMs: 40_000, timeoutMs: 40_000 });
  await fill(storage);
  const { loaded } = await restartLoading(server);
  const waiting = storage.addConversationMessage("s", "user", "waits");
  const late = storage.addConversationMessage("s", "user", "late", { timeoutMs: 200 });
  expect(await settlesWithin(200 + SLACK_MS, [late])).toBe(true);
  await expect(late).rejects.toMatchObject({ outcome: "not-applied" });
  expect(await waiting).toMatchObject({ seq: 2, content: "waits" });
  await loaded;
  expect(await storage.getConversationHistory("s")).toHaveLength(2);
});

it("LOADING: a client that does not ask whether the server is ready hears it from the server", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true, settings: SLOW_TO_LOAD });
  const client = new Redis(server.url, { enableReadyCheck: false, lazyConnect: true });
  await using storage = redisStorage({ client });
  await fill(storage);
  const { loaded } = await restartLoading(server);
  // The first calls may find the connection on its way.
  await until(async () => {
    const failure = await storage.getSession("s").catch((error: unknown) => error);
    return String(failure).includes("loading");
  }, 4_000);
  await expectRefused(storage, [...WRITES, ...READS], /still loading/);
  await loaded;
  await expectUntouched(storage);
  await expectGoesOn(storage);
});

it("MISCONF: a server that cannot save takes no writes, and gives what it has", { timeout: 60_000 }, async () => {
  const settings = { appendonly: "no", save: "3600 1", "stop-writes-on-bgsave-error": "yes" };
  await using server = await startRedis({ inMemory: true, settings });
  await using storage = redisStorage({ url: server.url });
  await fill(storage);
  // A folder where the file should be stops a server of any user, root's too.
  const file = join(server.folder, "dump.rdb");
  rmSync(file, { force: true });
  mkdirSync(join(file, "in-the-way"), { recursive: true });
  await save(server, "err");
  await expectRefused(storage, WRITES, /cannot write to its disk/);
  expect((await storage.healthCheck()).checks).toContainEqual(
    expect.objectContaining({ name: "durability", status: "error" }),
  );
  await expectUntouched(storage);
  rmSync(file, { recursive: true });
  await save(server, "ok");
  await expectGoesOn(storage);
});

async function save(server: RedisServer, status: "ok" | "err"): Promise<void> {
  await server.command("BGSAVE");
  await until(async () => {
    const info = await server.command("INFO", "persistence");
    return info.includes("rdb_bgsave_in_progress:0") && info.includes(`rdb_last_bgsave_status:${status}`);
  }, 10_000);
}

it("BUSY: a server that runs a long script refuses all calls, and takes them when it has ended", {
  timeout: 60_000,
}, async () => {
  await using server = await startRedis({ inMemory: true, settings: { "lua-time-limit": 20 } });
  await using storage = redisStorage({ url: server.url });
  await fill(storage);
  const running = server.command("EVAL", "while true do end", "0");
  await until(async () => (await server.command("PING")).startsWith("-BUSY"), 10_000);
  await expectRefused(storage, [...WRITES, ...READS], /busy with a script/);
  await until(async () => {
    await server.command("SCRIPT", "KILL");
    return (await server.command("PING")).startsWith("+PONG");
  }, 10_000);
  await running;
  await expectUntouched(storage);
  await expectGoesOn(storage);
});

it("CLUSTERDOWN: a Cluster that has lost a master and its replica refuses, and goes on when one is back", {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster(QUICK_TO_NOTICE);
  await using storage = redisStorage({ url: cluster.url });
  await fill(storage);
  const [lost, other] = await ownerFirst(cluster);
  const served = storage.tenant(await tenantOn(cluster, other));
  await served.createSession("s", "ada");
  const replica = cluster.replicas[cluster.masters.indexOf(lost)] as RedisServer;
  await replica.kill();
  await lost.kill();
  await until(async () => (await other.command("CLUSTER", "INFO")).includes("cluster_state:fail"), 30_000);
  for (const call of [...WRITES, ...READS]) {
    const failure = call(storage, TIMEOUT_MS).catch((error: unknown) => error);
    expect(await settlesWithin(TIMEOUT_MS + SLACK_MS, [failure])).toBe(true);
    expect(await failure).toMatchObject({ code: expect.stringMatching(/^(CONNECTION|TIMEOUT)$/), retryable: true });
  }
  // Another tenant's slot is on a node that is there, and says that the Cluster is down.
  await expectRefused(served, [...WRITES, ...READS], /cluster does not serve/);
  await lost.start();
  await until(async () => (await other.command("CLUSTER", "INFO")).includes("cluster_state:ok"), 60_000);
  await until(async () => storage.getSession("s").then(Boolean, () => false), 30_000);
  expect(await storage.getConversationHistory("s")).toHaveLength(1);
  expect(await served.getSession("other")).toBeUndefined();
  expect(await served.getConversationHistory("s")).toEqual([]);
});

it("TRYAGAIN: calls of a slot that stays half moved end at their deadline, find nothing wrong, and go on when it has moved", {
  timeout: 120_000,
}, async () => {
  await using cluster = await startCluster();
  await using storage = redisStorage({ url: cluster.url });
  await fill(storage);
  const [from, to] = await ownerFirst(cluster);
  const slot = String(await slotOf(cluster, "waystone:{default}"));
  const [source, target] = [cluster.ids.get(from.port) as string, cluster.ids.get(to.port) as string];
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
  const move = (key: string): Promise<string> =>
    from.command("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000");
  // The session stays, its messages and the thread's row are gone ahead.
  for (const key of ["m:s", "t:t"]) expect(await move(`waystone:{default}:${key}`)).toMatch(/^\+OK/);
  for (const call of [...WRITES.slice(1, 3), ...READS.slice(2)]) {
    const failure = call(storage, TIMEOUT_MS);
    expect(await settlesWithin(TIMEOUT_MS + SLACK_MS, [failure])).toBe(true);
    await expect(failure).rejects.toMatchObject({ code: expect.stringMatching(/^(CONNECTION|TIMEOUT)$/) });
  }
  // Plain reads go where their key is.
  expect(await storage.getConversationHistory("s")).toMatchObject([{ content: "hello" }]);
  const waiting = storage.addConversationMessage("s", "user", "waits", { timeoutMs: 20_000 });
  const keys = (await from.command("CLUSTER", "GETKEYSINSLOT", slot, "1000")).split("\r\n");
  for (const key of keys.filter((line) => line.startsWith("waystone:"))) expect(await move(key)).toMatch(/^\+OK/);
  for (const node of [to, from, ...cluster.masters]) await node.command("CLUSTER", "SETSLOT", slot, "NODE", target);
  expect(await waiting).toMatchObject({ seq: 2 });
  expect(await storage.getConversationHistory("s")).toMatchObject([{ content: "hello" }, { content: "waits" }]);
  expect(await storage.getCheckpoint("t")).toMatchObject({ checkpointId: "c" });
});

/** The master that has the default tenant, and one of the others. */
async function ownerFirst(cluster: RedisCluster): Promise<readonly [owner: RedisServer, other: RedisServer]> {
  const owner = await ownerOf(cluster, await slotOf(cluster, "waystone:{default}"));
  return [owner, cluster.masters.find((each) => each !== owner) as RedisServer];
}

async function tenantOn(cluster: RedisCluster, master: RedisServer): Promise<string> {
  for (let i = 0; ; i++) {
    const slot = await slotOf(cluster, `waystone:{tenant ${i}}`);
    if ((await ownerOf(cluster, slot)) === master) return `tenant ${i}`;
  }
}
