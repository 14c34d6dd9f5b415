// Copies of threads and deletions in another thread, which begins with a file of the package: what was built is tested here.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import { WriteElsewhere } from "#dist/backends/sqlite/long-writes/elsewhere.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import type { StorageFactory } from "../../../src/testing/index.js";
import { runClauses } from "../../../src/testing/run-clauses.js";
import { firstValue, newPath } from "./folder.js";

const threads = vi.hoisted(() => ({ started: 0, forbidden: false }));

// Nothing is short enough for the thread of the caller.
vi.mock("#dist/backends/sqlite/long-writes/works.js", async (original) => ({
  ...(await original<typeof import("#dist/backends/sqlite/long-writes/works.js")>()),
  LONG_WRITE_MS: { copyThread: -1, deleteCheckpoints: -1, deleteItems: -1, pruneStep: -1 },
}));

vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class Worker extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof actual.Worker>) {
      if (threads.forbidden) throw new Error("no threads here");
      if (args[1]?.name === "waystone sqlite write") threads.started += 1;
      super(...args);
    }
  }
  return { ...actual, Worker };
});

beforeEach(() => {
  threads.started = 0;
  threads.forbidden = false;
});

const LONG = "a text that is kept in pieces ".repeat(50_000);

async function filled(path: string, journal: "auto" | "rollback" = "auto"): Promise<StorageBackend> {
  const storage = sqliteStorage({ path, journal });
  for (let i = 0; i < 300; i++) await storage.storeCheckpoint("t", `c${i}`, { i, text: "x".repeat(2_000) });
  await storage.putWrites("t", "c299", "task", [
    ["short", 1],
    ["long", LONG],
  ]);
  await storage.batchItems(
    Array.from({ length: 500 }, (_, i) => ({ put: { namespace: ["n", `${i % 3}`], key: `${i}`, value: { i } } })),
  );
  return storage;
}

async function assertCopied(storage: StorageBackend, threadId: string): Promise<void> {
  let checkpoints = 0;
  for await (const { kind } of storage.exportRecords({ threadId })) if (kind === "checkpoint") checkpoints += 1;
  expect(checkpoints).toBe(300);
  expect(await storage.getCheckpoint(threadId, { checkpointId: "c7" })).toMatchObject({
    data: { i: 7, text: "x".repeat(2_000) },
  });
  const [short, long] = await storage.getWrites(threadId, "c299");
  expect([short?.value, long?.value === LONG]).toEqual([1, true]);
}

describe.each([["the write-ahead log", "auto"] as const, ["the rollback journal", "rollback"] as const])(
  "with %s, another thread",
  (_name, journal) => {
    it("copies a thread, and deletes items", async () => {
      await using storage = await filled(newPath(), journal);
      await storage.copyThread("t", "copy");
      await assertCopied(storage, "copy");
      expect(await storage.deleteItems(["n", "1"])).toBe(167);
      expect(await storage.countItems(["n"])).toBe(333);
      expect(threads.started).toBe(2);
    });

    it("deletes checkpoints by name, and prunes", async () => {
      await using storage = await filled(newPath(), journal);
      const names = Array.from({ length: 50 }, (_, i) => `c${i}`);
      const acquire = () => storage.acquireLease({ thread: "t" }, { owner: "one", ttlMs: 60_000 });
      const [stale, lease] = [await acquire(), await acquire()];
      await expect(storage.deleteCheckpoints("t", names, { lease: stale })).rejects.toMatchObject({
        code: "FENCED",
        outcome: "not-applied",
      });
      expect(await storage.deleteCheckpoints("t", names, { lease })).toMatchObject({ removedCheckpoints: 50 });
      expect(await storage.pruneCheckpoints({ keepLast: 10, threadId: "t" })).toMatchObject({
        removedCheckpoints: 240,
        keptCheckpoints: 10,
      });
      expect(await storage.getCheckpoint("t", { checkpointId: "c295" })).toMatchObject({ data: { i: 295 } });
      expect(threads.started).toBe(3);
    });

    it("says what there is to refuse", async () => {
      await using storage = await filled(newPath(), journal);
      expect(await storage.copyThread("nothing", "copy")).toBe(false);
      await storage.storeCheckpoint("there", "c", 1);
      await expect(storage.copyThread("t", "there")).rejects.toMatchObject({ code: "CONFLICT" });
      expect(threads.started).toBe(2);
    });

    it("waits for other writers, those of other processes too, and they for it", async () => {
      const path = newPath();
      await using storage = await filled(path, journal);
      await using other = sqliteStorage({ path, journal });
      await Promise.all([
        storage.copyThread("t", "a"),
        storage.createSession("s", "u"),
        other.copyThread("t", "b"),
        other.createSession("r", "u"),
        storage.deleteItems(["n", "0"]),
        other.deleteItems(["n", "2"]),
      ]);
      await assertCopied(storage, "a");
      await assertCopied(storage, "b");
      expect(await other.countItems(["n"])).toBe(167);
      expect(threads.started).toBe(4);
    });

    it("stops without effect when nobody waits any more", async () => {
      const path = newPath();
      await using storage = await filled(path, journal);
      const given = new AbortController();
      const copying = storage.copyThread("t", "copy", { signal: given.signal });
      given.abort();
      await expect(copying).rejects.toMatchObject({ code: "ABORTED", outcome: "not-applied" });
      const isLocked = await storage.copyThread("t", "second").then(() => false);
      expect(isLocked).toBe(false);
      expect(await storage.getCheckpoint("copy")).toBeUndefined();
      expect(firstValue(path, "SELECT count(*) FROM threads")).toBe(2);
    });

    it("waits no longer than its deadline for a lock", async () => {
      const path = newPath();
      await using storage = await filled(path, journal);
      using locking = new DatabaseSync(path);
      locking.exec("BEGIN IMMEDIATE");
      const late = { code: "TIMEOUT", outcome: "not-applied" };
      await expect(storage.deleteItems(["n"], { timeoutMs: 300 })).rejects.toMatchObject(late);
      // The thread waits as well, for a lock that was taken since its caller had looked.
      locking.exec("ROLLBACK");
      const write = WriteElsewhere.start({
        path,
        journal: journal === "auto" ? "wal" : journal,
        durability: "crash",
        tenant: "default",
        name: "deleteItems",
        told: { prefix: ["n"], now: Date.now() },
      });
      locking.exec("BEGIN IMMEDIATE");
      setTimeout(() => locking.exec("ROLLBACK"), 300);
      expect(await write?.written()).toBe(500);
      // Nothing of it is committed.
      await write?.end();
      expect(await storage.countItems(["n"])).toBe(500);
      expect(await storage.deleteItems(["n"])).toBe(500);
    });
  },
);

