// Interceptors: every call of every operation goes through them, and means what it meant without them.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { CallOptions } from "../../src/contract/call.js";
import { ClosedError, StorageConnectionError } from "../../src/contract/errors.js";
import { OPERATION_NAMES, OPERATIONS, type OperationName } from "../../src/contract/operations.js";
import type { StorageRecord } from "../../src/contract/records.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { type Interceptor, intercept, type LayerCall } from "../../src/layers/index.js";
import { OPERATION_CALL_ENTRIES, OPERATION_CALLS, prepareStore } from "../../src/testing/operation-calls.js";

const PASS: Interceptor = (_call, next) => next();

/** An interceptor that keeps the calls that it sees. */
function recording(): { readonly calls: LayerCall[]; readonly interceptor: Interceptor } {
  const calls: LayerCall[] = [];
  const interceptor: Interceptor = (call, next) => {
    calls.push(call);
    return next();
  };
  return { calls, interceptor };
}

/** Lets every call go on with these options. */
const changing =
  (changes: CallOptions): Interceptor =>
  (_call, next) =>
    next(changes);

async function readAll(records: AsyncIterable<StorageRecord>): Promise<StorageRecord[]> {
  const read: StorageRecord[] = [];
  for await (const record of records) read.push(record);
  return read;
}

