// What the cache promises beside the contract: hits, single flight, and that no old value comes back.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { memoryDriver, memoryStorage } from "../../../src/backends/memory/index.js";
import type { StoreChange } from "../../../src/contract/change-feed.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { type CacheOptions, cache } from "../../../src/layers/cache/cache.js";

/** A store whose calls are counted, and held back where a test says so. */
function slowStore(): {
  readonly backend: StorageBackend;
  readonly calls: Map<string, number>;
  /** The next call of this name, once it has read, waits until it is let go. */
  hold(name: string): { readonly hasRead: Promise<void>; go(): void };
  /** Another handle on the store, as another process has. */
  readonly other: StorageBackend;
} {
  const driver = { ...memoryDriver(), close: async (): Promise<void> => {} };
  const inner = storageBackend(driver);
  const calls = new Map<string, number>();
  const held = new Map<string, { read: () => void; wait: Promise<void> }>();
  const backend = new Proxy(inner, {
    get: (target, name: keyof StorageBackend & string) => {
      const member = target[name] as unknown;
      if (typeof member !== "function" || name === "tenant") return member;
      return (...args: unknown[]) => {
        calls.set(name, (calls.get(name) ?? 0) + 1);
        const result = (member as (...given: unknown[]) => unknown)(...args);
        const hold = held.get(name);
        if (hold === undefined || !(result instanceof Promise)) return result;
        held.delete(name);
        return result.then(async (value) => {
          hold.read();
          await hold.wait;
          return value;
        });
      };
    },
  });
  return {
    backend,
    calls,
    other: storageBackend(driver),
    hold: (name) => {
      const { promise: hasRead, resolve: read } = Promise.withResolvers<void>();
      const { promise: wait, resolve: go } = Promise.withResolvers<void>();
      held.set(name, { read, wait });
      return { hasRead, go };
    },
  };
}

const LONG: CacheOptions = { ttlMs: 60_000, absentTtlMs: 60_000 };

describe("a read that comes again", () => {
  it("is answered without the store: sessions, messages, checkpoints, contexts, and what is not there", async () => {
    const { backend, calls } = slowStore();
    const layer = cache(LONG);
    const storage = layer(backend);
    await storage.createSession("s", "u", { metadata: { a: [1] } });
    await storage.addConversationMessages("s", [
      { role: "user", content: "one" },
      { role: "user", content: [{ type: "map", value: new Map([["k", 1n]]) }] },
    ]);
    await storage.storeCheckpoint("t", "c", { list: [new Date(0)] });
    await storage.storeTaskContext("s", { step: 1 });
    const readAll = async (): Promise<unknown[]> => [
      await storage.getSession("s"),
      await storage.batchGetSessions(["s", "absent", "s"]),
      await storage.getConversationHistory("s"),
      await storage.getConversationHistory("s", { limit: 1 }),
      await storage.getCheckpoint("t"),
      await storage.getCheckpoint("t", { checkpointId: "c", writes: true }),
      await storage.getCheckpoint("t", { namespace: "n" }),
      await storage.getTaskContext("s"),
      await storage.getSession("absent"),
      await storage.getConversationHistory("absent"),
    ];
    const first = await readAll();
    calls.clear();
    const again = await readAll();
    expect([...calls]).toEqual([]);
    expect(again).toEqual(first);
    // The reads share no object, so that nobody changes what another one gets.
    (again[0] as { metadata: { a: number[] } }).metadata.a.push(2);
    (again[4] as { data: { list: Date[] } }).data.list.push(new Date(1));
    (again[2] as { content: unknown }[]).length = 0;
    expect(await readAll()).toEqual(first);
    expect(layer.stats()).toMatchObject({ hitRate: expect.closeTo(0.6, 0.2) });
    const requests = layer.readings?.().filter(({ name }) => name === "waystone.cache.requests");
    expect(requests?.map(({ attributes, value }) => [attributes?.["waystone.cache.hit"], value])).toEqual([
      [true, layer.stats().hits],
      [false, layer.stats().misses],
    ]);
    layer.clear();
    expect(layer.stats().entries).toBe(0);
    await storage.getSession("s");
    expect(calls.get("getSession")).toBe(1);
  });

  it("goes on with what is appended: a conversation is read from the store once", async () => {
    const { backend, calls, other } = slowStore();
    const storage = cache(LONG)(backend);
    await storage.createSession("s", "u");
    for (let i = 0; i < 5; i++) await storage.addConversationMessage("s", "user", `before ${i}`);
    await storage.getConversationHistory("s", { limit: 4 });
    calls.clear();
    for (let i = 0; i < 6; i++) {
      await storage.addConversationMessage("s", "user", `m${i}`, { messageId: `m${i}` });
      const messages = await storage.getConversationHistory("s", { limit: 4 });
      expect(messages).toEqual(await other.getConversationHistory("s", { limit: 4 }));
    }
    expect(calls.get("getConversationHistory")).toBeUndefined();
    // A repeated id adds nothing, and a message of another process stands in between.
    await storage.addConversationMessage("s", "user", "again", { messageId: "m5" });
    await other.addConversationMessage("s", "user", "from elsewhere");
    await storage.addConversationMessage("s", "user", "after it");
    expect((await storage.getConversationHistory("s", { limit: 3 })).map(({ content }) => content)).toEqual([
      "m5",
      "from elsewhere",
      "after it",
    ]);
  });

  it("by many at the same moment is one read of the store, but for those with a signal or deadline", async () => {
    const { backend, calls, hold } = slowStore();
    const layer = cache(LONG);
    const storage = layer(backend);
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", { a: 1 });
    calls.clear();
    const { hasRead, go } = hold("getCheckpoint");
    const first = storage.getCheckpoint("t");
    await hasRead;
    const others = Array.from({ length: 20 }, () => storage.getCheckpoint("t"));
    const own = await storage.getCheckpoint("t", { timeoutMs: 60_000 });
    go();
    const results = await Promise.all([first, ...others]);
    expect(new Set(results).size).toBe(21);
    for (const result of [...results, own]) expect(result?.data).toEqual({ a: 1 });
    expect(calls.get("getCheckpoint")).toBe(2);
    expect(layer.stats().joined).toBe(20);
  });
});

