// Retries: what is sent again, what never is, and how much load they may be.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { AbortedError, StorageConnectionError, type StorageError } from "../../src/contract/errors.js";
import { OPERATIONS } from "../../src/contract/operations.js";
import type { StorageRecord } from "../../src/contract/records.js";
import { circuitBreaker, type RetryOptions, retry } from "../../src/layers/index.js";
import { type FaultPlan, faultyStorage, type InjectedFault } from "../../src/testing/faulty-storage.js";
import { settlesWithin } from "../../src/testing/in-time.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

const QUICK: RetryOptions = { initialDelayMs: 1, maxDelayMs: 2, budgetReserve: 1_000 };

/** The first calls of a storage fail in this way. */
function failing(times: number, fault: InjectedFault): { plan: FaultPlan; asked: () => number } {
  let asked = 0;
  return {
    plan: () => {
      asked += 1;
      return asked <= times ? fault : undefined;
    },
    asked: () => asked,
  };
}

/** A prepared store whose next calls fail. */
async function storeWith(plan: FaultPlan, options: RetryOptions = QUICK) {
  const inner = memoryStorage();
  const prepared = await prepareStore(inner);
  const layer = retry(options);
  return { inner, prepared, layer, storage: layer(faultyStorage(inner, plan).storage) };
}

