// Deleting much: out of sight at once, swept in slices, space given back, and finished after a crash (S10, C6, K6).
import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { Maintenance } from "../../../src/backends/sqlite/maintenance.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { manualClock } from "../../../src/testing/manual-clock.js";
import { firstValue, newPath, outside } from "./folder.js";

const TABLES = [
  "sessions",
  "messages",
  "message_roles",
  "idempotency_keys",
  "contexts",
  "context_versions",
  "threads",
  "checkpoints",
  "checkpoint_states",
  "checkpoint_blocks",
  "checkpoint_writes",
  "leases",
  "garbage",
];

const countsIn = (path: string): Record<string, unknown> =>
  outside(path, (db) =>
    Object.fromEntries(TABLES.map((table) => [table, db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n])),
  );

const NOTHING = Object.fromEntries(TABLES.map((table) => [table, 0]));

async function fillSession(storage: StorageBackend, sessionId: string, messages: number): Promise<void> {
  await storage.createSession(sessionId, "u");
  const message = { role: "user", content: "x".repeat(500) };
  for (let added = 0; added < messages; added += 500) {
    const count = Math.min(500, messages - added);
    await storage.addConversationMessages(
      sessionId,
      Array.from({ length: count }, () => message),
    );
  }
  await storage.updateSession(sessionId, { markError: true, idempotencyKey: "key" });
  await storage.storeTaskContext(sessionId, { a: 1 });
  for (const thread of ["a", "b"]) {
    await storage.storeCheckpoint(`${sessionId}:${thread}`, "c", { a: 1 }, { sessionId });
    await storage.putWrites(`${sessionId}:${thread}`, "c", "task", [["x", 1]]);
    await storage.acquireLease({ thread: `${sessionId}:${thread}` }, { owner: "o", ttlMs: 1_000 });
  }
  await storage.acquireLease({ session: sessionId }, { owner: "o", ttlMs: 1_000 });
}

/** The first part of a deletion, as if the process ended there. */
function endBeforeSweeping(): void {
  vi.spyOn(Maintenance.prototype, "sweep").mockRejectedValue(new Error("the process ends here"));
  vi.spyOn(Maintenance.prototype, "wake").mockImplementation(() => undefined);
}

describe("a session", () => {
  it.each([3, 2_000])("with %d messages leaves nothing", async (messages) => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await fillSession(storage, "s", messages);
    expect(await storage.deleteSession("s")).toBe(true);
    expect(countsIn(path)).toEqual(NOTHING);
  });

  it("is gone at once when the process ends before the rest is swept, which the next one does", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    await fillSession(storage, "s", 20_000);
    endBeforeSweeping();
    await expect(storage.deleteSession("s")).rejects.toThrow();
    expect(await storage.getSession("s")).toBeUndefined();
    expect(await storage.getConversationHistory("s")).toEqual([]);
    expect(await storage.getCheckpoint("s:a")).toBeUndefined();
    expect((await storage.listThreads()).items).toEqual([]);
    expect((await storage.getMetrics()).checkpoints.value).toBe(0);
    await storage.close();
    expect(countsIn(path).messages).toBeGreaterThan(0);

    vi.restoreAllMocks();
    await using next = sqliteStorage(path);
    await next.initialize();
    await vi.waitFor(() => expect(countsIn(path)).toEqual(NOTHING), { timeout: 20_000 });
  });

  it("can be made anew under its id while the old one is not swept, and shares nothing with it", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await fillSession(storage, "s", 20_000);
    endBeforeSweeping();
    await expect(storage.deleteSession("s")).rejects.toThrow();
    vi.restoreAllMocks();
    await storage.createSession("s", "other");
    await storage.addConversationMessage("s", "user", "new");
    await storage.storeCheckpoint("s:a", "c", "new");
    expect(await storage.acquireLease({ thread: "s:b" }, { owner: "another", ttlMs: 1_000 })).toMatchObject({
      token: 4,
    });
    await storage.deleteThread("no such thread");
    await storage.cleanupExpiredSessions();
    expect(await storage.getConversationHistory("s")).toMatchObject([{ seq: 1, content: "new" }]);
    expect((await storage.getCheckpoint("s:a"))?.data).toBe("new");
    expect(await storage.getTaskContext("s")).toBeUndefined();
  });
});

