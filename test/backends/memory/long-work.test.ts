// Work over many rows leaves the event loop to others, may be given up, and still gives one moment of the store.
import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { checkpointVerbs } from "../../../src/backends/memory/checkpoints.js";
import { conversationVerbs } from "../../../src/backends/memory/conversations.js";
import { memoryDriver } from "../../../src/backends/memory/index.js";
import { itemVerbs } from "../../../src/backends/memory/items.js";
import { leaseVerbs } from "../../../src/backends/memory/leases.js";
import { collectMetrics } from "../../../src/backends/memory/metrics.js";
import { sessionVerbs } from "../../../src/backends/memory/sessions.js";
import type { MemoryStore } from "../../../src/backends/memory/state.js";
import { threadVerbs } from "../../../src/backends/memory/threads.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import type { SessionListing } from "../../../src/domain/driver/storage-driver.js";
import { recordBatches } from "../../../src/domain/records/record-batches.js";
import { turnsDuring } from "../../support/event-loop.js";
import { driverCall, emptyStore } from "./driver-call.js";

const call = driverCall();

// Each look at the time finds that the turn is over, as if every row took long.
let looks = 0;

beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => {
    looks += 1;
    return looks * 1000;
  });
});

/** A listing that looks at every session and finds none. */
const fruitless: SessionListing = {
  userId: null,
  statuses: null,
  metadata: [["never", true]],
  createdFrom: null,
  createdTo: null,
  updatedFrom: null,
  updatedTo: null,
  orderBy: "updatedAt",
  direction: "asc",
  limit: 50,
  after: null,
};

async function storeOf(sessions: number): Promise<MemoryStore & Pick<ReturnType<typeof emptyStore>, "clock">> {
  const store = emptyStore();
  const verbs = sessionVerbs(store);
  for (let i = 0; i < sessions; i++) {
    await verbs.createSession(call, { sessionId: `s${i}`, userId: "u", metadata: "{}", ttlMs: null });
  }
  return store;
}

const message = (messageId: string) => ({
  messageId,
  keyed: false,
  role: "user",
  content: "1",
  metadata: "{}",
  timestamp: null,
});

const range = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

const put = (key: string) =>
  ({ kind: "put", namespace: ["n"], key, value: "{}", ttlMs: null, expectedVersion: null, vectors: null }) as const;

const get = (key: string) => ({ kind: "get", namespace: ["n"], key, refreshTtl: false }) as const;

const everyItem = {
  prefix: [],
  filter: null,
  orderBy: "updatedAt",
  direction: "desc",
  limit: 10,
  offset: 0,
  after: null,
} as const;

const checkpoint = (i: number) => ({
  namespace: "",
  checkpointId: `c${i}`,
  parentId: null,
  sessionId: null,
  metadata: "{}",
  needsParent: false,
  data: EncodedText.of(JSON.stringify(i)),
  sizeBytes: 1,
  expectedHead: undefined,
});

