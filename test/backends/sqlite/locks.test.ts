// A lock that another process holds: calls wait for it until their deadline, and the event loop goes on meanwhile.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { newPath, openedFiles } from "./folder.js";
import { holdLock } from "./lock-holder.js";

/** How late timers were while the work ran, in milliseconds. */
async function latenessDuring(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  await sleep(20);
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(90) / 1e6;
}

describe("while another process writes", () => {
  it("a write waits and then takes effect", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN IMMEDIATE", 300);
    const start = performance.now();
    const lateness = await latenessDuring(() => storage.updateSession("s", { incrementRequests: true }));
    expect(performance.now() - start).toBeGreaterThan(150);
    expect(lateness).toBeLessThan(50);
    expect((await storage.getSession("s"))?.requestCount).toBe(1);
    await lock.ended;
  });

  it("a read that would start a time to live anew does not wait for an item without one", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, timeoutMs: 10_000 });
    await storage.putItem(["n"], "k", {});
    await storage.putItem(["n"], "expires", {}, { ttlMs: 60_000 });
    const lock = await holdLock(path, "BEGIN IMMEDIATE", 600);
    const gets = ["k", "absent"].map((key) => ({ get: { namespace: ["n"], key, refreshTtl: true } }));
    let isHeld = true;
    const ended = lock.ended.then(() => {
      isHeld = false;
    });
    expect((await storage.getItem(["n"], "k", { refreshTtl: true }))?.key).toBe("k");
    expect(await storage.batchItems(gets)).toMatchObject([{ key: "k" }, undefined]);
    expect(isHeld).toBe(true);
    const before = (await storage.getItem(["n"], "expires"))?.expiresAt?.getTime() ?? 0;
    const after = await storage.getItem(["n"], "expires", { refreshTtl: true });
    expect(after?.expiresAt?.getTime()).toBeGreaterThan(before);
    await ended;
  });

  it("a write is given up at its deadline without effect, in a group as well as alone", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN IMMEDIATE", 1_500);
    const start = performance.now();
    let results: PromiseSettledResult<unknown>[] = [];
    const lateness = await latenessDuring(async () => {
      results = await Promise.allSettled([
        storage.updateSession("s", { incrementRequests: true }, { timeoutMs: 200 }),
        storage.addConversationMessage("s", "user", "hello", { timeoutMs: 200 }),
        storage.copyThread("a", "b", { timeoutMs: 200 }),
      ]);
    });
    expect(performance.now() - start).toBeLessThan(200 + 250);
    expect(lateness).toBeLessThan(50);
    for (const result of results) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "TIMEOUT", outcome: "not-applied", retryable: true, backend: "sqlite" },
      });
    }
    await lock.ended;
    expect(await storage.getSession("s")).toMatchObject({ requestCount: 0, messageCount: 0, version: 1 });
    expect(await storage.updateSession("s", { incrementRequests: true })).toMatchObject({ requestCount: 1 });
  });

  it("a write whose caller gives up is not done later", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN IMMEDIATE", 400);
    const giveUp = new AbortController();
    const write = storage.updateSession("s", { incrementRequests: true }, { signal: giveUp.signal });
    setTimeout(() => giveUp.abort(), 100);
    await expect(write).rejects.toMatchObject({ code: "ABORTED", outcome: "not-applied" });
    await lock.ended;
    await storage.updateSession("s", { metadata: { later: true } });
    expect((await storage.getSession("s"))?.requestCount).toBe(0);
  });

  it("reads go on", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN IMMEDIATE; DELETE FROM sessions", 300);
    const start = performance.now();
    expect((await storage.getSession("s"))?.sessionId).toBe("s");
    expect(performance.now() - start).toBeLessThan(200);
    await lock.ended;
  });

  it("close waits for the writes that are on their way", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN IMMEDIATE", 200);
    const write = storage.updateSession("s", { incrementRequests: true });
    await storage.close();
    expect((await write).requestCount).toBe(1);
    await lock.ended;
  });
});

it("close does not wait for maintenance that waits for a lock", async () => {
  const path = newPath();
  const files = openedFiles();
  const storage = sqliteStorage(path);
  await storage.createSession("s", "u");
  const lock = await holdLock(path, "BEGIN IMMEDIATE", 1_500);
  files[0]?.maintenance.wake();
  const start = performance.now();
  await storage.close();
  expect(performance.now() - start).toBeLessThan(1_000);
  await lock.ended;
});

describe("with the rollback journal", () => {
  it("a commit waits for a reader of another process", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN; SELECT * FROM sessions", 300);
    const start = performance.now();
    const lateness = await latenessDuring(() => storage.updateSession("s", { incrementRequests: true }));
    expect(performance.now() - start).toBeGreaterThan(150);
    expect(lateness).toBeLessThan(50);
    await lock.ended;
  });

  it("a commit that waits is given up at its deadline without effect; who shares it goes on", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN; SELECT * FROM sessions", 700);
    const [short, long] = await Promise.allSettled([
      storage.updateSession("s", { incrementRequests: true }, { timeoutMs: 200 }),
      storage.updateSession("s", { markError: true }),
    ]);
    expect(short).toMatchObject({ status: "rejected", reason: { code: "TIMEOUT", outcome: "not-applied" } });
    expect(long).toMatchObject({ status: "fulfilled", value: { requestCount: 0, errorCount: 1, version: 2 } });
    await lock.ended;
  });

  it("reads wait for a writer that has the file to itself", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    const lock = await holdLock(path, "BEGIN EXCLUSIVE", 300);
    const lateness = await latenessDuring(async () => {
      expect((await storage.getSession("s"))?.sessionId).toBe("s");
      expect((await storage.getMetrics()).sessions.value).toBe(1);
    });
    expect(lateness).toBeLessThan(50);
    await lock.ended;
    const next = await holdLock(path, "BEGIN EXCLUSIVE", 600);
    await expect(storage.getSession("s", { timeoutMs: 100 })).rejects.toMatchObject({ code: "TIMEOUT" });
    await next.ended;
  });
});
