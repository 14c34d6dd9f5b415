// A lock that another process holds: calls wait for it until their deadline, and the event loop goes on meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { settlesWithin } from "../../../src/testing/in-time.js";
import { turnsDuring } from "../../support/event-loop.js";
import { newPath, openedFiles } from "./folder.js";
import { holdLock } from "./lock-holder.js";

/** That a call waits, and leaves the event loop to others: were it to wait inside SQLite, they would have no turn. */
async function expectWaiting(call: Promise<unknown>): Promise<void> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  call.then(settle, settle);
  expect(await turnsDuring(() => sleep(200))).toBeGreaterThan(5);
  expect(isSettled).toBe(false);
}

describe("while another process writes", () => {
  it("a write waits and then takes effect", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN IMMEDIATE");
    const write = storage.updateSession("s", { incrementRequests: true });
    await expectWaiting(write);
    await lock.release();
    await write;
    expect((await storage.getSession("s"))?.requestCount).toBe(1);
  });

  it("a read that would start a time to live anew does not wait for an item without one", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, timeoutMs: 20_000 });
    await storage.putItem(["n"], "k", {});
    await storage.putItem(["n"], "expires", {}, { ttlMs: 60_000 });
    await using lock = await holdLock(path, "BEGIN IMMEDIATE");
    const gets = ["k", "absent"].map((key) => ({ get: { namespace: ["n"], key, refreshTtl: true } }));
    expect((await storage.getItem(["n"], "k", { refreshTtl: true }))?.key).toBe("k");
    expect(await storage.batchItems(gets)).toMatchObject([{ key: "k" }, undefined]);
    const before = (await storage.getItem(["n"], "expires"))?.expiresAt?.getTime() ?? 0;
    const refreshed = storage.getItem(["n"], "expires", { refreshTtl: true });
    await expectWaiting(refreshed);
    await lock.release();
    expect((await refreshed)?.expiresAt?.getTime()).toBeGreaterThan(before);
  });

  it("a write is given up at its deadline without effect, in a group as well as alone", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN IMMEDIATE");
    const calls = [
      storage.updateSession("s", { incrementRequests: true }, { timeoutMs: 300 }),
      storage.addConversationMessage("s", "user", "hello", { timeoutMs: 300 }),
      storage.copyThread("a", "b", { timeoutMs: 300 }),
    ];
    const isInTime = settlesWithin(300 + 250, calls);
    const [results, turns] = [Promise.allSettled(calls), turnsDuring(() => isInTime)];
    expect(await isInTime).toBe(true);
    expect(await turns).toBeGreaterThan(5);
    for (const result of await results) {
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "TIMEOUT", outcome: "not-applied", retryable: true, backend: "sqlite" },
      });
    }
    await lock.release();
    expect(await storage.getSession("s")).toMatchObject({ requestCount: 0, messageCount: 0, version: 1 });
    expect(await storage.updateSession("s", { incrementRequests: true })).toMatchObject({ requestCount: 1 });
  });

  it("a write whose caller gives up is not done later", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN IMMEDIATE");
    const giveUp = new AbortController();
    const write = storage.updateSession("s", { incrementRequests: true }, { signal: giveUp.signal });
    setTimeout(() => giveUp.abort(), 100);
    await expect(write).rejects.toMatchObject({ code: "ABORTED", outcome: "not-applied" });
    await lock.release();
    await storage.updateSession("s", { metadata: { later: true } });
    expect((await storage.getSession("s"))?.requestCount).toBe(0);
  });

  it("reads go on", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await using _lock = await holdLock(path, "BEGIN IMMEDIATE; DELETE FROM sessions");
    expect((await storage.getSession("s"))?.sessionId).toBe("s");
  });

  it("close waits for the writes that are on their way", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN IMMEDIATE");
    const write = storage.updateSession("s", { incrementRequests: true });
    const closing = storage.close();
    await expectWaiting(closing);
    await lock.release();
    await closing;
    expect((await write).requestCount).toBe(1);
  });
});

it("close does not wait for maintenance that waits for a lock", async () => {
  const path = newPath();
  const files = openedFiles();
  const storage = sqliteStorage(path);
  await storage.createSession("s", "u");
  await using _lock = await holdLock(path, "BEGIN IMMEDIATE");
  files[0]?.maintenance.wake();
  expect(await settlesWithin(10_000, [storage.close()])).toBe(true);
});

describe("with the rollback journal", () => {
  it("a commit waits for a reader of another process", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN; SELECT * FROM sessions");
    const write = storage.updateSession("s", { incrementRequests: true });
    await expectWaiting(write);
    await lock.release();
    expect((await write).requestCount).toBe(1);
  });

  it("a commit that waits is given up at its deadline without effect; who shares it goes on", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN; SELECT * FROM sessions");
    const short = storage.updateSession("s", { incrementRequests: true }, { timeoutMs: 200 });
    const long = storage.updateSession("s", { markError: true });
    await expect(short).rejects.toMatchObject({ code: "TIMEOUT", outcome: "not-applied" });
    await lock.release();
    expect(await long).toMatchObject({ requestCount: 0, errorCount: 1, version: 2 });
  });

  it("reads wait for a writer that has the file to itself", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal: "rollback" });
    await storage.createSession("s", "u");
    await using lock = await holdLock(path, "BEGIN EXCLUSIVE");
    const read = storage.getSession("s");
    await expectWaiting(read);
    await lock.release();
    expect((await read)?.sessionId).toBe("s");
    expect((await storage.getMetrics()).sessions.value).toBe(1);
    await using _next = await holdLock(path, "BEGIN EXCLUSIVE");
    await expect(storage.getSession("s", { timeoutMs: 100 })).rejects.toMatchObject({ code: "TIMEOUT" });
  });
});
