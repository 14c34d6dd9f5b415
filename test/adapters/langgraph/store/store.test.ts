// What the store does beside its programs: where LangGraph's own store is wrong, order, time to live, and the verbs that others lack.
import { InMemoryStore, type Item, type Operation } from "@langchain/langgraph-checkpoint";
import { describe, expect, it } from "vitest";
import { WaystoneStore, type WaystoneStoreOptions } from "../../../../src/adapters/langgraph/index.js";
import { manualClock } from "../../../../src/testing/index.js";
import { BACKENDS } from "../backends.js";

const MINUTE = 60_000;

describe.each(BACKENDS)("on %s", (_name, open) => {
  const fresh = (options?: WaystoneStoreOptions) => new WaystoneStore(open(), options);

  describe("unlike InMemoryStore", () => {
    it("a value is a copy: changing it afterwards changes nothing", async () => {
      const theirs = new InMemoryStore();
      const ours = fresh();
      for (const store of [theirs, ours]) {
        const value = { list: [1] };
        await store.put(["n"], "k", value);
        value.list.push(2);
        (await store.get(["n"], "k"))?.value.list.push(3);
      }
      expect((await theirs.get(["n"], "k"))?.value).toEqual({ list: [1, 2, 3] });
      expect((await ours.get(["n"], "k"))?.value).toEqual({ list: [1] });
    });

    it("a read shows what was there before its batch", async () => {
      const theirs = new InMemoryStore();
      const ours = fresh();
      const operations: Operation[] = [
        { namespace: ["n"], key: "k" },
        { namespace: ["n"], key: "k", value: { v: 2 } },
      ];
      const read: unknown[] = [];
      for (const store of [theirs, ours]) {
        await store.put(["n"], "k", { v: 1 });
        const [found] = (await store.batch(operations)) as unknown[];
        read.push((found as Item).value);
      }
      expect(read).toEqual([{ v: 2 }, { v: 1 }]);
    });

    it("a namespace without items is not listed", async () => {
      const theirs = new InMemoryStore();
      const ours = fresh();
      for (const store of [theirs, ours]) {
        await store.put(["n"], "k", { v: 1 });
        await store.delete(["n"], "k");
        await store.delete(["never"], "k");
      }
      expect(await theirs.listNamespaces()).toEqual([["n"], ["never"]]);
      expect(await ours.listNamespaces()).toEqual([]);
    });

    it("text and numbers are never compared with each other, and text is compared as text", async () => {
      const theirs = new InMemoryStore();
      const ours = fresh();
      const found: string[][] = [];
      for (const store of [theirs, ours]) {
        await store.put(["n"], "text", { at: "2026-11-22" });
        await store.put(["n"], "digits", { at: "7" });
        await store.put(["n"], "number", { at: 7 });
        await store.put(["n"], "null", { at: null });
        for (const at of [{ $gt: "2026-01-01" }, { $gt: "5" }, { $gt: -1 }]) {
          found.push((await store.search(["n"], { filter: { at } })).map((item) => item.key).sort());
        }
      }
      expect(found).toEqual([
        ...[[], ["digits", "number"], ["digits", "null", "number"]],
        ...[["digits", "text"], ["digits"], ["number"]],
      ]);
    });

    it("an object or array in a filter is compared as a whole", async () => {
      const theirs = new InMemoryStore();
      const ours = fresh();
      const found: string[][] = [];
      for (const store of [theirs, ours]) {
        await store.put(["n"], "k", { place: { city: "Lyon", zip: 1 }, tags: ["a", "b"] });
        for (const filter of [{ place: { zip: 1, city: "Lyon" } }, { tags: ["a", "b"] }, { tags: ["b", "a"] }]) {
          found.push((await store.search(["n"], { filter })).map((item) => item.key));
        }
      }
      expect(found).toEqual([...[[], [], []], ...[["k"], ["k"], []]]);
    });

    it("labels and keys that JavaScript knows are like any other", async () => {
      const store = fresh();
      for (const name of ["__proto__", "constructor", "toString"]) {
        await store.put([name], name, { [name]: name });
        expect((await store.get([name], name))?.key).toBe(name);
        expect(await store.search([], { filter: { [name]: name } })).toHaveLength(1);
        expect(await store.search([], { filter: { hasOwnProperty: { $exists: true } } })).toEqual([]);
      }
    });
  });

  it("gives back what was put, with the times and the version", async () => {
    const clock = manualClock();
    const store = new WaystoneStore(open(clock));
    expect(await store.get(["users", "ada"], "tea")).toBeNull();
    await store.put(["users", "ada"], "tea", { kind: "green" });
    const createdAt = new Date(clock.now());
    clock.advance(5);
    await store.put(["users", "ada"], "tea", { kind: "black" });
    const item = { namespace: ["users", "ada"], key: "tea", value: { kind: "black" }, version: 2, createdAt };
    const expected = { ...item, updatedAt: new Date(clock.now()) };
    expect(await store.get(["users", "ada"], "tea")).toEqual(expected);
    expect(await store.search(["users"])).toEqual([expected]);
    await store.delete(["users", "ada"], "tea");
    expect(await store.get(["users", "ada"], "tea")).toBeNull();
  });

  it("of puts to one key in a batch the last counts, and of a put and a delete too", async () => {
    const store = fresh();
    const put = (key: string, value: object | null): Operation => ({ namespace: ["n"], key, value });
    await store.batch([put("a", { v: 1 }), put("a", { v: 2 }), put("b", { v: 1 }), put("b", null)]);
    expect(await store.get(["n"], "a")).toMatchObject({ value: { v: 2 }, version: 1 });
    expect(await store.get(["n"], "b")).toBeNull();
    await store.batch([put("a", null), put("a", { v: 3 })]);
    expect(await store.get(["n"], "a")).toMatchObject({ value: { v: 3 }, version: 2 });
    expect(await store.batch([])).toEqual([]);
  });

  it("a batch is one call of the storage", async () => {
    const storage = open();
    const calls: string[] = [];
    const counted = new Proxy(storage, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          calls.push(String(name));
          return Reflect.apply(member, target, args);
        };
      },
    });
    const store = new WaystoneStore(counted);
    await store.batch([
      { namespace: ["n"], key: "a", value: { v: 1 } },
      { namespace: ["n"], key: "b" },
      { namespacePrefix: [], filter: { v: { $gt: 0 } }, limit: 20, offset: 5 },
      { matchConditions: [{ matchType: "prefix", path: ["*", "x"] }], limit: 10, offset: 0 },
    ]);
    expect(calls).toEqual(["batchItems"]);
  });

  it("a batch of more operations than one call takes goes in several", async () => {
    const store = fresh({ ttl: { defaultTtl: 1 } });
    const gets = Array.from({ length: 2_001 }, (_, i) => ({ namespace: ["n"], key: `k${i}` }));
    const puts = gets.map((place, i) => ({ ...place, value: { i } }));
    await store.batch(puts);
    const found = (await store.batch([...gets, ...puts.map((put) => ({ ...put, value: { i: -1 } }))])) as unknown[];
    expect(found.slice(0, 2_001).map((item) => (item as Item).value.i)).toEqual(puts.map((_, i) => i));
    const searched = await store.search(["n"], { limit: 3_000 });
    expect([searched.length, searched.every(({ value }) => value.i === -1)]).toEqual([2_001, true]);
  });

  it("a batch is all or nothing", async () => {
    const store = fresh();
    const wrong = { namespace: ["n"], key: "b", value: { v: 1n } };
    await expect(store.batch([{ namespace: ["n"], key: "a", value: { v: 1 } }, wrong])).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    expect(await store.search([])).toEqual([]);
  });

  it("pages of any size hold everything once, the item changed last first", async () => {
    const clock = manualClock();
    const store = new WaystoneStore(open(clock));
    const keys = Array.from({ length: 1_205 }, (_, i) => `k${i}`);
    for (let from = 0; from < keys.length; from += 100) {
      await store.batch(keys.slice(from, from + 100).map((key) => ({ namespace: ["n", key], key, value: { key } })));
      clock.advance(1);
    }
    const all = await store.search(["n"], { limit: 5_000 });
    expect(all.map(({ key }) => key).sort()).toEqual([...keys].sort());
    expect(all[0]?.updatedAt.getTime()).toBeGreaterThan(all.at(-1)?.updatedAt.getTime() ?? 0);
    const pages = await Promise.all([0, 400, 800, 1_200].map((offset) => store.search(["n"], { limit: 400, offset })));
    expect(pages.flat()).toEqual(all);
    expect(await store.listNamespaces({ limit: 2_000 })).toHaveLength(1_205);
    expect(await store.listNamespaces({ prefix: ["*", "k7"], limit: 2_000 })).toEqual([["n", "k7"]]);
    expect(await store.listNamespaces({ maxDepth: 1 })).toEqual([["n"]]);
    expect(await store.listNamespaces({ suffix: ["k1204"], offset: 0 })).toEqual([["n", "k1204"]]);
  });

  it("goes on with a cursor where the page before ended, whatever was put meanwhile", async () => {
    const store = fresh();
    for (const key of ["a", "b", "c"]) await store.put(["n"], key, { key });
    const first = await store.searchPage(["n"], { orderBy: "key", limit: 2 });
    expect(first.items.map(({ key }) => key)).toEqual(["a", "b"]);
    await store.put(["n"], "aa", { key: "aa" });
    const { nextCursor: cursor = "" } = first;
    const second = await store.searchPage(["n"], { orderBy: "key", limit: 2, cursor });
    expect(second.items.map(({ key }) => key)).toEqual(["c"]);
    expect(second).not.toHaveProperty("nextCursor");
    const black = await store.searchPage([], {
      filter: { key: { $in: ["a", "c"] } },
      orderBy: "key",
      direction: "desc",
    });
    expect(black.items.map(({ key }) => key)).toEqual(["c", "a"]);
  });

  it("puts only where there is nothing, or on the expected version", async () => {
    const store = fresh();
    const put = (n: number, options: object) => store.putItem(["n"], "k", { n }, options);
    expect(await put(1, { ifAbsent: true })).toMatchObject({ value: { n: 1 }, version: 1 });
    await expect(put(2, { ifAbsent: true })).rejects.toMatchObject({ code: "CONFLICT" });
    const outcomes = await Promise.allSettled([put(3, { expectedVersion: 1 }), put(4, { expectedVersion: 1 })]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await store.get(["n"], "k")).toMatchObject({ version: 2 });
  });

  it("changes keys of a value without reading it", async () => {
    const clock = manualClock();
    const store = new WaystoneStore(open(clock));
    await store.putItem(["n"], "k", { visits: 1, city: "Lyon", old: true }, { ttl: 1 });
    const change = { increment: { visits: 2, trips: 1 }, merge: { city: "Paris" }, unset: ["old"] };
    const changed = await store.updateItem(["n"], "k", change);
    expect(changed).toMatchObject({ value: { visits: 3, trips: 1, city: "Paris" }, version: 2 });
    expect(changed.value).not.toHaveProperty("old");
    expect(changed.expiresAt).toEqual(new Date(clock.now() + MINUTE));
    expect((await store.updateItem(["n"], "k", {}, { ttl: 2 })).expiresAt).toEqual(new Date(clock.now() + 2 * MINUTE));
    await Promise.all(Array.from({ length: 20 }, () => store.updateItem(["n"], "k", { increment: { visits: 1 } })));
    expect((await store.get(["n"], "k"))?.value.visits).toBe(23);
    const onOld = store.updateItem(["n"], "k", { merge: { city: "Rome" } }, { expectedVersion: 1 });
    await expect(onOld).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(store.updateItem(["n"], "other", {}, { ifPresent: true })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(store.updateItem(["n"], "k", { increment: { city: 1 } })).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await store.get(["n"], "k"))?.value.city).toBe("Paris");
  });

  it("counts what is below a prefix and matches", async () => {
    const store = fresh();
    for (const n of [1, 2, 3]) await store.put(["t", `${n}`], "k", { n });
    await store.put(["tt"], "k", { n: 3 });
    expect(await store.countItems([])).toBe(4);
    expect(await store.countItems(["t"])).toBe(3);
    expect(await store.countItems(["t"], { filter: { n: { $gte: 2 } } })).toBe(2);
    expect(await store.countItems(["nobody"])).toBe(0);
  });

  it("deletes what is below a prefix and nothing beside it", async () => {
    const store = fresh();
    for (const namespace of [["t", "a"], ["t", "a", "x"], ["t", "ab"], ["t"]]) await store.put(namespace, "k", {});
    expect(await store.deleteItems(["t", "a"])).toBe(2);
    expect(await store.listNamespaces()).toEqual([["t"], ["t", "ab"]]);
    await expect(store.deleteItems([])).rejects.toThrow("empty");
    expect(await store.listNamespaces()).toHaveLength(2);
  });

  describe("with a time to live", () => {
    it("an item goes after its minutes, a default or its own", async () => {
      const clock = manualClock();
      const store = new WaystoneStore(open(clock), { ttl: { defaultTtl: 2, refreshOnRead: false } });
      await store.put(["n"], "default", {});
      await store.put(["n"], "own", {}, undefined, { ttl: 0.5 });
      await store.batch([{ namespace: ["n"], key: "batch", value: {}, options: { ttl: 3 } } as Operation]);
      expect((await store.putItem(["n"], "item", {}, { ttl: 4 })).expiresAt).toEqual(
        new Date(clock.now() + 4 * MINUTE),
      );
      const left: string[][] = [];
      for (const minutes of [0.4, 0.2, 1.4, 1.1]) {
        clock.advance(minutes * MINUTE);
        left.push((await store.search(["n"])).map(({ key }) => key).sort());
      }
      expect(left).toEqual([
        ["batch", "default", "item", "own"],
        ["batch", "default", "item"],
        ["batch", "item"],
        ["item"],
      ]);
    });

    it("reading starts the time anew: get, search, and in a batch", async () => {
      const clock = manualClock();
      const store = new WaystoneStore(open(clock), { ttl: { defaultTtl: 1 } });
      const reads: [key: string, read: () => Promise<unknown>][] = [
        ["got", () => store.get(["n"], "got")],
        ["found", () => store.search(["n"], { filter: { key: "found" } })],
        ["batched", () => store.batch([{ namespace: ["n"], key: "batched" }])],
      ];
      for (const [key] of [...reads, ["left alone"]] as const) await store.put(["n"], key, { key });
      for (let i = 0; i < 3; i++) {
        clock.advance(0.6 * MINUTE);
        for (const [, read] of reads) expect(JSON.stringify(await read())).toContain('"key":"');
      }
      const alive = await store.search(["n"]);
      expect(alive.map(({ key }) => key).sort()).toEqual(["batched", "found", "got"]);
      expect(alive.map(({ expiresAt }) => expiresAt)).toEqual(alive.map(() => new Date(clock.now() + MINUTE)));
    });

    it("without a default nothing is refreshed", async () => {
      const clock = manualClock();
      const store = new WaystoneStore(open(clock));
      await store.put(["n"], "k", {}, undefined, { ttl: 1 });
      clock.advance(0.6 * MINUTE);
      expect(await store.get(["n"], "k")).not.toBeNull();
      expect(await store.search(["n"])).toHaveLength(1);
      clock.advance(0.6 * MINUTE);
      expect(await store.get(["n"], "k")).toBeNull();
    });
  });
});