describe("an old value", () => {
  it.each<[string, string, (s: StorageBackend) => Promise<unknown>, (s: StorageBackend) => Promise<unknown>]>([
    ["a session", "getSession", (s) => s.updateSession("s", { metadata: { v: 2 } }), (s) => s.getSession("s")],
    [
      "messages",
      "getConversationHistory",
      (s) => s.addConversationMessage("s", "user", "new"),
      (s) => s.getConversationHistory("s"),
    ],
    ["a checkpoint", "getCheckpoint", (s) => s.storeCheckpoint("t", "c2", "new"), (s) => s.getCheckpoint("t")],
    ["a context", "getTaskContext", (s) => s.storeTaskContext("s", "new"), (s) => s.getTaskContext("s")],
    ["a deleted session", "getSession", (s) => s.deleteSession("s"), (s) => s.getSession("s")],
  ])("of %s is not put back by a read that a write has overtaken", async (_name, verb, write, read) => {
    const { backend, other, hold } = slowStore();
    const storage = cache(LONG)(backend);
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "old");
    await storage.storeCheckpoint("t", "c1", "old");
    await storage.storeTaskContext("s", "old");
    cache().clear();
    // Sessions are kept by the writes that give them: another write takes them out.
    await storage.deleteConversationMessages("s", { after: 99 });
    const { hasRead, go } = hold(verb);
    const slow = read(storage);
    await hasRead;
    await write(storage);
    const newest = await read(other);
    // Whoever asks now does not wait for the read that began before.
    expect(await read(storage)).toEqual(newest);
    go();
    await slow;
    expect(await read(storage)).toEqual(newest);
  });

  it("is not kept by a read that runs beside a write, whichever is over first", async () => {
    const { backend, other, hold } = slowStore();
    const storage = cache(LONG)(backend);
    await storage.createSession("s", "u");
    await storage.deleteConversationMessages("s", { after: 99 });
    const write = hold("updateSession");
    const writing = storage.updateSession("s", { metadata: { v: 2 } });
    await write.hasRead;
    await storage.getSession("s");
    await other.updateSession("s", { metadata: { v: 3 } });
    expect((await storage.getSession("s"))?.metadata).toEqual({ v: 3 });
    write.go();
    await writing;
    expect((await storage.getSession("s"))?.metadata).toEqual({ v: 3 });
  });

  it("of another process is given out for ttlMs at most, or not at all where each read is validated", async () => {
    const { backend, other } = slowStore();
    const short = cache({ ttlMs: 60, absentTtlMs: 20 })(backend);
    const validated = cache({ validate: "always" })(backend);
    await other.createSession("s", "u");
    await other.storeCheckpoint("t", "c", "x".repeat(5_000));
    for (const storage of [short, validated]) {
      await storage.getSession("s");
      await storage.getConversationHistory("s");
      await storage.getCheckpoint("t");
    }
    await other.updateSession("s", { metadata: { v: 2 } });
    await other.addConversationMessage("s", "user", "new");
    await other.storeCheckpoint("t", "c", "y".repeat(5_000));
    expect((await validated.getSession("s"))?.metadata).toEqual({ v: 2 });
    expect(await validated.getConversationHistory("s")).toHaveLength(1);
    expect((await validated.getCheckpoint("t"))?.data).toBe("y".repeat(5_000));
    await sleep(80);
    expect((await short.getSession("s"))?.metadata).toEqual({ v: 2 });
    expect(await short.getConversationHistory("s")).toHaveLength(1);
    expect((await short.getCheckpoint("t"))?.data).toBe("y".repeat(5_000));
  });

  it("of another process goes as soon as a feed tells of it", async () => {
    const { backend, other } = slowStore();
    let tell: (change: StoreChange | "lost") => void = () => undefined;
    let isFollowed = false;
    const feed = {
      subscribe: (listener: typeof tell) => {
        tell = listener;
        isFollowed = true;
        return () => {
          isFollowed = false;
        };
      },
    };
    const storage = cache({ ...LONG, feed })(backend);
    await other.createSession("s", "u");
    await other.storeCheckpoint("t", "c", 1);
    const read = async (): Promise<unknown[]> => [
      (await storage.getSession("s"))?.requestCount,
      (await storage.getConversationHistory("s")).length,
      (await storage.getCheckpoint("t"))?.data,
    ];
    expect(await read()).toEqual([0, 0, 1]);
    await other.updateSession("s", { incrementRequests: true });
    await other.addConversationMessage("s", "user", "new");
    await other.storeCheckpoint("t", "c", 2);
    expect(await read()).toEqual([0, 0, 1]);
    tell({ tenant: "other", session: "s" });
    expect(await read()).toEqual([0, 0, 1]);
    tell({ tenant: "default", session: "s" });
    expect(await read()).toEqual([1, 1, 2]);
    await other.storeCheckpoint("t", "c", 3);
    tell({ tenant: "default", thread: "t" });
    expect(await read()).toEqual([1, 1, 3]);
    await other.updateSession("s", { incrementRequests: true });
    tell("lost");
    expect(await read()).toEqual([2, 1, 3]);
    await storage.close();
    expect(isFollowed).toBe(false);
  });
});

