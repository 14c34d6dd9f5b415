// Records of calls: what is in them, at which level, and what never is.
import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { type LoggingOptions, logging, retry } from "../../src/layers/index.js";
import { faultyStorage } from "../../src/testing/faulty-storage.js";
import { OPERATION_CALL_ENTRIES, prepareStore } from "../../src/testing/operation-calls.js";

type Line = { readonly [field: string]: unknown };

/** A pino logger, and the lines that it has written. */
function logger() {
  const text: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text.push(String(chunk));
      done();
    },
  });
  const lines = (): Line[] => text.map((line) => JSON.parse(line));
  return { logger: pino({ level: "debug", base: null, timestamp: false }, stream), lines, text: () => text.join("") };
}

const LEVELS: { readonly [level: number]: string } = { 20: "debug", 30: "info", 40: "warn", 50: "error" };

async function logged(options: Omit<LoggingOptions, "logger"> = {}) {
  const sink = logger();
  const inner = memoryStorage();
  const prepared = await prepareStore(inner);
  const faulty = faultyStorage(inner);
  return { ...sink, inner, prepared, faulty, storage: logging({ logger: sink.logger, ...options })(faulty.storage) };
}

describe("logging", () => {
  it("writes a record of each call, at the level of what became of it", async () => {
    const { storage, lines, faulty } = await logged({ identifiers: "shown" });
    await storage.getSession("s");
    await storage.createSession("s", "u").catch(() => undefined);
    faulty.disconnect();
    await storage.putItem(["n", "m"], "k", {}).catch(() => undefined);
    await storage.healthCheck();
    faulty.reconnect();
    await storage.healthCheck();
    expect(
      lines().map(({ level, latencyMs: _latency, ...rest }) => ({ level: LEVELS[level as number], ...rest })),
    ).toEqual([
      {
        level: "info",
        operation: "getSession",
        backend: "memory",
        tenant: "default",
        sessionId: "s",
        success: true,
        msg: "storage operation completed",
      },
      {
        level: "warn",
        operation: "createSession",
        backend: "memory",
        tenant: "default",
        sessionId: "s",
        success: false,
        error: "SESSION_EXISTS",
        outcome: "not-applied",
        retryable: false,
        reason: 'session "s" already exists',
        msg: "storage operation was refused",
      },
      {
        level: "error",
        operation: "putItem",
        backend: "memory",
        tenant: "default",
        namespace: "n/m",
        key: "k",
        success: false,
        error: "CONNECTION",
        outcome: "not-applied",
        retryable: true,
        reason: "the connection was lost (injected)",
        msg: "storage operation failed",
      },
      {
        level: "warn",
        operation: "healthCheck",
        backend: "memory",
        tenant: "default",
        success: true,
        status: "unhealthy",
        msg: "storage health check found something wrong",
      },
      {
        level: "info",
        operation: "healthCheck",
        backend: "memory",
        tenant: "default",
        success: true,
        status: "healthy",
        msg: "storage operation completed",
      },
    ]);
    for (const { latencyMs } of lines()) expect(latencyMs).toBeGreaterThan(0);
  });

  it.each(OPERATION_CALL_ENTRIES)("writes about %s without an identifier, unless it may", async (operation, run) => {
    for (const identifiers of ["hashed", "hidden"] as const) {
      const { storage, prepared, lines } = await logged({ identifiers });
      await run(storage, prepared);
      expect(lines()).toMatchObject([{ operation, success: true }]);
      const ids = ["tenant", "sessionId", "threadId", "checkpointId", "namespace", "key"];
      const shown = ids.map((name) => lines()[0]?.[name]).filter((value) => value !== undefined);
      if (identifiers === "hidden") expect(shown).toEqual([]);
      else for (const value of shown) expect(value).toMatch(/^#[0-9a-f]{16}$/);
    }
  });

  it("gives one identifier one hash, another one under another key", async () => {
    const hashOf = async (options: object): Promise<unknown> => {
      const { storage, lines } = await logged(options);
      await storage.getSession("s");
      await storage.getConversationHistory("s");
      const [first, second] = lines();
      expect(first?.sessionId).toBe(second?.sessionId);
      return first?.sessionId;
    };
    expect(await hashOf({ hashKey: "k" })).toBe(await hashOf({ hashKey: "k" }));
    expect(
      new Set([await hashOf({ hashKey: "k" }), await hashOf({}), await hashOf({}), await hashOf({ hashKey: "l" })])
        .size,
    ).toBe(4);
  });

  it("never writes content", async () => {
    const secret = "the-content-of-a-user";
    const { storage, text } = await logged({ identifiers: "shown" });
    const calls: (() => Promise<unknown>)[] = [
      () => storage.addConversationMessage("s", "user", secret, { metadata: { a: secret } }),
      () => storage.addConversationMessage("absent", "user", secret),
      () => storage.storeCheckpoint("t", "c2", { a: secret }, { metadata: { a: secret } }),
      () => storage.storeCheckpoint("t", "c3", { a: secret, f: () => secret }),
      () => storage.updateSession("s", { metadata: { a: secret }, expectedVersion: 99 }),
      () => storage.putItem(["n"], "k", { a: secret }),
      () => storage.searchItems(["n"], { filter: { a: { $like: secret } as object } }),
      () => storage.storeTaskContext("s", secret),
      () => storage.putWrites("t", "c", "task", [["channel", secret]]),
      () => storage.importRecords([{ kind: secret } as never]),
    ];
    for (const call of calls) await call().catch(() => undefined);
    expect(text().split("\n").length).toBeGreaterThan(calls.length);
    expect(text()).not.toContain(secret);
  });

  it("warns of slow calls, also where success is silent, and tells retries", async () => {
    const sink = logger();
    let calls = 0;
    const slow = faultyStorage(memoryStorage(), () => {
      calls += 1;
      return calls <= 2 ? { at: "before" } : { delayMs: 30 };
    });
    const inner = retry({ initialDelayMs: 0, maxDelayMs: 0 })(slow.storage);
    const storage = logging({ logger: sink.logger, success: "silent", slowMs: 20 })(inner);
    await storage.getSession("s");
    await logging({ logger: sink.logger, success: "silent" })(memoryStorage()).getSession("s");
    await logging({ logger: sink.logger, success: "debug" })(memoryStorage()).getSession("s");
    expect(sink.lines()).toMatchObject([
      { level: 40, slow: true, retries: 2, success: true, msg: "storage operation was slow" },
      { level: 20, success: true },
    ]);
  });

  it("does not fail a call, or the process, when the logger fails", async () => {
    const warnings: unknown[] = [];
    const listen = (warning: Error): unknown => warnings.push(warning.message);
    process.on("warning", listen);
    const broken = (): never => {
      throw new Error("disk full");
    };
    const storage = logging({ logger: { debug: broken, info: broken, warn: broken, error: broken } })(memoryStorage());
    await expect(storage.createSession("s", "u")).resolves.toMatchObject({ sessionId: "s" });
    await expect(storage.createSession("s", "u")).rejects.toMatchObject({ code: "SESSION_EXISTS" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("warning", listen);
    expect(warnings).toEqual(["the logger failed: Error: disk full", "the logger failed: Error: disk full"]);
  });

  it("refuses wrong options", () => {
    const good = logger().logger;
    const wrong = [
      {},
      { logger: {} },
      { logger: good, success: "loud" },
      { logger: good, slowMs: -1 },
      { logger: good, a: 1 },
    ];
    for (const options of wrong)
      expect(() => logging(options as LoggingOptions), Object.keys(options).join()).toThrow();
  });
});
