// Any history of puts, forks, copies, prunes and deletions, with states given in parts so that splits are taken over from each other.
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import { redisStorage } from "../../src/backends/redis/index.js";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { prepareValue } from "../../src/domain/codec/codec.js";
import { prose } from "../domain/segments/prose.js";
import { sharedRedis } from "../support/redis-server.js";
import { freshDatabase } from "../support/shared-postgres.js";
import { firstValue, newPath, outside } from "./sqlite/folder.js";

const THREADS = ["a", "b", "c"] as const;
const NAMESPACES = ["", "sub"] as const;

/** A message, as the caller has it and as it is stored. */
interface Message {
  readonly plain: { readonly id: string; readonly content: string };
  readonly prepared: unknown;
}

const message = (seed: number): Message => {
  const plain = { id: `m${seed}`, content: prose(seed, 200 + ((seed * 131) % 1_500)) };
  return { plain, prepared: prepareValue(plain) };
};

type Kind = "step" | "edit" | "window" | "fork" | "replace" | "copy" | "prune" | "delete";
const KINDS: readonly Kind[] = [
  "step",
  "step",
  "step",
  "step",
  "edit",
  "window",
  "fork",
  "replace",
  "copy",
  "prune",
  "delete",
];

interface Step {
  readonly kind: Kind;
  readonly thread: number;
  readonly other: number;
  readonly namespace: number;
  readonly seed: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS),
  thread: fc.nat(2),
  other: fc.nat(2),
  namespace: fc.nat(1),
  seed: fc.nat(5_000),
});

/** What a checkpoint holds, by thread, then by namespace and id. */
type Model = Map<string, Map<string, { readonly messages: readonly Message[]; readonly turn: number }>>;

const stateOf = (messages: readonly unknown[], turn: number): object => ({
  v: 4,
  id: `turn ${turn}`,
  channel_values: { messages, turn },
  versions: { messages: turn },
});

async function run(steps: readonly Step[], handles: readonly StorageBackend[]): Promise<Model> {
  const model: Model = new Map();
  const heads = new Map<string, readonly Message[]>();
  for (const [turn, { kind, thread, other, namespace, seed }] of steps.entries()) {
    // Handles take turns: what one remembers of a thread is never what the other one stored last.
    const storage = handles[turn % handles.length] as StorageBackend;
    const threadId = THREADS[thread] as string;
    const space = NAMESPACES[namespace] as string;
    const place = `${threadId} ${space}`;
    const before = heads.get(place) ?? Array.from({ length: 30 }, (_, i) => message(i));
    const put = async (messages: readonly Message[], checkpointId = `c${turn}`): Promise<void> => {
      heads.set(place, messages);
      const stored = stateOf(
        messages.map(({ prepared }) => prepared),
        turn,
      );
      await storage.storeCheckpoint(threadId, checkpointId, stored, { namespace: space });
      const ofThread = model.get(threadId) ?? new Map();
      model.set(threadId, ofThread.set(`${space} ${checkpointId}`, { messages, turn }));
    };
    if (kind === "step") await put([...before, message(seed), message(seed + 1)]);
    if (kind === "edit") await put(before.toSpliced(seed % (before.length + 1), seed % 3, message(seed)));
    if (kind === "window") await put([...before.slice(seed % 5), message(seed)]);
    if (kind === "fork") await put([...before.slice(0, 1 + (seed % 30)), message(seed)]);
    if (kind === "replace") {
      const ids = [...(model.get(threadId)?.keys() ?? [])].filter((key) => key.startsWith(`${space} `));
      const key = ids[seed % Math.max(1, ids.length)];
      if (key !== undefined) await put([...before, message(seed)], key.slice(space.length + 1));
    }
    if (kind === "copy" && other !== thread && model.has(threadId) && !model.has(THREADS[other] as string)) {
      expect(await storage.copyThread(threadId, THREADS[other] as string)).toBe(true);
      model.set(THREADS[other] as string, new Map(model.get(threadId)));
      for (const each of NAMESPACES) {
        const head = heads.get(`${threadId} ${each}`);
        if (head !== undefined) heads.set(`${THREADS[other]} ${each}`, head);
      }
    }
    if (kind === "delete" && seed % 3 === 0) {
      expect(await storage.deleteThread(threadId)).toBe(model.delete(threadId));
      for (const each of NAMESPACES) heads.delete(`${threadId} ${each}`);
    }
    if (kind === "prune") await prune(storage, model, threadId, 1 + (seed % 4));
  }
  return model;
}