describe("the bounds", () => {
  it("hold: entries and bytes", async () => {
    const { backend } = slowStore();
    const layer = cache({ ...LONG, maxEntries: 10, maxBytes: 20_000 });
    const storage = layer(backend);
    for (let i = 0; i < 50; i++) {
      await storage.createSession(`s${i}`, "u", { metadata: { text: "x".repeat(100 * i) } });
      await storage.getSession(`s${i}`);
      expect(layer.stats().entries).toBeLessThanOrEqual(10);
      expect(layer.stats().bytes).toBeLessThanOrEqual(20_000);
    }
    expect(layer.stats().entries).toBeGreaterThan(1);
  });

  it("refuse options that cannot be right", () => {
    for (const options of [{ ttlMs: 0 }, { maxEntries: 0 }, { validate: "sometimes" }, { ttl: 1 }]) {
      expect(() => cache(options as CacheOptions)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
  });
});

it("two storages with one cache, and two tenants, share its bounds and nothing else", async () => {
  const layer = cache(LONG);
  const [a, b] = [layer(memoryStorage()), layer(memoryStorage())];
  for (const [i, storage] of [a, b, a.tenant("x")].entries()) {
    await storage.createSession("s", `u${i}`);
    await storage.storeCheckpoint("t", "c", i);
  }
  for (const _time of [1, 2]) {
    for (const [i, storage] of [a, b, a.tenant("x")].entries()) {
      expect((await storage.getSession("s"))?.userId).toBe(`u${i}`);
      expect((await storage.getCheckpoint("t"))?.data).toBe(i);
    }
  }
  await a.close();
  await expect(a.getSession("s")).rejects.toMatchObject({ code: "CLOSED" });
  await expect(a.tenant("x").getCheckpoint("t")).rejects.toMatchObject({ code: "CLOSED" });
  expect((await b.getSession("s"))?.userId).toBe("u1");
});

it("a reader never goes back to what a write of its own process gave, once it has seen more", async () => {
  const { backend, other, hold } = slowStore();
  const storage = cache(LONG)(backend);
  await storage.createSession("s", "u");
  await storage.addConversationMessage("s", "user", "one");
  await storage.deleteConversationMessages("s", { after: 99 });
  // It begins before the write and sees what comes after it.
  const append = hold("addConversationMessage");
  const reading = hold("getConversationHistory");
  const early = storage.getConversationHistory("s");
  await reading.hasRead;
  const appending = storage.addConversationMessage("s", "user", "two");
  await append.hasRead;
  await other.addConversationMessage("s", "user", "three");
  expect(await storage.getConversationHistory("s")).toHaveLength(3);
  append.go();
  await appending;
  expect(await storage.getConversationHistory("s")).toHaveLength(3);
  reading.go();
  await early;
  expect(await storage.getConversationHistory("s")).toHaveLength(3);
});