describe("long work lets others run", () => {
  it("in a listing whose filter matches nothing", async () => {
    const store = await storeOf(100);
    expect(await turnsDuring(() => sessionVerbs(store).listSessions(call, fruitless))).toBeGreaterThan(20);
  });

  it("in a search of items that reads every value", async () => {
    const items = itemVerbs(emptyStore());
    for (let i = 0; i < 100; i++) {
      const put = {
        kind: "put",
        namespace: ["n"],
        key: `k${i}`,
        value: "{}",
        ttlMs: null,
        expectedVersion: null,
        vectors: null,
      } as const;
      await items.runItemSteps(call, [put]);
    }
    const filter = { conditions: [], matches: () => false, matchesText: () => false, matching: () => false };
    const search = {
      prefix: [],
      filter,
      orderBy: "updatedAt",
      direction: "desc",
      limit: 10,
      offset: 0,
      after: null,
    } as const;
    // A filter reads each value, which may take as long as a slice.
    expect(await turnsDuring(() => items.searchItems(call, search))).toBeGreaterThan(90);
  });

  it("in a deletion of many messages, which are gone for readers at once", async () => {
    const conversations = conversationVerbs(await storeOf(1));
    const messages = Array.from({ length: 100 }, (_, i) => message(`m${i}`));
    await conversations.addMessages(call, "s0", messages, null);
    const window = { limit: 9, before: null, after: null, roles: null };
    let read: Promise<unknown> | undefined;
    const turns = await turnsDuring(async () => {
      const deletion = conversations.deleteMessages(call, "s0", { after: 1, before: null }, null);
      read = conversations.getHistory(call, "s0", window);
      expect(await deletion).toBe(99);
    });
    expect(await read).toHaveLength(1);
    expect(turns).toBeGreaterThan(20);
  });

  it("in a deletion that is given up when its messages are gone: their ids are still forgotten", async () => {
    const store = await storeOf(1);
    const conversations = conversationVerbs(store);
    await conversations.addMessages(
      call,
      "s0",
      Array.from({ length: 100 }, (_, i) => message(`m${i}`)),
      null,
    );
    const own = driverCall();
    const deletion = conversations.deleteMessages(own, "s0", { after: 1, before: null }, null);
    own.cancelled = true;
    expect(await deletion).toBe(99);
    expect(store.tenants.get("default")?.sessions.get("s0")?.conversation?.seqs.size).toBe(1);
  });

  it("in a deletion of many items, which are gone for readers at once", async () => {
    const store = emptyStore();
    const items = itemVerbs(store);
    await items.runItemSteps(
      call,
      range(20_000, (i) => put(`k${i}`)),
    );
    let found: Promise<unknown> | undefined;
    const turns = await turnsDuring(async () => {
      const deletion = items.deleteItems(call, ["n"]);
      found = items.searchItems(call, everyItem);
      expect(await deletion).toBe(20_000);
    });
    expect(await found).toEqual({ rows: [], more: false });
    expect(turns).toBeGreaterThan(5);
  });

  it("in a batch that searches: others come before or after all of it (M3)", async () => {
    const driver = memoryDriver();
    await driver.runItemSteps(
      call,
      range(100, (i) => put(`k${i}`)),
    );
    let read: Promise<unknown> | undefined;
    const turns = await turnsDuring(async () => {
      const steps = [put("new"), { kind: "search", listing: { ...everyItem, limit: 200 } }, put("newer")] as const;
      const batch = driver.runItemSteps(call, steps);
      await setImmediate();
      read = driver.runItemSteps(call, [get("newer")]);
      expect((await batch)[1]).toMatchObject({ rows: { rows: { length: 101 } } });
    });
    expect(await read).toMatchObject([{ item: { key: "newer" } }]);
    expect(turns).toBeGreaterThan(20);
  });

  it("in a batch that is given up on its way: nothing of it is there, and it was not applied (M3)", async () => {
    const driver = memoryDriver();
    await driver.runItemSteps(
      call,
      range(100, (i) => put(`k${i}`)),
    );
    const own = driverCall();
    const batch = driver.runItemSteps(own, [put("new"), { kind: "search", listing: everyItem }]);
    await setImmediate();
    own.cancelled = true;
    const read = driver.runItemSteps(call, [get("new")]);
    await expect(batch).rejects.toThrow("given up");
    expect(own.sent).toBe(false);
    expect(await read).toEqual([{ kind: "get", item: undefined }]);
  });

  it("in copying and pruning a long thread: others come before or after all of it (K6, K7)", async () => {
    const driver = memoryDriver();
    for (let i = 0; i < 100; i++) await driver.storeCheckpoint(call, "t", checkpoint(i), null);
    const listing = { namespace: null, limit: 1_000, before: null, metadata: [], data: true, writes: true } as const;
    let lists: Promise<unknown>[] = [];
    const turns = await turnsDuring(async () => {
      const copy = driver.copyThread(call, "t", "copy");
      await setImmediate();
      lists = [driver.listCheckpoints(call, "copy", listing)];
      expect(await copy).toBe("copied");
      const prune = { keepLast: 1, maxAgeMs: null, threadId: "t", dryRun: false };
      const pruning = driver.pruneCheckpoints(call, prune);
      await setImmediate();
      lists.push(driver.listCheckpoints(call, "t", listing));
      expect(await pruning).toMatchObject({ removedCheckpoints: 99, keptCheckpoints: 1 });
    });
    expect((await Promise.all(lists)).map((list) => (list as unknown[]).length)).toEqual([100, 1]);
    expect(turns).toBeGreaterThan(50);
  });

  it("in deleting checkpoints of a long thread: others come before or after all of it (K9)", async () => {
    const driver = memoryDriver();
    for (let i = 0; i < 100; i++) await driver.storeCheckpoint(call, "t", checkpoint(i), null);
    const listing = { namespace: null, limit: 1_000, before: null, metadata: [], data: true, writes: true } as const;
    const checkpointIds = (await driver.listCheckpoints(call, "t", listing)).map(({ checkpointId }) => checkpointId);
    let list: Promise<unknown[]> = Promise.resolve([]);
    const turns = await turnsDuring(async () => {
      const deleting = driver.deleteCheckpoints(call, "t", { namespace: "", checkpointIds }, null);
      await setImmediate();
      list = driver.listCheckpoints(call, "t", listing);
      expect(await deleting).toMatchObject({ removedCheckpoints: 100, kept: [] });
    });
    expect(await list).toEqual([]);
    expect(turns).toBeGreaterThan(50);
  });

  it("in a copy that is given up on its way: there is no copy (K7)", async () => {
    const driver = memoryDriver();
    for (let i = 0; i < 100; i++) await driver.storeCheckpoint(call, "t", checkpoint(i), null);
    const own = driverCall();
    const copy = driver.copyThread(own, "t", "copy");
    await setImmediate();
    own.cancelled = true;
    await expect(copy).rejects.toThrow("given up");
    expect(own.sent).toBe(false);
    expect(await driver.copyThread(call, "copy", "other")).toBe("absent");
  });

  it("in deleting a session with many threads, which are gone for readers at once (S10)", async () => {
    const driver = memoryDriver();
    await driver.createSession(call, { sessionId: "s", userId: "u", metadata: "{}", ttlMs: null });
    for (let i = 0; i < 200; i++) {
      await driver.storeCheckpoint(call, `t${i}`, { ...checkpoint(i), sessionId: "s" }, null);
    }
    const listing = { sessionId: null, orderBy: "createdAt", direction: "asc", limit: 500, after: null } as const;
    const begun = driver.listThreads(call, listing);
    let listed: Promise<unknown> | undefined;
    const turns = await turnsDuring(async () => {
      const deletion = driver.deleteSession(call, "s");
      listed = driver.listThreads(call, listing);
      expect(await deletion).toBe(true);
    });
    expect(await listed).toEqual({ rows: [], more: false });
    // A listing that has begun gives what is there when its turn comes.
    expect((await begun).rows.length).toBeLessThan(200);
    expect(turns).toBeGreaterThan(20);
  });

  it.each(["a session", "several sessions", "a lease"])(
    "in making %s in the place of an expired session with many threads (S8)",
    async (made) => {
      const store = await storeOf(0);
      const [sessions, checkpoints, threads] = [sessionVerbs(store), checkpointVerbs(store), threadVerbs(store)];
      const session = { sessionId: "s", userId: "u", metadata: "{}", ttlMs: null };
      await sessions.createSession(call, { ...session, ttlMs: 10 });
      for (let i = 0; i < 200; i++) {
        await checkpoints.storeCheckpoint(call, `t${i}`, { ...checkpoint(i), sessionId: "s" }, null);
      }
      store.clock.advance(1_000);
      const turns = await turnsDuring(async () => {
        if (made === "a session") await sessions.createSession(call, session);
        else if (made === "several sessions") await sessions.createSessions(call, [session]);
        else await leaseVerbs(store).acquireLease(call, { kind: "session", id: "s" }, { owner: "o", ttlMs: 1 });
      });
      expect(turns).toBeGreaterThan(20);
      await sessions.createSession(call, session);
      const listing = { sessionId: null, orderBy: "createdAt", direction: "asc", limit: 500, after: null } as const;
      expect(await threads.listThreads(call, listing)).toEqual({ rows: [], more: false });
      expect(store.tenants.get("default")?.threads.size).toBe(0);
    },
  );

  it("in an export, and in an import of records that are at hand (P1)", async () => {
    const driver = memoryDriver();
    await driver.runItemSteps(
      call,
      range(1_000, (i) => put(`k${i}`)),
    );
    const records: StorageRecord[] = [];
    const exporting = await turnsDuring(async () => {
      for await (const record of driver.exportRecords(call, {})) records.push(record);
    });
    let batches = 0;
    const turns = await turnsDuring(async () => {
      for await (const _batch of recordBatches(records)) batches += 1;
    });
    expect(batches).toBe(2);
    // Each record may take as long as a slice.
    expect(exporting).toBeGreaterThan(500);
    expect(turns).toBeGreaterThan(500);
  });

  it("between batches of a counted cleanup that are short each for itself", async () => {
    const store = await storeOf(300);
    const cleanup = { idleBefore: store.clock.now(), batchSize: 2, dryRun: true };
    expect(await turnsDuring(() => sessionVerbs(store).cleanupSessions(call, cleanup))).toBeGreaterThan(10);
  });

  it("between the batches of a cleanup", async () => {
    const store = await storeOf(1000);
    const cleanup = { idleBefore: store.clock.now(), batchSize: 100, dryRun: false };
    expect(await turnsDuring(() => sessionVerbs(store).cleanupSessions(call, cleanup))).toBeGreaterThan(10);
    expect((await collectMetrics(store, call)).sessions).toBe(0);
  });
});