describe("many messages", () => {
  const numbers = async (storage: StorageBackend, limit = 10_000): Promise<number[]> =>
    (await storage.getConversationHistory("s", { limit })).map(({ seq }) => seq);

  it.each([
    ["all", "all", 0, []],
    ["the oldest", { before: 1_996 }, 5, [1_996, 1_997, 1_998, 1_999, 2_000]],
    ["the newest", { after: 5 }, 5, [1, 2, 3, 4, 5]],
    ["the middle", { after: 2, before: 1_999 }, 4, [1, 2, 1_999, 2_000]],
  ] as const)("are deleted at once: %s", async (_name, range, left, seqs) => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await fillSession(storage, "s", 2_000);
    expect(await storage.deleteConversationMessages("s", range)).toBe(2_000 - left);
    expect(await numbers(storage)).toEqual(seqs);
    expect(await storage.getSession("s")).toMatchObject({ messageCount: left, lastSeq: 2_000 });
    expect(countsIn(path)).toMatchObject({ messages: left, garbage: 0 });
    expect(firstValue(path, "SELECT count(*) FROM sessions WHERE gap_after IS NOT NULL")).toBe(0);
  });

  it("are out of sight for every reader while they are not swept", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await fillSession(storage, "s", 1_000);
    const [keyed] = await storage.addConversationMessages("s", [
      { role: "tool", content: "keyed", messageId: "id" },
      ...Array.from({ length: 99 }, () => ({ role: "tool", content: "x" })),
    ]);
    endBeforeSweeping();
    await expect(storage.deleteConversationMessages("s", { after: 3, before: 1_090 })).rejects.toThrow();
    const sight = [1, 2, 3, ...Array.from({ length: 11 }, (_, i) => 1_090 + i)];
    expect(await numbers(storage)).toEqual(sight);
    expect(await numbers(storage, 12)).toEqual(sight.slice(2));
    expect((await storage.getConversationHistory("s", { after: 2, limit: 2 })).map(({ seq }) => seq)).toEqual([
      3, 1_090,
    ]);
    const tools = await storage.getConversationHistory("s", { roles: ["tool"] });
    expect(tools.map(({ seq }) => seq)).toEqual(sight.slice(3));
    expect(await storage.getSession("s")).toMatchObject({ messageCount: 14, lastSeq: 1_100 });
    expect((await storage.getMetrics()).messages.value).toBe(14);
    expect(firstValue(path, "SELECT count(*) FROM messages_view")).toBe(14);
    const exported = [];
    for await (const record of storage.exportRecords({ kinds: ["message"] })) exported.push(record);
    expect(exported).toHaveLength(14);
    // The id is free again.
    const again = await storage.addConversationMessage("s", "tool", "again", { messageId: "id" });
    expect(again).toMatchObject({ seq: 1_101, content: "again" });
    expect(keyed?.seq).toBe(1_001);

    vi.restoreAllMocks();
    expect(await storage.deleteConversationMessages("s", { after: 1 })).toBe(14);
    expect(await storage.deleteConversationMessages("s", "all")).toBe(1);
    // Few are deleted without sweeping: what is left goes in the background.
    await vi.waitFor(() => expect(countsIn(path)).toMatchObject({ messages: 0, message_roles: 0, garbage: 0 }), {
      timeout: 20_000,
    });
  });

  it("a second large deletion finishes the first", async () => {
    await using storage = sqliteStorage(newPath());
    await fillSession(storage, "s", 2_000);
    endBeforeSweeping();
    await expect(storage.deleteConversationMessages("s", { before: 900 })).rejects.toThrow();
    vi.restoreAllMocks();
    expect(await storage.deleteConversationMessages("s", { after: 1_000 })).toBe(1_000);
    expect(await numbers(storage)).toEqual(Array.from({ length: 101 }, (_, i) => 900 + i));
  });
});

describe("a thread", () => {
  it("with many checkpoints leaves nothing", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    for (let i = 0; i < 300; i++) await storage.storeCheckpoint("t", `c${i}`, `${i}`.repeat(3_000));
    expect(await storage.deleteThread("t")).toBe(true);
    expect(countsIn(path)).toEqual(NOTHING);
  });

  it("whose checkpoints are deleted by name leaves nothing but itself", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    const ids = Array.from({ length: 300 }, (_, i) => `c${i}`);
    for (const id of ids) {
      await storage.storeCheckpoint("t", id, id.repeat(3_000));
      await storage.putWrites("t", id, "task", [["a", id]]);
    }
    expect(await storage.deleteCheckpoints("t", ids)).toMatchObject({ removedCheckpoints: 300, removedWrites: 300 });
    expect(countsIn(path)).toEqual({ ...NOTHING, threads: 1 });
  });

  it("is pruned in several transactions, each of which leaves it whole", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    for (let i = 0; i < 500; i++) {
      const parent = i % 10 === 0 ? {} : { parentId: `c${i - 1}`, needsParent: true };
      await storage.storeCheckpoint("t", `c${i}`, "x".repeat(100), parent);
    }
    expect(await storage.pruneCheckpoints({ keepLast: 3 }, { dryRun: true })).toMatchObject({
      removedCheckpoints: 490,
    });
    expect(await storage.pruneCheckpoints({ keepLast: 3 })).toMatchObject({
      threads: 1,
      removedCheckpoints: 490,
      keptCheckpoints: 10,
    });
    const kept = (await storage.listCheckpoints("t", { limit: 100 })).map(({ checkpointId }) => checkpointId);
    expect(kept).toEqual(Array.from({ length: 10 }, (_, i) => `c${499 - i}`));
    expect((await storage.listThreads()).items).toMatchObject([{ checkpointCount: 10 }]);
  });
});