it("a process that may start no threads does it in its own", async () => {
  await using storage = await filled(newPath());
  threads.forbidden = true;
  await storage.copyThread("t", "copy");
  await assertCopied(storage, "copy");
  expect(await storage.deleteItems(["n", "1"])).toBe(167);
  expect(threads.started).toBe(0);
});

it("a copy that a kill -9 interrupts is whole or not there, and whole where it was acknowledged", {
  timeout: 120_000,
}, async () => {
  const path = newPath();
  await (await filled(path)).close();
  const acknowledged: string[] = [];
  for (let round = 0; round < 8; round++) {
    const args = [join(import.meta.dirname, "copying-process.ts"), path, `${round}`];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(child, "close");
    let output = "";
    for await (const chunk of child.stdout) {
      output += chunk;
      // At once, and at some moment of the next copy.
      if (output.split("\n").length > 2) setTimeout(() => child.kill("SIGKILL"), Math.random() * 60);
    }
    await closed;
    acknowledged.push(...output.split("\n").filter(Boolean));
  }
  await using storage = sqliteStorage({ path });
  const found = (await storage.listThreads({ limit: 1_000 })).items.map(({ threadId }) => threadId);
  expect(acknowledged.length).toBeGreaterThan(15);
  expect(found).toEqual(expect.arrayContaining(acknowledged));
  // Of each round one more may have been committed than was told.
  expect(found.length).toBeLessThanOrEqual(1 + acknowledged.length + 8);
  for (const threadId of found) await assertCopied(storage, threadId);
});

it("SQLite's errors come from the other thread with their codes", async () => {
  const write = WriteElsewhere.start({
    path: join(tmpdir(), "no such folder", "store.db"),
    journal: "wal",
    durability: "crash",
    tenant: "",
    name: "deleteItems",
    told: { prefix: ["n"], now: 0 },
  });
  await expect(write?.written()).rejects.toMatchObject({ errcode: 14 });
  await write?.end();
});

it("what the kit asks of copies, deletions and pruning holds in another thread", { timeout: 120_000 }, async () => {
  const factory: StorageFactory = {
    supports: {
      reopen: true,
      secondHandle: true,
      clock: true,
      vectors: true,
      storedBytes: true,
      replacements: true,
      freedBytes: true,
    },
    create: async () => {
      const directory = await mkdtemp(join(tmpdir(), "waystone-elsewhere-"));
      return {
        open: async (handle) => sqliteStorage({ ...handle, path: join(directory, "store.db") }),
        destroy: () => rm(directory, { recursive: true }),
      };
    },
  };
  const report = await runClauses(factory, {
    filter: (name) => /\bcop(y|ie)|deleteItems|below a prefix|leaves nothing|prun|deleteCheckpoints|^K[69]/i.test(name),
  });
  expect(report.failed).toEqual([]);
  expect(report.passed.length).toBeGreaterThan(40);
  expect(threads.started).toBeGreaterThan(report.passed.length);
});
