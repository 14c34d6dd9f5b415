// Processes that die between two steps of what takes several over shards, before or after the server has carried the last one out: another process finds
// the whole of it or nothing, and goes on.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { Connection } from "../../../src/backends/redis/connection/connection.js";
import { makeClient } from "../../../src/backends/redis/connection/make-client.js";
import { senderOf } from "../../../src/backends/redis/connection/sender.js";
import { mapRedisError } from "../../../src/backends/redis/errors.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { resolveOptions } from "../../../src/backends/redis/options.js";
import { shardOfId } from "../../../src/backends/redis/shards/placing.js";
import { storeOver } from "../../../src/backends/redis/store.js";
import { verbsOver } from "../../../src/backends/redis/verbs-over.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { sharedRedis } from "../../support/redis-server.js";

const SHARDS = 4;

class Death extends Error {}

/** An id that begins so and is in this shard. */
function idIn(shard: number, name: string): string {
  for (let i = 0; ; i++) if (shardOfId(`${name}${i}`, SHARDS) === shard) return `${name}${i}`;
}

const [T, S, R, FAR] = [idIn(0, "thread"), idIn(1, "session"), idIn(0, "session"), idIn(2, "session")];

/** A storage that dies at one of its scripts: before it is sent, or before its answer comes. */
async function mortal(url: string, prefix: string, at: number, when: "before" | "after"): Promise<StorageBackend> {
  const options = resolveOptions({ url, prefix, shards: SHARDS });
  const client = await makeClient(options.source, options.connectTimeoutMs);
  const connection = new Connection(options, client, await senderOf(client));
  const run = connection.run.bind(connection);
  let scripts = 0;
  connection.run = async (...given) => {
    scripts += 1;
    if (scripts > at || (scripts === at && when === "before")) throw new Death("dead");
    const reply = await run(...given);
    if (scripts >= at) throw new Death("dead");
    return reply as never;
  };
  const verbs = verbsOver(storeOver(connection, SHARDS));
  return storageBackend({
    ...verbs,
    kind: "redis",
    open: (call) => connection.connect(call),
    close: () => connection.close(),
    health: async () => ({ durability: "unknown", checks: [] }),
    mapError: mapRedisError,
  });
}

interface Scene {
  readonly prepare: (storage: StorageBackend) => Promise<unknown>;
  readonly act: (storage: StorageBackend) => Promise<unknown>;
  /** Looks at what a second process finds; throws if it is neither all nor nothing. */
  readonly check: (storage: StorageBackend, acknowledged: boolean) => Promise<void>;
}

async function threadsOf(storage: StorageBackend, sessionId?: string): Promise<string[]> {
  return (await storage.listThreads({ sessionId, limit: 1_000 })).items.map(({ threadId }) => threadId);
}

async function idsOf(storage: StorageBackend, threadId: string): Promise<string[]> {
  return (await storage.listCheckpoints(threadId)).map(({ checkpointId }) => checkpointId).sort();
}

/** The thread is linked to the session with a second checkpoint, or is as it was; and can be linked again, and go with its session. */
const linked =
  (sessionId: string, before: string | undefined, threadId = T): Scene["check"] =>
  async (storage, acknowledged) => {
    const ids = await idsOf(storage, threadId);
    const isDone = ids.includes("c2");
    expect([isDone || !acknowledged, ids]).toEqual([true, isDone ? ["c1", "c2"] : ["c1"]]);
    expect(await threadsOf(storage)).toEqual([threadId]);
    expect(await threadsOf(storage, sessionId)).toEqual(isDone ? [threadId] : []);
    if (before !== undefined) expect(await threadsOf(storage, before)).toEqual(isDone ? [] : [threadId]);
    expect((await storage.getCheckpoint(threadId, { checkpointId: "c1" }))?.data).toEqual({ first: true });
    await storage.storeCheckpoint(threadId, "c3", { third: true }, { sessionId });
    expect(await idsOf(storage, threadId)).toEqual(isDone ? ["c1", "c2", "c3"] : ["c1", "c3"]);
    expect((await storage.getMetrics()).checkpoints.value).toBe(isDone ? 3 : 2);
    expect(await threadsOf(storage)).toEqual([threadId]);
    expect(await storage.deleteSession(sessionId)).toBe(true);
    expect([await threadsOf(storage), await idsOf(storage, threadId)]).toEqual([[], []]);
    expect((await storage.getMetrics()).checkpoints.value).toBe(0);
  };

const BATCH = [0, 1, 2, 3, 0, 1].map((shard, i) => idIn(shard, `batch ${i} `));

