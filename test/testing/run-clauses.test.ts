// The collecting run tells the truth: about what failed, what was skipped and what it leaves behind.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { runClauses } from "../../src/testing/run-clauses.js";
import type { StorageFactory, StorageSupport } from "../../src/testing/storage-factory.js";
import { memoryFactory } from "./memory-factory.js";

const supports: StorageSupport = { reopen: false, secondHandle: false, clock: true };

/** Memory stores with some verbs changed, and a list of what was made and destroyed. */
function changed(change: (storage: StorageBackend) => Partial<StorageBackend>, events: string[] = []): StorageFactory {
  return {
    supports,
    create: async () => {
      events.push("create");
      return {
        open: async (options) => {
          const storage = memoryStorage(options);
          const close = async (): Promise<void> => {
            events.push("close");
            await storage.close();
          };
          return { ...storage, ...change(storage), close };
        },
        destroy: async () => {
          events.push("destroy");
        },
      };
    },
  };
}

const only =
  (...promises: string[]) =>
  (name: string): boolean =>
    promises.includes(name.split(" ")[0] ?? "");

describe("runClauses", () => {
  it("passes what keeps its promises, and keeps their order whatever runs at once", async () => {
    const one = await runClauses(memoryFactory, { filter: only("S1", "S2") });
    const many = await runClauses(memoryFactory, { filter: only("S1", "S2"), concurrency: 7 });
    expect([one.failed, one.skipped]).toEqual([[], []]);
    expect(one.passed.length).toBeGreaterThan(10);
    expect(many).toEqual(one);
  });

  it("reports a failure with its name and error, and goes on", async () => {
    const forgetful = changed((storage) => ({
      updateSession: (id, { incrementRequests: _lost, ...update }, options) =>
        storage.updateSession(id, update, options),
    }));
    const report = await runClauses(forgetful, { filter: only("S2", "S3") });
    const names = report.failed.map((each) => each.name);
    expect(names).toContain("S2 incrementRequests counts one for true, and as many as it says for an integer");
    expect(names).toContain("S2 many concurrent increments raise the count by exactly their number");
    expect(names.filter((name) => name.startsWith("S3"))).toEqual([]);
    expect(report.passed.filter((name) => name.startsWith("S3")).length).toBeGreaterThan(2);
    for (const { error } of report.failed) expect(error).toBeInstanceOf(Error);
  });

  it("begins nothing more after a failure when it is to bail", async () => {
    const broken = changed(() => ({ createSession: () => Promise.reject(new Error("broken")) }));
    const report = await runClauses(broken, { filter: only("S2"), bail: true });
    expect([report.failed.length, report.passed.length]).toEqual([1, 0]);
    expect(report.failed[0]?.error).toEqual(new Error("broken"));
  });

  it("destroys every store that it made, after its handles, also when the clause fails", async () => {
    const events: string[] = [];
    const broken = changed(() => ({ createSession: () => Promise.reject(new Error("broken")) }), events);
    const report = await runClauses(broken, { filter: (name) => name.startsWith("S1 createSession returns") });
    expect(report.failed).toHaveLength(1);
    expect(events).toEqual(["create", "close", "destroy"]);
  });

  it("counts a failure to close or destroy as the clause's own", async () => {
    const factory: StorageFactory = {
      supports,
      create: async () => ({
        open: async (options) => memoryStorage(options),
        destroy: () => Promise.reject(new Error("cannot be destroyed")),
      }),
    };
    const report = await runClauses(factory, { filter: (name) => name.startsWith("S1 createSession returns") });
    expect(report.failed.map((each) => each.error)).toEqual([new Error("cannot be destroyed")]);
  });

  it("tells a clause that does not end as failed", async () => {
    const hanging = changed(() => ({ getSession: () => new Promise(() => undefined) }));
    const report = await runClauses(hanging, {
      filter: (name) => name.startsWith("S1 createSession returns"),
      timeoutMs: 20,
    });
    expect(report.failed).toHaveLength(1);
    expect(report.failed[0]?.error).toEqual(new Error("the clause did not end within 20 ms"));
  });

  it("does not take a refusal for another, nor a plain error for a storage error", async () => {
    const plain = changed((storage) => ({
      createSession: async (...args) => {
        try {
          return await storage.createSession(...args);
        } catch (error) {
          throw new Error(String(error));
        }
      },
    }));
    const report = await runClauses(plain, { filter: only("S1") });
    expect(report.failed.map((each) => each.name)).toContain(
      "S1 createSession on an id that exists rejects with SessionExistsError and changes nothing",
    );
  });

  it("reports each clause that the store does not support, with the reason", async () => {
    const factory: StorageFactory = {
      ...memoryFactory,
      supports: { reopen: false, secondHandle: false, clock: false },
    };
    const report = await runClauses(factory, { filter: only("F5", "S2", "S5") });
    const reasons = new Map(report.skipped.map(({ name, reason }) => [name, reason]));
    expect(reasons.get("F5 healthCheck reports the durability level in force")).toBe(
      "the factory declares no durability level",
    );
    expect(reasons.get("F5 everything is there when the store is closed and opened again")).toBe(
      "the factory declares that the store does not survive being closed",
    );
    expect(reasons.get("S2 many increments over two handles raise the count by exactly their number")).toBe(
      "the factory declares that the store takes one handle at a time",
    );
    expect(reasons.get("S5 a key is still known just before 24 hours have passed")).toBe(
      "the factory declares that the store's time cannot be set",
    );
    expect(report.passed.filter((name) => reasons.has(name))).toEqual([]);
  });
});
