// The circuit: what opens it, what never does, and how it closes again.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { CallRefusedError } from "../../src/contract/errors.js";
import { type CircuitBreakerOptions, type CircuitState, circuitBreaker } from "../../src/layers/index.js";
import { type FaultPlan, faultyStorage } from "../../src/testing/faulty-storage.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

/** Longer than a machine in use keeps a process waiting between two calls. */
const OPEN_MS = 500;

/** A prepared store behind a circuit, with its switches. */
async function store(options: CircuitBreakerOptions = {}, plan?: FaultPlan) {
  const inner = memoryStorage();
  const prepared = await prepareStore(inner);
  const faulty = faultyStorage(inner, plan);
  const states: CircuitState[] = [];
  const circuit = circuitBreaker({ openMs: OPEN_MS, onStateChange: (state) => states.push(state), ...options });
  const storage = circuit(faulty.storage);
  const open = async (): Promise<void> => {
    faulty.disconnect();
    for (let i = 0; i < 5; i++) await storage.getSession("s").catch(() => undefined);
    expect(circuit.state()).toBe("open");
  };
  return { inner, prepared, faulty, circuit, states, storage, open };
}

describe("a circuit", () => {
  it("opens on unavailability, and refuses then at once as not applied", async () => {
    const openMs = 60_000;
    const { storage, states, open, faulty } = await store({ openMs });
    await open();
    const before = faulty.injected();
    for (let i = 0; i < 100; i++) {
      let turns = 0;
      const turn = setImmediate(() => {
        turns += 1;
      });
      const failure = await storage.addConversationMessage("s", "user", "x").catch((error) => error);
      clearImmediate(turn);
      expect(turns).toBe(0);
      expect(failure).toBeInstanceOf(CallRefusedError);
      expect(failure).toMatchObject({
        reason: "circuit-open",
        code: "CONNECTION",
        outcome: "not-applied",
        retryable: true,
      });
      expect(failure).toMatchObject({ backend: "memory", operation: "addConversationMessage" });
      expect(failure.retryAfterMs).toBeLessThanOrEqual(openMs);
    }
    expect(faulty.injected()).toBe(before);
    expect(states).toEqual(["open"]);
  });

  it.each(OPERATION_CALL_ENTRIES)("when it is open, holds for %s", async (operation, run) => {
    const { storage, prepared, open, faulty } = await store({ openMs: 60_000 });
    await open();
    faulty.reconnect();
    if (operation === "healthCheck") expect((await storage.healthCheck()).status).toBe("healthy");
    else await expect(run(storage, prepared)).rejects.toMatchObject({ reason: "circuit-open", operation });
    await storage.close();
  });

  it("never opens on conflicts, wrong arguments, absent sessions or callers who give up", async () => {
    const { storage, states } = await store({ minCalls: 1, window: 1 });
    for (let i = 0; i < 30; i++) {
      await expect(storage.updateSession("s", { expectedVersion: 9 })).rejects.toMatchObject({ code: "CONFLICT" });
      await expect(storage.createSession("s", "u")).rejects.toMatchObject({ code: "SESSION_EXISTS" });
      await expect(storage.getSession("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(storage.endSession("absent")).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
      await expect(storage.putItem(["n"], "k", { a: Number.NaN })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(storage.getSession("s", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
      await storage.getSession("s", { timeoutMs: 0.001 }).catch(() => undefined);
    }
    expect(states).toEqual([]);
  });

  it("lets one call try the store, refuses the others meanwhile, and closes", async () => {
    const { storage, states, open, faulty, circuit } = await store({}, () => ({ delayMs: 30 }));
    await open();
    faulty.reconnect();
    await sleep(OPEN_MS + 5);
    const calls = Array.from({ length: 10 }, () => storage.getSession("s"));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", ...Array(9).fill("rejected")]);
    expect(circuit.state()).toBe("closed");
    expect(states).toEqual(["open", "half-open", "closed"]);
    expect(circuit.readings?.()).toMatchObject([{ name: "waystone.circuit_breaker.state", value: 0 }]);
    await expect(storage.getSession("s")).resolves.toBeDefined();
  });

  it("opens again when the store is still away", async () => {
    const { storage, states, open } = await store();
    await open();
    await sleep(OPEN_MS + 5);
    await expect(storage.getSession("s")).rejects.not.toBeInstanceOf(CallRefusedError);
    await expect(storage.getSession("s")).rejects.toBeInstanceOf(CallRefusedError);
    expect(states).toEqual(["open", "half-open", "open"]);
  });

  it("takes an answer that refuses for a proof that the store is there, and a caller who gives up for none", async () => {
    const { storage, circuit, open, faulty } = await store({}, () => ({ delayMs: 5 }));
    await open();
    faulty.reconnect();
    await sleep(OPEN_MS + 5);
    await expect(storage.getSession("s", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(circuit.state()).toBe("open");
    await sleep(OPEN_MS + 5);
    await expect(storage.createSession("s", "u")).rejects.toMatchObject({ code: "SESSION_EXISTS" });
    expect(circuit.state()).toBe("closed");
  });

  it("closes after so many probes, and not before", async () => {
    const { storage, circuit, open, faulty } = await store({ probes: 3 });
    await open();
    faulty.reconnect();
    await sleep(OPEN_MS + 5);
    const seen: CircuitState[] = [];
    for (let i = 0; i < 3; i++) {
      await storage.getSession("s");
      seen.push(circuit.state());
    }
    expect(seen).toEqual(["half-open", "half-open", "closed"]);
  });

  it("looks at a share of the newest calls", async () => {
    let away = 0.4;
    let count = 0;
    const plan: FaultPlan = () => {
      count += 1;
      return (count * away) % 1 < away ? { at: "before" } : undefined;
    };
    const { storage, circuit } = await store({ threshold: 0.5, window: 20, openMs: 60_000 }, plan);
    const some = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) await storage.getSession("s").catch(() => undefined);
    };
    await some();
    expect(circuit.state()).toBe("closed");
    away = 0.7;
    await some();
    expect(circuit.state()).toBe("open");
  });

  it("refuses exports while it is open, and lets them through when the store may be back", async () => {
    const { storage, open, faulty } = await store();
    const first = async (): Promise<unknown> => (await storage.exportRecords()[Symbol.asyncIterator]().next()).done;
    await open();
    faulty.reconnect();
    await expect(first()).rejects.toMatchObject({ reason: "circuit-open" });
    await sleep(OPEN_MS + 5);
    expect(await first()).toBe(false);
  });

  it("does not fail a call when its listener fails", async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): unknown => warnings.push(warning.message);
    process.on("warning", listen);
    const { storage, faulty } = await store({
      minCalls: 1,
      window: 1,
      onStateChange: () => {
        throw new Error("no");
      },
    });
    faulty.disconnect();
    await expect(storage.getSession("s")).rejects.toMatchObject({ message: "the connection was lost (injected)" });
    await sleep(10);
    process.off("warning", listen);
    expect(warnings).toEqual(["onStateChange failed: Error: no"]);
  });

  it("refuses wrong options", () => {
    for (const options of [
      { threshold: 0 },
      { threshold: 1 },
      { window: 0 },
      { window: 3, minCalls: 4 },
      { probes: 0 },
      { x: 1 },
    ]) {
      expect(() => circuitBreaker(options as object), JSON.stringify(options)).toThrow();
    }
  });
});