const SCENES: readonly (readonly [name: string, scene: Scene])[] = [
  [
    "the first checkpoint of a thread of a session elsewhere",
    {
      prepare: (storage) => storage.createSession(S, "u"),
      act: (storage) => storage.storeCheckpoint(T, "c1", { first: true }, { sessionId: S }),
      async check(storage, acknowledged) {
        const ids = await idsOf(storage, T);
        expect([ids.length === 1 || !acknowledged, await threadsOf(storage)]).toEqual([
          true,
          ids.length === 1 ? [T] : [],
        ]);
        expect(await threadsOf(storage, S)).toEqual(ids.length === 1 ? [T] : []);
        // Elsewhere again, or for the first time.
        await storage.createSession(FAR, "u");
        await storage.storeCheckpoint(T, "c2", 2, { sessionId: FAR });
        expect([await threadsOf(storage, S), await threadsOf(storage, FAR)]).toEqual([[], [T]]);
        expect((await idsOf(storage, T)).length).toBe(ids.length + 1);
      },
    },
  ],
  [
    "linking a thread that is at home",
    {
      async prepare(storage) {
        await storage.createSession(S, "u");
        await storage.storeCheckpoint(T, "c1", { first: true });
        await storage.acquireLease({ thread: T }, { owner: "me", ttlMs: 60_000 });
      },
      act: (storage) => storage.storeCheckpoint(T, "c2", 2, { sessionId: S }),
      check: linked(S, undefined),
    },
  ],
  [
    "linking a thread to a session of a third shard",
    {
      async prepare(storage) {
        await storage.createSession(S, "u");
        await storage.createSession(FAR, "u");
        await storage.storeCheckpoint(T, "c1", { first: true }, { sessionId: S });
      },
      act: (storage) => storage.storeCheckpoint(T, "c2", 2, { sessionId: FAR }),
      check: linked(FAR, S),
    },
  ],
  [
    "linking a thread to a session where it is at home",
    {
      async prepare(storage) {
        await storage.createSession(S, "u");
        await storage.createSession(R, "u");
        await storage.storeCheckpoint(T, "c1", { first: true }, { sessionId: S });
      },
      act: (storage) => storage.storeCheckpoint(T, "c2", 2, { sessionId: R }),
      check: linked(R, S),
    },
  ],
  [
    "copying a thread that is elsewhere",
    {
      async prepare(storage) {
        await storage.createSession(S, "u");
        await storage.storeCheckpoint(T, "c1", { first: true }, { sessionId: S });
      },
      act: (storage) => storage.copyThread(T, FAR),
      async check(storage, acknowledged) {
        const ids = await idsOf(storage, FAR);
        expect([ids.length === 1 || !acknowledged, await threadsOf(storage)]).toEqual([
          true,
          ids.length === 1 ? expect.arrayContaining([T, FAR]) : [T],
        ]);
        if (ids.length === 0) expect(await storage.copyThread(T, FAR)).toBe(true);
        await storage.deleteSession(S);
        expect([await threadsOf(storage), await idsOf(storage, FAR)]).toEqual([[FAR], ["c1"]]);
      },
    },
  ],
  [
    "creating sessions of all shards",
    {
      prepare: async () => undefined,
      act: (storage) => storage.batchCreateSessions(BATCH.map((sessionId) => ({ sessionId, userId: "u" }))),
      async check(storage, acknowledged) {
        const found = (await storage.batchGetSessions(BATCH)).filter((session) => session !== undefined);
        expect([0, BATCH.length]).toContain(found.length);
        expect(found.length === BATCH.length || !acknowledged).toBe(true);
        expect((await storage.listSessions()).items.length).toBe(found.length);
        const again = storage.batchCreateSessions(BATCH.map((sessionId) => ({ sessionId, userId: "v" })));
        if (found.length === 0) expect((await again).length).toBe(BATCH.length);
        else await expect(again).rejects.toMatchObject({ code: "SESSION_EXISTS" });
        expect((await storage.getMetrics()).sessions.value).toBe(BATCH.length);
      },
    },
  ],
  [
    "deleting a session with threads that are not at home",
    {
      async prepare(storage) {
        await storage.createSession(S, "u");
        for (const id of [T, `${T} 2`, `${T} 3`]) await storage.storeCheckpoint(id, "c1", 1, { sessionId: S });
      },
      act: (storage) => storage.deleteSession(S),
      async check(storage, acknowledged) {
        const left = await threadsOf(storage);
        const isThere = (await storage.getSession(S)) !== undefined;
        expect([isThere && acknowledged, left.length]).toEqual([false, isThere ? 3 : 0]);
        await storage.createSession(FAR, "u");
        await storage.storeCheckpoint(T, "c2", 2, { sessionId: FAR });
        expect(await idsOf(storage, T)).toEqual(isThere ? ["c1", "c2"] : ["c2"]);
        await storage.deleteThread(T);
        expect(await idsOf(storage, T)).toEqual([]);
      },
    },
  ],
];

describe.each(SCENES)("a process that dies while it is %s", (_name, scene) => {
  it.each(["before", "after"] as const)("%s a script is carried out", { timeout: 120_000 }, async (when) => {
    const url = await sharedRedis();
    const attempt = async (at: number): Promise<boolean> => {
      const prefix = `test-${randomBytes(6).toString("hex")}`;
      await using healthy = redisStorage({ url, prefix, shards: SHARDS });
      await healthy.initialize();
      await scene.prepare(healthy);
      await using dying = await mortal(url, prefix, at, when);
      const acknowledged = await scene.act(dying).then(
        () => true,
        () => false,
      );
      await using other = redisStorage({ url, prefix });
      try {
        await scene.check(other, acknowledged);
      } catch (error) {
        throw new Error(`dead at script ${at}: ${(error as Error).message}`, { cause: error });
      }
      await other.cleanupExpiredSessions({ maxIdleHours: 0 });
      await removeAll(url, prefix);
      return acknowledged;
    };
    // As many scripts as any of them takes.
    const deaths = await Promise.all(Array.from({ length: 30 }, (_, i) => attempt(i + 1)));
    expect([deaths[0], deaths.at(-1)]).toEqual([false, true]);
  });
});

async function removeAll(url: string, prefix: string): Promise<void> {
  const admin = new Redis(url);
  try {
    const keys = await admin.keys(`${prefix}:*`);
    if (keys.length > 0) await admin.unlink(...keys);
  } finally {
    admin.disconnect();
  }
}