/** Prunes a thread, and forgets what the storage says is gone: which ones these may be is tested elsewhere. */
async function prune(storage: StorageBackend, model: Model, threadId: string, keepLast: number): Promise<void> {
  const ofThread = model.get(threadId);
  const { removedCheckpoints } = await storage.pruneCheckpoints({ keepLast, threadId });
  if (ofThread === undefined) return;
  const size = ofThread.size;
  const left = await storage.listCheckpoints(threadId, { limit: 10_000 });
  const keys = new Set(left.map(({ namespace, checkpointId }) => `${namespace} ${checkpointId}`));
  for (const key of ofThread.keys()) if (!keys.has(key)) ofThread.delete(key);
  expect(ofThread.size).toBe(size - removedCheckpoints);
}

/** Reads every checkpoint, and calls `check` with a read of each and what must come. */
async function forEach(
  storage: StorageBackend,
  model: Model,
  check: (read: Promise<unknown>, expected: unknown) => Promise<void>,
): Promise<void> {
  for (const threadId of THREADS) {
    const ofThread = model.get(threadId) ?? new Map();
    const listed = await storage.listCheckpoints(threadId, { limit: 10_000 });
    expect(listed).toHaveLength(ofThread.size);
    for (const { namespace, checkpointId } of listed) {
      const { messages, turn } = ofThread.get(`${namespace} ${checkpointId}`) ?? { messages: [], turn: -1 };
      const expected = stateOf(
        messages.map(({ plain }: Message) => plain),
        turn,
      );
      await check(
        storage.getCheckpoint(threadId, { namespace, checkpointId }).then((found) => found?.data),
        expected,
      );
    }
  }
}

/** A store that many handles share. */
interface SharedPlace {
  open(): StorageBackend;
  countBlocks(): Promise<number>;
}

async function countBlocks(url: string): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query("SELECT count(*)::int AS blocks FROM waystone.checkpoint_blocks");
    return rows[0].blocks;
  } finally {
    await client.end();
  }
}

/** The blocks of a tenant's threads. */
async function redisBlocks(
  server: Redis,
  tenant: string,
): Promise<{ readonly key: string; readonly name: Buffer; readonly bytes: number; readonly isPiece: boolean }[]> {
  const found = [];
  for (const threadId of THREADS) {
    const key = `waystone:{${tenant}}:b:${threadId}`;
    const names = await server.hkeysBuffer(key);
    for (const name of names) {
      const value = (await server.hgetBuffer(key, name)) as Buffer;
      found.push({ key, name, bytes: value.length, isPiece: value.readUInt32BE() === 0 });
    }
  }
  return found;
}

/** One handle sweeps what the other one remembers: that is stored again. Returns how many bytes of blocks may be left. */
async function mostBytesAfterSweep(handles: readonly StorageBackend[], model: Model): Promise<number> {
  const [storage] = handles as [StorageBackend];
  for (const threadId of THREADS) await prune(handles.at(-1) as StorageBackend, model, threadId, 1);
  await forEach(storage, model, exact);
  const kept = await Promise.all(THREADS.map((threadId) => storage.listCheckpoints(threadId, { limit: 10_000 })));
  const text = kept.flat().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return text + 4_096 * kept.flat().length;
}

