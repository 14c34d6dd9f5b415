// The storage that fails: what it does to calls is what it says.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { LayerCall } from "../../src/layers/layer-call.js";
import { type FaultPlan, faultyStorage, type InjectedFault, seededFaults } from "../../src/testing/index.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

/** A prepared store whose next call fails in this way. */
async function storeWith(fault: InjectedFault) {
  const inner = memoryStorage();
  const prepared = await prepareStore(inner);
  return { inner, prepared, ...faultyStorage(inner, () => fault) };
}

async function dump(storage: ReturnType<typeof memoryStorage>): Promise<unknown[]> {
  const records: unknown[] = [];
  for await (const record of storage.exportRecords()) records.push(record);
  return records;
}

describe("a faulty storage", () => {
  it.each(OPERATION_CALL_ENTRIES)("fails %s before the store hears of it", async (operation, run) => {
    const { inner, prepared, storage, injected } = await storeWith({ at: "before" });
    const before = await dump(inner);
    if (operation === "healthCheck") return expect((await storage.healthCheck()).status).toBe("healthy");
    const failure = await run(storage, prepared).catch((error) => error);
    expect(failure).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true, operation });
    expect(await dump(inner)).toEqual(before);
    expect(injected()).toBe(1);
  });

  it.each(OPERATION_CALL_ENTRIES)("loses the answer of %s", async (operation, run) => {
    const { inner, prepared, storage } = await storeWith({ at: "after", error: "timeout" });
    if (operation === "healthCheck") return expect((await storage.healthCheck()).status).toBe("healthy");
    const plain = memoryStorage();
    const failure = await run(storage, prepared).catch((error) => error);
    const isRead = /^(get|list|batchGet|search|count|export)/.test(operation);
    expect(failure).toMatchObject({ code: "TIMEOUT", outcome: isRead ? "not-applied" : "unknown", operation });
    // The work was done: what the store holds is what it holds without a fault, but for times and tokens.
    const again = await prepareStore(plain);
    await run(plain, again);
    expect((await dump(inner)).length).toBe((await dump(plain)).length);
  });

  it("loses its connection for calls that come and calls that are under way", async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const inner = memoryStorage();
    const slow = { ...inner, endSession: (id: string) => held.then(() => inner.endSession(id)) };
    const server = faultyStorage(slow);
    await server.storage.createSession("s", "u");
    const underWay = server.storage.endSession("s");
    server.disconnect();
    await expect(server.storage.getSession("s")).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
    expect((await server.storage.healthCheck()).status).toBe("unhealthy");
    release();
    await expect(underWay).rejects.toMatchObject({ code: "CONNECTION", outcome: "unknown" });
    server.reconnect();
    expect((await server.storage.getSession("s"))?.status).toBe("completed");
    expect(server.injected()).toBe(2);
    await server.storage.close();
  });

  it("hangs until it is back", async () => {
    const server = faultyStorage(memoryStorage());
    server.hang();
    let settled = false;
    const call = server.storage.createSession("s", "u", { timeoutMs: 5 }).then(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(settled).toBe(false);
    server.reconnect();
    await call;
    await server.storage.close();
  });
});

describe("seeded faults", () => {
  const faultsOf = async (plan: FaultPlan): Promise<string[]> => {
    const faults: string[] = [];
    const noting = (call: LayerCall): undefined => {
      const { at = "none", error } = plan(call) ?? {};
      faults.push(`${call.operation} ${at === "none" ? at : `${at} ${error}`}`);
    };
    const { storage } = faultyStorage(memoryStorage(), noting);
    for (let i = 0; i < 300; i++) {
      await storage.createSession(`s${i}`, "u");
      await storage.endSession(`s${i}`);
      await storage.getSession(`s${i}`);
    }
    return faults;
  };

  it("are the same for a seed, as many as were asked for, and harmless unless they may be any", async () => {
    const options = { seed: 7, before: 0.1, after: 0.2 };
    const faults = await faultsOf(seededFaults(options));
    expect(await faultsOf(seededFaults(options))).toEqual(faults);
    expect(await faultsOf(seededFaults({ ...options, seed: 8 }))).not.toEqual(faults);
    const share = (list: readonly string[], words: RegExp): number =>
      list.filter((fault) => words.test(fault)).length / 300;
    expect(share(faults, / before /)).toBeGreaterThan(0.2);
    expect(share(faults, / before /)).toBeLessThan(0.4);
    expect(share(faults, /endSession after /)).toBeGreaterThan(0.1);
    expect(share(faults, /createSession after /)).toBe(0);
    const any = await faultsOf(seededFaults({ ...options, losing: "any" }));
    expect(share(any, /createSession after /)).toBeGreaterThan(0.1);
    expect(share(faults, / connection$/)).toBeGreaterThan(0.1);
    expect(share(faults, / timeout$/)).toBeGreaterThan(0.1);
  });
});
