// The monitor counts what happened, and nothing else.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { intercept, monitor } from "../../src/layers/index.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

describe("a monitor", () => {
  it("reports calls, errors by code and latencies of each operation", async () => {
    const delays = [1, 1, 1, 1, 1, 1, 1, 1, 1, 60];
    const slow = intercept(memoryStorage(), async (call, next) => {
      if (call.operation === "getSession") await sleep(delays.shift() ?? 1);
      return next();
    });
    const watch = monitor();
    const storage = watch(slow);
    await storage.createSession("s", "u");
    for (let i = 0; i < 10; i++) await storage.getSession("s");
    await storage.tenant("acme").createSession("s", "u");
    await storage.createSession("s", "u").catch(() => undefined);
    await storage.createSession("", "u").catch(() => undefined);
    const report = watch.performanceReport();
    expect(Object.keys(report).sort()).toEqual(["createSession", "getSession"]);
    expect(report.createSession).toMatchObject({
      totalOperations: 4,
      errorCount: 2,
      errorRate: 0.5,
      errors: { SESSION_EXISTS: 1, INVALID_ARGUMENT: 1 },
    });
    const read = report.getSession;
    if (read === undefined) throw new Error("getSession was not reported");
    expect(read).toMatchObject({ totalOperations: 10, errorCount: 0, errorRate: 0, errors: {} });
    expect(read.p50LatencyMs).toBeLessThan(40);
    expect(read.p99LatencyMs).toBeGreaterThan(50);
    const { minLatencyMs, p50LatencyMs, p95LatencyMs, p99LatencyMs, maxLatencyMs, avgLatencyMs } = read;
    const inOrder = [minLatencyMs, p50LatencyMs, p95LatencyMs, p99LatencyMs];
    expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
    expect(p99LatencyMs).toBeLessThanOrEqual(maxLatencyMs * 1.02);
    expect(avgLatencyMs).toBeGreaterThan(minLatencyMs);
    expect(avgLatencyMs).toBeLessThan(maxLatencyMs);
    watch.reset();
    expect([watch.performanceReport(), watch.samples()]).toEqual([{}, []]);
  });

  it.each(OPERATION_CALL_ENTRIES)("sees %s", async (operation, run) => {
    const inner = memoryStorage();
    const prepared = await prepareStore(inner);
    const watch = monitor();
    await run(watch(inner), prepared);
    expect(watch.performanceReport()).toMatchObject({ [operation]: { totalOperations: 1, errorCount: 0 } });
  });

  it("keeps the newest calls for plots, in a ring", async () => {
    const watch = monitor({ samples: 3 });
    const faulty = faultyStorage(memoryStorage());
    const storage = watch(faulty.storage);
    const before = Date.now();
    await storage.getSession("s");
    expect(watch.samples()).toHaveLength(1);
    for (const call of ["countItems", "searchItems"] as const) await storage[call](["n"]);
    faulty.disconnect();
    await storage.getSession("s").catch(() => undefined);
    const samples = watch.samples();
    expect(samples.map(({ operation, code }) => [operation, code])).toEqual([
      ["countItems", undefined],
      ["searchItems", undefined],
      ["getSession", "CONNECTION"],
    ]);
    for (const { startedAt, latencyMs } of samples) {
      expect(startedAt).toBeGreaterThan(before - 100);
      expect(startedAt).toBeLessThan(Date.now() + 100);
      expect(latencyMs).toBeGreaterThan(0);
    }
    const without = monitor({ samples: 0 });
    await without(memoryStorage()).getSession("s");
    expect(without.samples()).toEqual([]);
  });

  it("refuses wrong options", () => {
    for (const options of [{ samples: -1 }, { samples: 1.5 }, { ring: 1 }]) {
      expect(() => monitor(options as object), JSON.stringify(options)).toThrow();
    }
  });
});
