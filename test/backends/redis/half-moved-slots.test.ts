// Calls about a tenant whose slot is on its way from one node to another: of its keys some are on the one and some on the other. After each key that has
// moved every kind of read gives what was stored, or waits; every kind of write is done whole, or not at all.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { ShardNames } from "../../../src/backends/redis/shards/placing.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { ownerOf, type RedisCluster, slotOf, startCluster, startMove } from "../../support/redis-cluster.js";
import type { RedisServer } from "../../support/redis-server.js";

/** Deadline of a call that may meet a key which is not there, in milliseconds. Others have the storage's own. */
const SOON = 60;

const SESSIONS = ["session a", "session b", "session c"];
const THREADS = ["linked", "of its own"];

type Calls = Readonly<Record<string, () => Promise<unknown>>>;

/** Something of every kind, also what came before the tenant had a key of its own. */
async function fill(storage: StorageBackend): Promise<void> {
  for (const id of SESSIONS) {
    await storage.createSession(id, "ada", { metadata: { id } });
    await storage.updateSession(id, { incrementRequests: true, idempotencyKey: "first" });
    await storage.addConversationMessage(id, "user", `hello ${id}`, { messageId: "m" });
    await storage.storeTaskContext(id, { task: id });
  }
  await storage.acquireLease({ session: "session c" }, { owner: "ada", ttlMs: 600_000 });
  for (const [i, thread] of THREADS.entries()) {
    const sessionId = i === 0 ? "session b" : undefined;
    await storage.storeCheckpoint(thread, "c0", { thread, text: "long ".repeat(500) }, { sessionId });
    await storage.storeCheckpoint(thread, "c1", { thread, n: 1 }, { sessionId, parentId: "c0" });
    await storage.putWrites(thread, "c1", "task", [["x", thread]]);
  }
  for (let i = 0; i < 5; i++) await storage.putItem(["notes"], `note ${i}`, { i });
}

function reads(storage: StorageBackend, timeoutMs?: number): Calls {
  const calls: Record<string, () => Promise<unknown>> = {
    sessions: () => storage.listSessions({ orderBy: "createdAt", timeoutMs }),
    "several sessions": () => storage.batchGetSessions(["session c", "none", "session a"], { timeoutMs }),
    "an absent session": () => storage.getSession("none", { timeoutMs }),
    threads: () => storage.listThreads({ orderBy: "createdAt", timeoutMs }),
    "an item": () => storage.getItem(["notes"], "note 1", { timeoutMs }),
    items: () => storage.searchItems(["notes"], { timeoutMs }),
    "number of items": () => storage.countItems(["notes"], { timeoutMs }),
  };
  for (const id of SESSIONS) {
    calls[id] = () => storage.getSession(id, { timeoutMs });
    calls[`messages of ${id}`] = () => storage.getConversationHistory(id, { timeoutMs });
    calls[`messages of ${id} by role`] = () => storage.getConversationHistory(id, { roles: ["user"], timeoutMs });
    calls[`context of ${id}`] = () => storage.getTaskContext(id, { timeoutMs });
    calls[`threads of ${id}`] = () => storage.listThreads({ sessionId: id, timeoutMs });
  }
  for (const thread of THREADS) {
    calls[thread] = () => storage.getCheckpoint(thread, { timeoutMs });
    calls[`first of ${thread}`] = () => storage.getCheckpoint(thread, { checkpointId: "c0", timeoutMs });
    calls[`checkpoints of ${thread}`] = () => storage.listCheckpoints(thread, { timeoutMs });
    calls[`writes of ${thread}`] = () => storage.getWrites(thread, "c1", { timeoutMs });
  }
  return calls;
}

/** Each changes what is named after it by one, so that it can be counted. */
function writes(storage: StorageBackend, n: number, timeoutMs?: number): Calls {
  return {
    request: () => storage.updateSession("session a", { incrementRequests: true }, { timeoutMs }),
    message: () => storage.addConversationMessage("session a", "user", `${n}`, { timeoutMs }),
    context: () => storage.storeTaskContext("session a", { n }, { timeoutMs }),
    checkpoint: () => storage.storeCheckpoint("of its own", `k${n}`, { n }, { timeoutMs }),
    "linked checkpoint": () =>
      storage.storeCheckpoint("linked", `k${n}`, { n }, { sessionId: SESSIONS[n % 3], timeoutMs }),
    write: () => storage.putWrites("of its own", "c1", `task ${n}`, [["x", n]], { timeoutMs }),
    item: () => storage.putItem(["written"], `item ${n}`, { n }, { timeoutMs }),
    session: () => storage.createSession(`new ${n}`, "bob", { timeoutMs }),
  };
}