/** How many checkpoints are refused; each other one loads exactly. */
async function damagesTold(storage: StorageBackend, model: Model): Promise<number> {
  let told = 0;
  await forEach(storage, model, async (read, expected) => {
    const result = await read.catch((error: { code: unknown }) => error.code);
    if (result === "CORRUPTION") told += 1;
    else expect(result).toEqual(expected);
  });
  return told;
}

const exact = async (read: Promise<unknown>, expected: unknown): Promise<void> => expect(await read).toEqual(expected);

/** One checkpoint that was replaced: pruning removes none, and what the first state needed alone goes all the same. */
const REPLACED: readonly Step[] = [
  { kind: "step", thread: 0, other: 0, namespace: 0, seed: 56 },
  { kind: "replace", thread: 0, other: 0, namespace: 0, seed: 5 },
];

const history = fc.array(step, { minLength: 1, maxLength: 40 });

/** Each block of it is one that the state needs. */
const DAMAGES = [0, 1, 2, 3, 5, 8, 13, 21].map((victim): [Step[], number] => [[...REPLACED], victim]);

describe("after any history every checkpoint that is kept loads exactly (K1, K4, K6, K7)", () => {
  it("in memory", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await using storage = memoryStorage();
        await forEach(storage, await run(steps, [storage]), exact);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 2])(
    "in SQLite, by %i handles that take turns: and nothing is left that nothing needs, and damage is told",
    { timeout: 300_000 },
    async (count) => {
      await fc.assert(
        fc.asyncProperty(history, fc.nat(1_000), async (steps, victim) => {
          const path = newPath();
          const handles = Array.from({ length: count }, () => sqliteStorage({ path, durability: "process" }));
          const [storage] = handles as [StorageBackend];
          const model = await run(steps, handles);
          for (const handle of handles) await forEach(handle, model, exact);

          const most = await mostBytesAfterSweep(handles, model);
          const stored = firstValue(path, "SELECT coalesce(sum(length(data)), 0) FROM checkpoint_blocks");
          expect(stored).toBeLessThanOrEqual(most);

          const blocks = firstValue(path, "SELECT count(*) FROM checkpoint_blocks");
          if (Number(blocks) > 0) {
            outside(path, (db) =>
              db.exec(`DELETE FROM checkpoint_blocks WHERE id =
            (SELECT id FROM checkpoint_blocks ORDER BY id LIMIT 1 OFFSET ${victim % Number(blocks)})`),
            );
            expect(await damagesTold(storage, model)).toBeGreaterThan(0);
          }
          for (const handle of handles) await handle.close();
        }),
        { numRuns: 25, examples: DAMAGES },
      );
    },
  );

  it.each([1, 2])(
    "on PostgreSQL, by %i handles that take turns: and nothing is left that nothing needs, and damage is told",
    { timeout: 300_000 },
    async (count) => {
      const url = await freshDatabase();
      const pool = new pg.Pool({ connectionString: url });
      await fc.assert(
        fc.asyncProperty(history, fc.nat(1_000), async (steps, victim) => {
          const tenant = randomUUID();
          const handles = Array.from({ length: count }, () => postgresStorage({ url, tenant }));
          const [storage] = handles as [StorageBackend];
          const model = await run(steps, handles);
          for (const handle of handles) await forEach(handle, model, exact);

          const most = await mostBytesAfterSweep(handles, model);
          const { rows } = await pool.query(
            `SELECT count(*)::int AS blocks, coalesce(sum(length(data)), 0)::int AS stored
             FROM waystone.checkpoint_blocks WHERE tenant = $1`,
            [tenant],
          );
          const [{ blocks, stored }] = rows;
          expect(stored).toBeLessThanOrEqual(most);
          if (blocks > 0) {
            await pool.query(
              `DELETE FROM waystone.checkpoint_blocks WHERE (tenant, thread_id, name) IN (SELECT tenant, thread_id, name
               FROM waystone.checkpoint_blocks WHERE tenant = $1 ORDER BY thread_id, name LIMIT 1 OFFSET $2)`,
              [tenant, victim % blocks],
            );
            expect(await damagesTold(storage, model)).toBeGreaterThan(0);
          }
          for (const handle of handles) await handle.close();
        }),
        { numRuns: 10, examples: DAMAGES },
      );
      await pool.end();
    },
  );

  it.each([1, 2])(
    "on Redis, by %i handles that take turns: and nothing is left that nothing needs, and damage is told",
    { timeout: 300_000 },
    async (count) => {
      const url = await sharedRedis();
      const server = new Redis(url);
      await fc.assert(
        fc.asyncProperty(history, fc.nat(1_000), async (steps, victim) => {
          const tenant = randomUUID();
          const handles = Array.from({ length: count }, () => redisStorage({ url, tenant }));
          const [storage] = handles as [StorageBackend];
          const model = await run(steps, handles);
          for (const handle of handles) await forEach(handle, model, exact);

          const most = await mostBytesAfterSweep(handles, model);
          const blocks = await redisBlocks(server, tenant);
          expect(blocks.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(most);
          const damaged = blocks[victim % Math.max(1, blocks.length)];
          if (damaged !== undefined) {
            await server.hdel(damaged.key, damaged.name);
            expect(await damagesTold(storage, model)).toBeGreaterThan(0);
          }
          // Whatever has been counted, all of it goes with the last that needs it.
          for (const threadId of THREADS) {
            const kept = await storage.listCheckpoints(threadId, { limit: 10_000 });
            for (const { namespace, checkpointId } of kept) {
              await storage.deleteCheckpoints(threadId, [checkpointId], { namespace });
            }
          }
          if (damaged === undefined || damaged.isPiece) expect(await redisBlocks(server, tenant)).toEqual([]);
          for (const handle of handles) await handle.close();
        }),
        { numRuns: 15, examples: DAMAGES },
      );
      server.disconnect();
    },
  );

  it.each<[string, () => Promise<SharedPlace>]>([
    [
      "SQLite",
      async () => {
        const path = newPath();
        return {
          open: () => sqliteStorage({ path, durability: "process" }),
          countBlocks: async () => Number(firstValue(path, "SELECT count(*) FROM checkpoint_blocks")),
        };
      },
    ],
    [
      "Redis",
      async () => {
        const url = await sharedRedis();
        const tenant = randomUUID();
        return {
          open: () => redisStorage({ url, tenant }),
          countBlocks: async () => {
            const server = new Redis(url);
            const count = await server.hlen(`waystone:{${tenant}}:b:t`);
            server.disconnect();
            return count;
          },
        };
      },
    ],
    [
      "PostgreSQL",
      async () => {
        const url = await freshDatabase();
        return { open: () => postgresStorage(url), countBlocks: () => countBlocks(url) };
      },
    ],
  ])("also when a handle stores on what another one has swept: %s", { timeout: 60_000 }, async (_name, place) => {
    const { open, countBlocks } = await place();
    await using writer = open();
    await using sweeper = open();
    const old = Array.from({ length: 200 }, (_, i) => message(i));
    const prepared = old.map((each) => each.prepared);
    await writer.storeCheckpoint("t", "c1", stateOf(prepared, 1));
    await sweeper.storeCheckpoint("t", "c2", { small: true });
    await sweeper.pruneCheckpoints({ keepLast: 1 });
    expect(await countBlocks()).toBe(0);
    await writer.storeCheckpoint("t", "c3", stateOf([...prepared, message(900).prepared], 3));
    const expected = stateOf([...old.map(({ plain }) => plain), message(900).plain], 3);
    expect((await sweeper.getCheckpoint("t"))?.data).toEqual(expected);
    // The thread is deleted by one, and begins anew by the other.
    await sweeper.deleteThread("t");
    await writer.storeCheckpoint("t", "c4", stateOf(prepared, 4));
    expect((await sweeper.getCheckpoint("t"))?.data).toEqual(
      stateOf(
        old.map(({ plain }) => plain),
        4,
      ),
    );
  });
});