describe("long work", () => {
  it("does not begin for a call that is given up already", async () => {
    const store = await storeOf(1);
    const own = driverCall();
    own.cancelled = true;
    await expect(sessionVerbs(store).deleteSession(own, "s0")).rejects.toThrow("given up");
    expect(own.sent).toBe(false);
    expect(await sessionVerbs(store).getSessions(call, ["s0"])).toMatchObject([{ sessionId: "s0" }]);
  });

  it("stops when the call is given up", async () => {
    const own = driverCall();
    const listing = sessionVerbs(await storeOf(100)).listSessions(own, fruitless);
    own.cancelled = true;
    await expect(listing).rejects.toThrow("given up");
  });

  it("reads the sessions of one moment, whatever is written meanwhile", async () => {
    const store = await storeOf(100);
    const sessions = sessionVerbs(store);
    const listing = sessions.listSessions(call, fruitless);
    const counting = collectMetrics(store, call);
    const change = {
      mergeMetadata: { never: true },
      unsetMetadata: [],
      status: null,
      addRequests: 1,
      addProcessingTime: 0,
      addErrors: 0,
      expectedVersion: null,
      idempotency: null,
    };
    for (let i = 0; i < 100; i++) await sessions.updateSession(call, `s${i}`, change, null);
    expect((await listing).rows).toEqual([]);
    expect((await counting).requests).toBe(0);
    expect((await sessions.listSessions(call, fruitless)).rows).toHaveLength(50);
    expect((await collectMetrics(store, call)).requests).toBe(100);
  });

  it("spares a session that is written to between its finding and its removal (S8)", async () => {
    const store = await storeOf(300);
    const idleBefore = store.clock.now();
    const cleanup = sessionVerbs(store).cleanupSessions(call, { idleBefore, batchSize: 100, dryRun: false });
    store.clock.advance(1);
    await conversationVerbs(store).addMessages(call, "s0", [message("m")], null);
    expect(await cleanup).toBe(299);
    expect([...(store.tenants.get("default")?.sessions.keys() ?? [])]).toEqual(["s0"]);
  });

  it("prunes thread by thread: when it is given up, each thread is pruned or untouched (K6)", async () => {
    const store = emptyStore();
    const [checkpoints, threads] = [checkpointVerbs(store), threadVerbs(store)];
    for (let i = 0; i < 300; i++) {
      const id = { namespace: "", checkpointId: `c${i}`, parentId: null, sessionId: null, metadata: "{}" };
      const state = { needsParent: false, data: EncodedText.of("1"), sizeBytes: 1, expectedHead: undefined };
      await checkpoints.storeCheckpoint(call, `t${i % 100}`, { ...id, ...state }, null);
    }
    const prune = { keepLast: 1, maxAgeMs: null, threadId: null };
    const own = driverCall();
    const pruning = threads.pruneCheckpoints(own, { ...prune, dryRun: false });
    for (let turns = 0; turns < 40; turns++) await setImmediate();
    own.cancelled = true;
    await expect(pruning).rejects.toThrow("given up");
    expect(own.sent).toBe(true);
    const left = [...(store.tenants.get("default")?.threads.values() ?? [])].map(
      (thread) => thread.row.checkpointCount,
    );
    expect(new Set(left)).toEqual(new Set([1, 3]));
    const removed = 300 - left.reduce((sum, count) => sum + count, 0);
    expect(await threads.pruneCheckpoints(call, { ...prune, dryRun: true })).toMatchObject({
      threads: 100,
      removedCheckpoints: 200 - removed,
      keptCheckpoints: 100,
    });
  });
});