async function counted(storage: StorageBackend): Promise<Record<string, number>> {
  const session = await storage.getSession("session a");
  const checkpointsOf = async (thread: string): Promise<number> =>
    (await storage.listCheckpoints(thread, { limit: 10_000 })).filter(({ checkpointId }) => checkpointId[0] === "k")
      .length;
  return {
    request: (session?.requestCount ?? 0) - 1,
    message: (await storage.getConversationHistory("session a", { limit: 10_000 })).length - 1,
    context: ((await storage.getTaskContext("session a"))?.version ?? 0) - 1,
    checkpoint: await checkpointsOf("of its own"),
    "linked checkpoint": await checkpointsOf("linked"),
    write: (await storage.getWrites("of its own", "c1")).length - 1,
    item: await storage.countItems(["written"]),
    session: (await storage.listSessions({ userId: "bob", limit: 1_000 })).items.length,
  };
}

/** What came of each call: its value, or whether one that has waited in vain may have been carried out. @throws what is neither */
async function outcomes(
  calls: Calls,
): Promise<Record<string, { readonly value: unknown } | "unknown" | "not-applied">> {
  const named = await Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      try {
        return [name, { value: await call() }] as const;
      } catch (error) {
        const { code, outcome } = error as { readonly code?: string; readonly outcome?: "unknown" | "not-applied" };
        if ((code === "TIMEOUT" || code === "CONNECTION") && outcome !== undefined) return [name, outcome] as const;
        throw new Error(`${name}: ${String(error)}`, { cause: error });
      }
    }),
  );
  return Object.fromEntries(named);
}

describe.each([1, 4])("a tenant of %d shards whose slot moves", (shards) => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const orders: Record<string, (keys: string[], own: string) => string[]> = {
    "with its own key first": (keys, own) => [own, ...keys.filter((key) => key !== own)],
    "with its own key last": (keys, own) => [...keys.filter((key) => key !== own), own],
    "as the server gives them": (keys) => keys,
    "the other way round": (keys) => keys.toReversed(),
  };

  /** Moves every slot of a tenant; a step is what comes between: after each of the first keys, then after some. */
  async function moveTenant(storage: StorageBackend, order: string, step: () => Promise<void>): Promise<void> {
    for (const name of shards === 1 ? [storage.tenantName] : new ShardNames(shards).of(storage.tenantName)) {
      const own = `waystone:{${name}}`;
      const slot = await slotOf(cluster, own);
      const from = await ownerOf(cluster, slot);
      const to = cluster.masters[(cluster.masters.indexOf(from) + 1) % 3] as RedisServer;
      const move = await startMove(cluster, slot, from, to);
      await step();
      // What is written meanwhile may make keys.
      for (let moved = 0, some = 1; ; moved += some) {
        const keys = await move.rest(1_000);
        if (keys.length === 0) break;
        some = moved < 3 ? 1 : 8;
        await move.moveKeys((orders[order]?.(keys, own) ?? []).filter((key) => keys.includes(key)).slice(0, some));
        await step();
      }
      await move.end();
    }
  }

  it.each(Object.keys(orders))("gives what was stored, or waits: keys move %s", { timeout: 120_000 }, async (order) => {
    await using all = redisStorage({ url: cluster.url, shards });
    await all.initialize();
    const storage = all.tenant(`read ${order}`);
    await fill(storage);
    const expected = await outcomes(reads(storage));
    let right = 0;
    await moveTenant(storage, order, async () => {
      for (const [name, found] of Object.entries(await outcomes(reads(storage, SOON)))) {
        if (typeof found === "string") continue;
        expect([name, found]).toEqual([name, expected[name]]);
        right += 1;
      }
    });
    expect(right).toBeGreaterThan(0);
    expect(await outcomes(reads(storage))).toEqual(expected);
  });

  it.each(Object.keys(orders))("writes whole or not at all: keys move %s", { timeout: 120_000 }, async (order) => {
    await using all = redisStorage({ url: cluster.url, shards });
    await all.initialize();
    const storage = all.tenant(`write ${order}`);
    await fill(storage);
    const done: Record<string, number> = {};
    const perhaps: Record<string, number> = {};
    let n = 0;
    const write = async (timeoutMs?: number): Promise<void> => {
      for (const [name, found] of Object.entries(await outcomes(writes(storage, n++, timeoutMs)))) {
        done[name] = (done[name] ?? 0) + (typeof found === "string" ? 0 : 1);
        perhaps[name] = (perhaps[name] ?? 0) + (found === "unknown" ? 1 : 0);
      }
    };
    await write();
    await moveTenant(storage, order, () => write(SOON));
    await write();
    for (const [name, count] of Object.entries(await counted(storage))) {
      const least = done[name] ?? 0;
      expect([name, count, least >= 2, count >= least, count <= least + (perhaps[name] ?? 0)]).toEqual([
        name,
        count,
        true,
        true,
        true,
      ]);
    }
  });
});
