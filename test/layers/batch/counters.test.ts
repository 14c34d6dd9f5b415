// What is counted of a session, gathered: one update for many, and nothing lost or counted twice.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { batch } from "../../../src/layers/batch/batch.js";
import { intercept } from "../../../src/layers/intercept.js";
import { faultyStorage } from "../../../src/testing/faulty-storage.js";

async function counting(options: Parameters<typeof batch>[0] = { counters: true }) {
  let updates = 0;
  const backend: StorageBackend = intercept(memoryStorage(), (call, next) => {
    if (call.operation === "updateSession") updates += 1;
    return next();
  });
  const layer = batch(options);
  const storage = layer(backend);
  await storage.createSession("s", "u");
  await storage.createSession("other", "u");
  return { layer, storage, updates: () => updates };
}

describe("updates that only count", () => {
  it("are one update of the sum when they come at the same moment", async () => {
    const { layer, storage, updates } = await counting();
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        storage.updateSession("s", { incrementRequests: i % 2 === 0 ? true : 3, addProcessingTime: 0.25 }),
      ),
    );
    expect(updates()).toBe(1);
    const session = await storage.getSession("s");
    expect(session).toMatchObject({ requestCount: 200, totalProcessingTime: 25, errorCount: 0, version: 2 });
    for (const result of results) expect(result).toEqual(session);
    expect(new Set(results).size).toBe(100);
    expect(layer.stats()).toMatchObject({ countedUpdates: 100, counterUpdates: 1 });
  });

  it("count each error, and each session by itself", async () => {
    const { storage } = await counting();
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        storage.updateSession(i % 3 === 0 ? "other" : "s", { markError: i % 5 === 0, incrementRequests: true }),
      ),
    );
    expect(await storage.getSession("s")).toMatchObject({ requestCount: 20, errorCount: 4 });
    expect(await storage.getSession("other")).toMatchObject({ requestCount: 10, errorCount: 2 });
  });

  it("stay within what one update can say", async () => {
    const { storage, updates } = await counting();
    await Promise.all([1, 2, 3].map(() => storage.updateSession("s", { incrementRequests: 5e8 })));
    expect(await storage.getSession("s")).toMatchObject({ requestCount: 15e8 });
    expect(updates()).toBe(2);
  });

  it("go as they are where they do more, and without the option", async () => {
    const { storage, updates } = await counting();
    await Promise.all([
      storage.updateSession("s", { incrementRequests: true, metadata: { a: 1 } }),
      storage.updateSession("s", { incrementRequests: true, idempotencyKey: "k" }),
      storage.updateSession("s", { incrementRequests: true, status: "failed" }),
      storage.updateSession("s", {}),
    ]);
    expect(updates()).toBe(4);
    const plain = await counting({});
    await Promise.all([1, 2, 3].map(() => plain.storage.updateSession("s", { incrementRequests: true })));
    expect(plain.updates()).toBe(3);
    expect((await plain.storage.getSession("s"))?.version).toBe(4);
  });

  it("are refused for themselves: a wrong argument, a session that is gone, a superseded lease", async () => {
    const { storage } = await counting();
    const old = await storage.acquireLease({ session: "s" }, { owner: "a", ttlMs: 60_000 });
    await storage.releaseLease(old);
    const lease = await storage.acquireLease({ session: "s" }, { owner: "b", ttlMs: 60_000 });
    const results = await Promise.allSettled([
      storage.updateSession("s", { incrementRequests: 2 }, { lease }),
      storage.updateSession("s", { incrementRequests: -1 }),
      storage.updateSession("s", { incrementRequests: 4 }, { lease: old }),
      storage.updateSession("absent", { incrementRequests: 8 }),
      storage.updateSession("s", { incrementRequests: 16 }, { lease }),
    ]);
    expect(results.map((each) => (each.status === "fulfilled" ? "stored" : each.reason.code))).toEqual([
      "stored",
      "INVALID_ARGUMENT",
      "FENCED",
      "SESSION_NOT_FOUND",
      "stored",
    ]);
    expect((await storage.getSession("s"))?.requestCount).toBe(18);
  });

  it("are unknown to all whose answer is lost, and wait no longer than their callers say", async () => {
    const server = faultyStorage(memoryStorage());
    const storage = batch({ counters: true })(server.storage);
    await storage.createSession("s", "u");
    server.hang();
    const calls = [1, 2].map(() => storage.updateSession("s", { incrementRequests: true }, { timeoutMs: 80 }));
    const results = await Promise.allSettled(calls);
    server.reconnect();
    for (const each of results) expect(each).toMatchObject({ reason: { code: "TIMEOUT", outcome: "unknown" } });
  });

  it("are sent by flush and by close, and bounded", async () => {
    const { layer, storage } = await counting({ counters: true, delayMs: 60_000, maxWaiting: 2 });
    const waiting = [1, 2].map(() => storage.updateSession("s", { incrementRequests: true }));
    await expect(storage.updateSession("s", { incrementRequests: true })).rejects.toMatchObject({
      reason: "queue-full",
    });
    await layer.flush();
    expect((await Promise.all(waiting))[0]?.requestCount).toBe(2);
    const last = storage.updateSession("s", { incrementRequests: true });
    await storage.close();
    expect((await last).requestCount).toBe(3);
  });
});