describe("space", () => {
  const size = async (storage: StorageBackend): Promise<number> => (await storage.getMetrics()).sizeBytes?.value ?? 0;

  it.each<[string, (storage: StorageBackend) => Promise<unknown>]>([
    ["deleteSession", (storage) => storage.deleteSession("s")],
    ["deleteConversationMessages", (storage) => storage.deleteConversationMessages("s", "all")],
    ["cleanupExpiredSessions", (storage) => storage.cleanupExpiredSessions({ maxIdleHours: 0 })],
    ["deleteThread", (storage) => storage.deleteThread("t")],
    ["pruneCheckpoints", (storage) => storage.pruneCheckpoints({ keepLast: 1 })],
    [
      "deleteCheckpoints",
      (storage) =>
        storage.deleteCheckpoints(
          "t",
          Array.from({ length: 200 }, (_, i) => `c${i}`),
        ),
    ],
    ["deleteItems", (storage) => storage.deleteItems(["a"])],
  ])("is given back by %s", async (_name, remove) => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const empty = await size(storage);
    const text = "x".repeat(3_500);
    await storage.addConversationMessages(
      "s",
      Array.from({ length: 400 }, () => ({ role: "user", content: text })),
    );
    // States that share nothing and cannot be compressed.
    for (let i = 0; i < 200; i++) await storage.storeCheckpoint("t", `c${i}`, randomBytes(3_500).toString("base64"));
    for (let i = 0; i < 200; i++) await storage.putItem(["a", "b"], `k${i}`, { text });
    const full = await size(storage);
    await remove(storage);
    await vi.waitFor(async () => expect(await size(storage)).toBeLessThan(full - 150 * 4_096), { timeout: 20_000 });
    await vi.waitFor(() => expect(firstValue(path, "PRAGMA freelist_count")).toBeLessThanOrEqual(16), {
      timeout: 20_000,
    });
    expect(full - empty).toBeGreaterThan(800 * 4_096);
  });
});

describe("expired things", () => {
  it("of all kinds are removed from the file by a cleanup", async () => {
    const path = newPath();
    const clock = manualClock();
    await using storage = sqliteStorage({ path, clock });
    await fillSession(storage, "s", 10);
    await storage.createSession("short", "u", { ttlMs: 1_000 });
    await storage.addConversationMessage("short", "user", "x");
    for (let i = 0; i < 120; i++) await storage.putItem(["a"], `k${i}`, {}, { ttlMs: 1_000 });
    clock.advance(1_000);
    expect(await storage.cleanupExpiredSessions({ maxIdleHours: 1_000, dryRun: true })).toBe(1);
    expect(await storage.cleanupExpiredSessions({ maxIdleHours: 1_000 })).toBe(1);
    expect(countsIn(path)).toMatchObject({ sessions: 1, messages: 10, garbage: 0 });
    expect(firstValue(path, "SELECT count(*) FROM items")).toBe(0);
  });

  it("never become many: each new item that will expire takes two that have expired with it", async () => {
    const path = newPath();
    const clock = manualClock();
    await using storage = sqliteStorage({ path, clock });
    for (let i = 0; i < 100; i++) {
      await storage.putItem(["a"], `k${i}`, {}, { ttlMs: 10 });
      clock.advance(5);
    }
    expect(firstValue(path, "SELECT count(*) FROM items")).toBeLessThan(5);
  });

  it("idempotency keys go with the next ones after a day", async () => {
    const path = newPath();
    const clock = manualClock();
    await using storage = sqliteStorage({ path, clock });
    await storage.createSession("s", "u");
    const use = (key: string): Promise<unknown> => storage.updateSession("s", { idempotencyKey: key });
    for (const key of ["a", "b", "c"]) await use(key);
    clock.advance(24 * 60 * 60 * 1_000);
    for (const key of ["d", "e"]) await use(key);
    expect(firstValue(path, "SELECT count(*) FROM idempotency_keys")).toBe(2);
  });
});
