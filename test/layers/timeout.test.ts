// Deadlines: who gets which, and a store that does not keep to them.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { CallOptions } from "../../src/contract/call.js";
import { intercept, timeout } from "../../src/layers/index.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import { settlesWithin } from "../../src/testing/in-time.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

/** A storage that keeps the deadlines that it is given. */
function recording() {
  const given: number[] = [];
  const storage = intercept(memoryStorage(), (call, next) => {
    given.push(call.timeoutMs);
    return next();
  });
  return { given, storage };
}

describe("timeout", () => {
  it("gives a call the shorter deadline of its own and the caller's", async () => {
    const { given, storage } = recording();
    const quick = timeout({ timeoutMs: 500, operations: { getItem: 50, searchItems: undefined } })(storage);
    await quick.getSession("s");
    await quick.getSession("s", { timeoutMs: 90 });
    await quick.getSession("s", { timeoutMs: 5_000 });
    await quick.getItem(["n"], "k");
    await quick.searchItems(["n"]);
    await quick.healthCheck();
    await quick.importRecords(quick.exportRecords());
    await quick.close();
    expect(given).toEqual([500, 90, 500, 50, 500, 500, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 10_000]);
  });

  it.each(OPERATION_CALL_ENTRIES)("ends %s also where the store never answers", async (operation, run) => {
    const inner = memoryStorage();
    const prepared = await prepareStore(inner);
    const faulty = faultyStorage(inner);
    const storage = timeout({ timeoutMs: 30 })(faulty.storage);
    faulty.hang();
    const free = ["healthCheck", "exportRecords", "importRecords"];
    if (!free.includes(operation)) {
      const call = run(storage, prepared).catch((error) => error);
      expect(await settlesWithin(30 + 250, [call])).toBe(true);
      const failure = await call;
      const isRead = /^(get|list|batchGet|search|count)/.test(operation);
      expect(failure).toMatchObject({ code: "TIMEOUT", outcome: isRead ? "not-applied" : "unknown", operation });
      expect(String(failure)).toContain("no answer within 30 ms");
    }
    faulty.reconnect();
    await storage.close();
  });

  it("fires the signal that the store has, and hands the caller's on", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const deaf = {
      ...memoryStorage(),
      getSession: (_sessionId: string, options?: CallOptions): Promise<undefined> => {
        signals.push(options?.signal);
        return new Promise((_resolve, reject) => {
          options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        });
      },
    };
    const storage = timeout({ timeoutMs: 20 })(deaf);
    await expect(storage.getSession("s")).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(signals[0]?.aborted).toBe(true);
    const controller = new AbortController();
    setTimeout(() => controller.abort("enough"), 5);
    await expect(storage.getSession("s", { signal: controller.signal })).rejects.toBe("enough");
  });

  it("refuses wrong options", () => {
    for (const options of [
      { timeoutMs: 0 },
      { operations: { getSession: -1 } },
      { operations: { get: 1 } },
      { ms: 1 },
    ]) {
      expect(() => timeout(options as object), JSON.stringify(options)).toThrow();
    }
  });
});
