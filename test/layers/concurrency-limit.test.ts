// The limit: so many at the store, in order, with a bounded queue that nobody is stuck in.
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { CallRefusedError } from "../../src/contract/errors.js";
import { concurrencyLimit, intercept } from "../../src/layers/index.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import { settlesWithin } from "../../src/testing/in-time.js";
import { prepareStore } from "../../src/testing/operation-calls.js";

/** A store that takes a while, and counts how many calls it has at once. */
async function slowStore(maxConcurrent: number, maxQueue = 1_000, delayMs = 5) {
  const inner = memoryStorage();
  await prepareStore(inner);
  const faulty = faultyStorage(inner, () => ({ delayMs }));
  const seen = { now: 0, most: 0, order: [] as unknown[] };
  const counted = intercept(faulty.storage, async (call, next) => {
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    seen.order.push(call.args[0] ?? call.operation);
    try {
      return await next();
    } finally {
      seen.now -= 1;
    }
  });
  const limit = concurrencyLimit({ maxConcurrent, maxQueue });
  return { inner, seen, limit, faulty, storage: limit(counted) };
}

describe("a limit", () => {
  it("lets so many calls reach the store, in the order in which they came", async () => {
    const { storage, seen, limit } = await slowStore(4);
    const ids = Array.from({ length: 50 }, (_, i) => `s${i}`);
    const running = Promise.all(ids.map((id) => storage.getSession(id)));
    expect(limit.stats()).toEqual({ running: 4, queued: 46 });
    expect(limit.readings?.().map(({ value }) => value)).toEqual([4, 46]);
    await running;
    expect(seen.most).toBe(4);
    expect(seen.order).toEqual(ids);
    expect(limit.stats()).toEqual({ running: 0, queued: 0 });
  });

  it("refuses a call for which the queue has no room, as not applied", async () => {
    const { storage } = await slowStore(1, 2);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => storage.getSession("s")));
    const reasons = results.map((result) => (result.status === "rejected" ? result.reason : "done"));
    expect(reasons.slice(0, 3)).toEqual(["done", "done", "done"]);
    for (const reason of reasons.slice(3)) {
      expect(reason).toBeInstanceOf(CallRefusedError);
      expect(reason).toMatchObject({
        reason: "queue-full",
        outcome: "not-applied",
        retryable: true,
        operation: "getSession",
      });
    }
    await expect(storage.getSession("s")).resolves.toBeDefined();
  });

  it("counts the wait for the deadline, and says not-applied of what never began", async () => {
    const { storage, faulty, limit } = await slowStore(1);
    faulty.hang();
    const stuck = storage.getSession("s");
    const late = storage.addConversationMessage("s", "user", "x", { timeoutMs: 60 }).catch((error) => error);
    const patient = storage.getSession("s2");
    expect(await settlesWithin(60 + 250, [late])).toBe(true);
    expect(await late).toMatchObject({ code: "TIMEOUT", outcome: "not-applied", backend: "memory" });
    faulty.reconnect();
    await Promise.all([stuck, patient]);
    expect(limit.stats()).toEqual({ running: 0, queued: 0 });
  });

  it("gives a call that has waited what is left of its deadline", async () => {
    const given: number[] = [];
    const inner = intercept(faultyStorage(memoryStorage(), () => ({ delayMs: 50 })).storage, (call, next) => {
      given.push(call.timeoutMs);
      return next();
    });
    const storage = concurrencyLimit({ maxConcurrent: 1 })(inner);
    await Promise.all([storage.getSession("a", { timeoutMs: 20_000 }), storage.getSession("b", { timeoutMs: 20_000 })]);
    expect(given[0]).toBe(20_000);
    expect(given[1]).toBeLessThan(20_000 - 40);
  });

  it("lets a caller leave the queue at once, with the place that it had", async () => {
    const { storage, faulty, limit, seen } = await slowStore(1, 1);
    faulty.hang();
    const stuck = storage.getSession("first");
    const controller = new AbortController();
    const leaving = storage.getSession("leaving", { signal: controller.signal });
    controller.abort("enough");
    await expect(leaving).rejects.toMatchObject({ code: "ABORTED", cause: "enough", outcome: "not-applied" });
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    const last = storage.getSession("last");
    expect(limit.stats()).toEqual({ running: 1, queued: 1 });
    faulty.reconnect();
    await Promise.all([stuck, last]);
    expect(seen.order).toEqual(["first", "last"]);
    await expect(storage.getSession("s", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("lets what waits reach the store before it closes, and nothing that comes later", async () => {
    const { storage, inner } = await slowStore(2);
    const before = Promise.all(
      Array.from({ length: 10 }, (_, i) => storage.addConversationMessage("s", "user", `${i}`)),
    );
    const closing = storage.close();
    const late = storage.addConversationMessage("s", "user", "late");
    await expect(late).rejects.toMatchObject({ code: "CLOSED" });
    expect(await before).toHaveLength(10);
    await closing;
    await expect(inner.getSession("s")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("answers the health check and copies records however full it is", async () => {
    const { storage, faulty } = await slowStore(1, 0);
    let free = (): void => undefined;
    const blocked = new Promise<void>((resolve) => {
      free = resolve;
    });
    const other = memoryStorage();
    const stuck = storage.getSession("s");
    expect((await storage.healthCheck()).status).toBe("healthy");
    await stuck;
    free();
    await blocked;
    const report = await other.importRecords(storage.exportRecords());
    expect(report.imported.session).toBe(2);
    await storage.importRecords(storage.exportRecords(), { onConflict: "skip" });
    faulty.reconnect();
  });

  it("refuses wrong options", () => {
    for (const options of [{ maxConcurrent: 0 }, { maxQueue: -1 }, { limit: 1 }]) {
      expect(() => concurrencyLimit(options as object), JSON.stringify(options)).toThrow();
    }
  });
});