describe("an intercepted storage", () => {
  it.each(OPERATION_CALL_ENTRIES)("shows the interceptor %s, once, with its arguments", async (operation, run) => {
    const { calls, interceptor } = recording();
    await using inner = memoryStorage({ tenant: "acme" });
    const prepared = await prepareStore(inner);
    await run(intercept(inner, interceptor), prepared);
    expect(calls).toMatchObject([{ operation, backend: "memory", tenant: "acme", traits: OPERATIONS[operation] }]);
  });

  it("shows close, also by await using, and calls of a tenant's view", async () => {
    const { calls, interceptor } = recording();
    {
      await using storage = intercept(memoryStorage(), interceptor);
      await storage.tenant("acme").getSession("s");
      expect(storage.tenant("default")).toBe(storage);
      const view = storage.tenant("acme");
      expect(view.tenant("acme")).toBe(view);
      expect(() => view.tenant("other")).toThrow("reaches no other tenant");
    }
    expect(calls.map(({ operation, tenant }) => [operation, tenant])).toEqual([
      ["getSession", "acme"],
      ["close", "default"],
    ]);
  });

  it.each(OPERATION_CALL_ENTRIES)("hands another signal down with %s", async (operation, run) => {
    await using inner = memoryStorage();
    const prepared = await prepareStore(inner);
    const storage = intercept(inner, changing({ signal: AbortSignal.abort("enough") }));
    if (operation === "healthCheck") {
      expect((await storage.healthCheck()).checks[0]?.message).toContain("ABORTED");
    } else {
      await expect(run(storage, prepared)).rejects.toMatchObject({ code: "ABORTED", cause: "enough", operation });
    }
  });

  it("hands another deadline down, and to streams none", async () => {
    await using inner = memoryStorage();
    const prepared = await prepareStore(inner);
    const storage = intercept(inner, changing({ timeoutMs: -1 }));
    const names = Object.keys(OPERATION_CALLS) as (keyof typeof OPERATION_CALLS)[];
    const refusing = names.filter((name) => OPERATIONS[name].settles === "deadline" && name !== "healthCheck");
    for (const name of refusing) {
      await expect(OPERATION_CALLS[name](storage, prepared), name).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await expect(readAll(storage.exportRecords())).resolves.not.toEqual([]);
    await expect(storage.importRecords([])).resolves.toMatchObject({ skipped: 0 });
  });

  it("leaves options alone that are none, so that the storage refuses them", async () => {
    await using inner = memoryStorage();
    const storage = intercept(inner, changing({ timeoutMs: 1_000, signal: new AbortController().signal }));
    for (const options of [null, 5, [], new Date(), new Map(), { timeoutMs: "1" }, { signal: {} }, { other: 1 }]) {
      await expect(storage.getSession("s", options as object)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await expect(storage.getSession("s", undefined)).resolves.toBeUndefined();
  });

  it("tells the interceptor the caller's signal and the time that there is", async () => {
    const { calls, interceptor } = recording();
    await using storage = intercept(memoryStorage({ timeoutMs: 1_234 }), interceptor);
    const { signal } = new AbortController();
    await storage.getSession("s");
    await storage.getSession("s", { signal, timeoutMs: 50 });
    await readAll(storage.exportRecords({ signal }));
    expect(calls.map((call) => [call.signal, call.timeoutMs])).toEqual([
      [undefined, 1_234],
      [signal, 50],
      [signal, Number.POSITIVE_INFINITY],
    ]);
  });

  it("keeps what a backend has beside the contract", async () => {
    class Store {
      readonly inner: StorageBackend = memoryStorage();
      #notes = 1;
      get notes(): number {
        return this.#notes;
      }
      note(): number {
        this.#notes += 1;
        return this.#notes;
      }
    }
    const store = new Store();
    const backend = Object.assign(store, { ...store.inner });
    const storage = intercept(backend, PASS);
    expect([storage.note(), storage.notes]).toEqual([2, 2]);
    expect(storage.note).toBe(storage.note);
    expect([storage.kind, storage.tenantName, storage.timeoutMs]).toEqual(["memory", "default", 10_000]);
    await storage.close();
  });

  it("has all the operations of the table", () => {
    const storage = intercept(memoryStorage(), PASS);
    const lacking = OPERATION_NAMES.filter((name: OperationName) => typeof storage[name] !== "function");
    expect(lacking).toEqual([]);
  });
});

describe("an intercepted stream", () => {
  const failing = (
    failures: number,
    after = 0,
  ): { backend: StorageBackend; opened: () => number; left: () => number } => {
    const inner = memoryStorage();
    let opened = 0;
    let left = 0;
    const exportRecords = (): AsyncIterable<StorageRecord> => {
      opened += 1;
      const fails = opened <= failures;
      return (async function* () {
        let given = 0;
        try {
          for await (const record of inner.exportRecords()) {
            if (fails && given === after) throw new StorageConnectionError("gone");
            given += 1;
            yield record;
          }
        } finally {
          left += 1;
        }
      })();
    };
    return { backend: { ...inner, exportRecords }, opened: () => opened, left: () => left };
  };

  const twice: Interceptor = async (call, next) => {
    try {
      return await next();
    } catch (error) {
      if (!call.repeatable) throw error;
      return next({});
    }
  };

  it("can begin again until its first record has come", async () => {
    const { backend, opened } = failing(1);
    await prepareStore(backend);
    const records = await readAll(intercept(backend, twice).exportRecords());
    expect(records).toEqual(await readAll(backend.exportRecords()));
    expect(opened()).toBe(3);
  });

  it("cannot begin again after it, whatever the interceptor does", async () => {
    const { backend, opened } = failing(9, 2);
    await prepareStore(backend);
    await expect(readAll(intercept(backend, twice).exportRecords())).rejects.toMatchObject({ code: "CONNECTION" });
    expect(opened()).toBe(1);
    const stubborn: Interceptor = (_call, next) => next().catch(() => next());
    await expect(readAll(intercept(backend, stubborn).exportRecords())).rejects.toMatchObject({ code: "UNSUPPORTED" });
    const silent = (async (_call: LayerCall, next: () => Promise<unknown>) => {
      await next().catch(() => undefined);
    }) as Interceptor;
    await expect(readAll(intercept(backend, silent).exportRecords())).rejects.toMatchObject({ code: "CONNECTION" });
  });

  it("lasts until it ends, and lets the store go when its reader leaves", async () => {
    const { backend, left } = failing(0);
    await prepareStore(backend);
    const events: string[] = [];
    const storage = intercept(backend, async (_call, next) => {
      events.push("begins");
      const result = await next();
      events.push("ends");
      return result;
    });
    for await (const _record of storage.exportRecords()) {
      events.push("record");
      break;
    }
    expect(events).toEqual(["begins", "record", "ends"]);
    expect(left()).toBe(1);
    await readAll(storage.exportRecords());
    expect(events.slice(3)).toEqual(["begins", "ends"]);
  });

  it("does not begin before it is read, and refuses wrong arguments at once", async () => {
    const { calls, interceptor } = recording();
    await using storage = intercept(memoryStorage(), interceptor);
    storage.exportRecords();
    expect(() => storage.exportRecords({ kinds: ["nothing" as "item"] })).toThrow("filter.kinds");
    expect(calls).toEqual([]);
  });

  it("gives what an interceptor refuses to the reader, also between two records", async () => {
    await using inner = memoryStorage();
    await prepareStore(inner);
    const refusing: Interceptor = () => Promise.reject(new ClosedError("not today"));
    await expect(readAll(intercept(inner, refusing).exportRecords())).rejects.toMatchObject({ code: "CLOSED" });
    const { promise: given, resolve: give } = Promise.withResolvers<never>();
    const late: Interceptor = (_call, next) => Promise.race([next(), given]);
    const records = intercept(inner, late).exportRecords()[Symbol.asyncIterator]();
    await records.next();
    give(Promise.reject(new ClosedError("enough")) as never);
    await expect(readAll({ [Symbol.asyncIterator]: () => records })).rejects.toMatchObject({ code: "CLOSED" });
  });
});