describe("retry", () => {
  it.each(OPERATION_CALL_ENTRIES)("sends %s again that was not applied", async (operation, run) => {
    const { plan, asked } = failing(2, { at: "before" });
    const { prepared, storage, layer } = await storeWith(plan);
    if (operation === "healthCheck") return expect(await storage.healthCheck()).toMatchObject({ status: "healthy" });
    if (operation === "importRecords") {
      // What an import has read of its records is gone.
      await expect(run(storage, prepared)).rejects.toMatchObject({ code: "CONNECTION", operation });
      return expect(asked()).toBe(1);
    }
    await run(storage, prepared);
    expect(asked()).toBe(3);
    expect(layer.stats()).toEqual({ calls: 1, retries: 2, budgetSpent: 0 });
  });

  it.each(OPERATION_CALL_ENTRIES)(
    "sends %s again whose outcome is unknown only where the table allows it",
    async (operation, run) => {
      const { plan, asked } = failing(1, { at: "after" });
      const { prepared, storage } = await storeWith(plan);
      const { access, retry: safety, settles } = OPERATIONS[operation];
      if (operation === "healthCheck" || settles === "stream") return;
      // The calls of this list carry no key.
      const without = { createSession: 1, updateSession: 1, addConversationMessage: 1, addConversationMessages: 1 };
      const allowed = access === "read" || (safety !== "never" && !Object.hasOwn(without, operation));
      const failure = await run(storage, prepared).then(
        () => undefined,
        (error: StorageError) => error,
      );
      expect(failure?.outcome).toBe(allowed ? undefined : "unknown");
      expect(asked()).toBe(allowed ? 2 : 1);
    },
  );

  it("sends what carries a key again, and it happens once", async () => {
    const { plan } = failing(9, { at: "after" });
    const { inner, storage } = await storeWith((call) => (call.operation.startsWith("get") ? undefined : plan(call)), {
      ...QUICK,
      maxAttempts: 20,
    });
    await storage.updateSession("s", { incrementRequests: true, idempotencyKey: "k" });
    expect((await inner.getSession("s"))?.requestCount).toBe(1);
    const again = await storeWith(failing(3, { at: "after" }).plan);
    await again.storage.addConversationMessage("s", "user", "more", { messageId: "m2" });
    await again.storage.addConversationMessages("s", [{ role: "user", content: "x", messageId: "m3" }]);
    await again.storage.createSession("s9", "u", { ifExists: "return" });
    expect((await again.inner.getConversationHistory("s")).map(({ messageId }) => messageId)).toEqual([
      "m",
      "m2",
      "m3",
    ]);
  });

  it("keeps an outcome unknown that a later attempt leaves unknown", async () => {
    const faults: InjectedFault[] = [{ at: "after" }, { at: "before" }];
    const { storage, inner } = await storeWith(() => faults.shift() ?? { at: "before" }, { ...QUICK, maxAttempts: 3 });
    await expect(storage.endSession("s")).rejects.toMatchObject({ outcome: "unknown", operation: "endSession" });
    expect((await inner.getSession("s"))?.status).toBe("completed");
    const conflicting = await storeWith(failing(1, { at: "after" }).plan);
    const running = conflicting.storage.endSession("s");
    // Between the attempts somebody deletes it: that it was not found does not say that nothing was done.
    await conflicting.inner.deleteSession("s");
    await expect(running).rejects.toMatchObject({ outcome: "unknown" });
  });

  it("leaves alone what is no unavailability", async () => {
    const { plan, asked } = failing(0, {});
    const { storage } = await storeWith(plan);
    await expect(storage.updateSession("s", { expectedVersion: 9 })).rejects.toMatchObject({ code: "CONFLICT" });
    await storage.acquireLease({ thread: "t" }, { owner: "a", ttlMs: 60_000 });
    const held = storage.acquireLease({ thread: "t" }, { owner: "b", ttlMs: 1_000 });
    await expect(held).rejects.toMatchObject({ code: "CONFLICT", retryable: true });
    await expect(storage.getSession("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(asked()).toBe(4);
    const permanent = memoryStorage();
    let calls = 0;
    const broken = retry(QUICK)({
      ...permanent,
      getSession: async () => {
        calls += 1;
        throw new StorageConnectionError("no rights", { retryable: false });
      },
    });
    await expect(broken.getSession("s")).rejects.toThrow("no rights");
    expect(calls).toBe(1);
  });

  it("stops after so many attempts with the last failure", async () => {
    const { plan, asked } = failing(99, { at: "before", error: "timeout" });
    const { storage } = await storeWith(plan, { ...QUICK, maxAttempts: 4 });
    await expect(storage.getSession("s")).rejects.toMatchObject({ code: "TIMEOUT", outcome: "not-applied" });
    expect(asked()).toBe(4);
  });

  it("keeps the deadline of the call as a whole", async () => {
    const given: number[] = [];
    const { storage } = await storeWith(
      (call) => {
        given.push(call.timeoutMs);
        return { at: "before", delayMs: 20 };
      },
      { maxAttempts: 100, initialDelayMs: 20, maxDelayMs: 20, budgetReserve: 1_000 },
    );
    const call = storage.getSession("s", { timeoutMs: 1_000 });
    expect(await settlesWithin(1_000 + 250, [call])).toBe(true);
    await expect(call).rejects.toMatchObject({ code: "CONNECTION" });
    expect(given.length).toBeGreaterThan(2);
    expect(given).toEqual([...given].sort((a, b) => b - a));
    expect(given[0]).toBe(1_000);
    expect(given.at(-1)).toBeLessThan(980);
  });

  it("is at most a tenth more load, and a reserve", async () => {
    const { plan, asked } = failing(1e9, { at: "before" });
    const { storage, layer } = await storeWith(plan, { initialDelayMs: 0, maxDelayMs: 0, budgetReserve: 10 });
    for (let i = 0; i < 2_000; i++) await storage.getSession("s").catch(() => undefined);
    expect(asked()).toBeLessThanOrEqual(2_000 * 1.1 + 10);
    expect(asked()).toBeGreaterThan(2_000 * 1.09);
    expect(layer.stats()).toMatchObject({ calls: 2_000, retries: asked() - 2_000 });
    expect(layer.stats().budgetSpent).toBeGreaterThan(1_000);
    expect(layer.readings?.()).toMatchObject([{ name: "waystone.retry.attempts", value: asked() - 2_000 }]);
  });

  it("ends when the caller gives up between two attempts", async () => {
    const controller = new AbortController();
    const { storage } = await storeWith(failing(9, { at: "before" }).plan, {
      initialDelayMs: 5_000,
      maxDelayMs: 5_000,
    });
    setTimeout(() => controller.abort("enough"), 20);
    const call = storage.endSession("s", "completed", { signal: controller.signal }).catch((error) => error);
    expect(await settlesWithin(2_000, [call])).toBe(true);
    const failure = await call;
    expect(failure).toBeInstanceOf(AbortedError);
    expect(failure).toMatchObject({
      outcome: "not-applied",
      cause: "enough",
      backend: "memory",
      operation: "endSession",
    });
  });

  it("begins an export again that failed before its first record, and none after it", async () => {
    const { plan, asked } = failing(2, { at: "before" });
    const { inner, storage } = await storeWith(plan);
    const read = async (records: AsyncIterable<StorageRecord>): Promise<number> => {
      let count = 0;
      for await (const _record of records) count += 1;
      return count;
    };
    expect(await read(storage.exportRecords())).toBe(await read(inner.exportRecords()));
    expect(asked()).toBe(3);
  });

  it("does not wait for a circuit that stays open for longer than it would", async () => {
    const faulty = faultyStorage(memoryStorage());
    const circuit = circuitBreaker({ minCalls: 2, openMs: 60_000 });
    const storage = retry({ initialDelayMs: 1, maxDelayMs: 50 })(circuit(faulty.storage));
    faulty.disconnect();
    await expect(storage.getSession("s")).rejects.toMatchObject({ reason: "circuit-open" });
    let turns = 0;
    const turn = setImmediate(() => {
      turns += 1;
    });
    await expect(storage.getSession("s")).rejects.toMatchObject({ reason: "circuit-open", outcome: "not-applied" });
    clearImmediate(turn);
    expect(turns).toBe(0);
  });

  it("refuses wrong options", () => {
    const wrong: object[] = [
      { maxAttempts: 0 },
      { initialDelayMs: -1 },
      { initialDelayMs: 9, maxDelayMs: 1 },
      { tries: 3 },
    ];
    for (const options of wrong) expect(() => retry(options), JSON.stringify(options)).toThrow();
  });
});
