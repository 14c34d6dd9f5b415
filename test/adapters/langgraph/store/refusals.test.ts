// What a store refuses: a typed error, and nothing is written.
import { InvalidNamespaceError, type Operation, validateNamespace } from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type StoreIndex, WaystoneStore } from "../../../../src/adapters/langgraph/index.js";
import { checkNamespace } from "../../../../src/adapters/langgraph/store/namespaces.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import { InvalidArgumentError } from "../../../../src/contract/errors.js";
import { BACKENDS } from "../backends.js";

// Callers without types pass anything.
type Loose = (...args: readonly unknown[]) => Promise<unknown>;

const cycle: Record<string, unknown> = {};
cycle.self = cycle;

const LABELS: readonly (readonly [name: string, namespace: unknown[]])[] = [
  ["no label", []],
  ["an empty label", ["a", ""]],
  ["a label that is no string", ["a", 1]],
  ["a label that is null", [null]],
  ["a label with a dot", ["a.b"]],
  ["a label with a colon", ["a:b"]],
  ["a label with NUL", ["a\0"]],
  ["the root of the node cache", ["waystone:langgraph-cache", "2"]],
];

const NOT_JSON: readonly (readonly [name: string, value: unknown])[] = [
  ["undefined", undefined],
  ["a string", "text"],
  ["a number", 1],
  ["an array", [1]],
  ["a Date", new Date(0)],
  ["a Map", new Map([["a", 1]])],
  ["a Date inside", { at: new Date(0) }],
  ["a bigint inside", { n: 1n }],
  ["NaN inside", { n: Number.NaN }],
  ["a function inside", { f: () => 1 }],
  ["undefined in an array", { list: [undefined] }],
  ["a cycle", cycle],
  ["an instance of a class", new (class Fact {})()],
  ["NUL in a string", { s: "\0" }],
  ["a lone surrogate", { s: "\ud800" }],
];

const FILTERS: readonly (readonly [name: string, filter: unknown])[] = [
  ["an unknown operator", { n: { $regex: "^a" } }],
  ["a known operator beside an unknown one", { n: { $gt: 1, $near: 2 } }],
  ["an operator beside a key", { n: { $gt: 1, other: 2 } }],
  ["no operator", { n: {} }],
  ["an order of booleans", { n: { $gt: true } }],
  ["a list that is none", { n: { $in: "abc" } }],
  ["a Date", { n: new Date(0) }],
  ["a bigint", { n: 1n }],
];

const NUMBERS: readonly unknown[] = [-1, 1.5, Number.NaN, "3", null, Number.POSITIVE_INFINITY];

describe.each(BACKENDS)("on %s", (_name, open) => {
  const filled = async () => {
    const store = new WaystoneStore(open());
    await store.put(["before"], "k", { v: 1 });
    return {
      store,
      ...loose(store),
      isUntouched: async () => expect(await contents(store)).toEqual([["k", { v: 1 }]]),
    };
  };

  it.each(LABELS)("%s in a namespace", async (_case, namespace) => {
    const { put, putItem, updateItem, batch, get, remove, deleteItems, isUntouched } = await filled();
    const good = { namespace: ["good"], key: "k", value: { v: 2 } };
    const outcomes = await Promise.allSettled([
      put(namespace, "k", { v: 2 }),
      putItem(namespace, "k", { v: 2 }),
      updateItem(namespace, "k", { merge: { v: 2 } }),
      batch([good, { namespace, key: "k", value: { v: 2 } }]),
      batch([good, { namespace, key: "k" }]),
      get(namespace, "k"),
      remove(namespace, "k"),
      deleteItems(namespace),
    ]);
    expect(outcomes).toEqual(outcomes.map(() => ({ status: "rejected", reason: expect.any(InvalidNamespaceError) })));
    await isUntouched();
  });

  it("a namespace that is no list", async () => {
    const { put, search, batch, isUntouched } = await filled();
    for (const namespace of ["users", undefined, { 0: "a", length: 1 }]) {
      await expect(put(namespace, "k", {})).rejects.toBeInstanceOf(InvalidArgumentError);
      await expect(search(namespace)).rejects.toBeInstanceOf(InvalidArgumentError);
      await expect(batch([{ namespace, key: "k", value: {} }])).rejects.toBeInstanceOf(InvalidArgumentError);
    }
    await isUntouched();
  });

  it("LangGraph's own root, except in a batch", async () => {
    const { store, put, putItem, isUntouched } = await filled();
    await expect(put(["langgraph", "x"], "k", {})).rejects.toBeInstanceOf(InvalidNamespaceError);
    await expect(putItem(["langgraph"], "k", {})).rejects.toBeInstanceOf(InvalidNamespaceError);
    await isUntouched();
    await store.batch([{ namespace: ["langgraph", "x"], key: "k", value: { v: 2 } }]);
    expect(await store.search(["langgraph"])).toHaveLength(1);
    await store.delete(["langgraph", "x"], "k");
    await isUntouched();
  });

  it.each(NOT_JSON)("%s as a value", async (_case, value) => {
    const { put, putItem, batch, isUntouched } = await filled();
    await expect(put(["n"], "k", value)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(putItem(["n"], "k", value)).rejects.toBeInstanceOf(InvalidArgumentError);
    const good = { namespace: ["good"], key: "k", value: { v: 2 } };
    await expect(batch([good, { namespace: ["n"], key: "k", value }])).rejects.toBeInstanceOf(InvalidArgumentError);
    await isUntouched();
  });

  it.each(["", 1, null, undefined, "\0", "x".repeat(513)])("%j as a key", async (key) => {
    const { put, get, isUntouched } = await filled();
    await expect(put(["n"], key, {})).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(get(["n"], key)).rejects.toBeInstanceOf(InvalidArgumentError);
    await isUntouched();
  });

  it.each(FILTERS)("%s in a filter", async (_case, filter) => {
    const { search, searchPage, countItems, batch, isUntouched } = await filled();
    const put = { namespace: ["good"], key: "k", value: { v: 2 } };
    await expect(search([], { filter })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(searchPage([], { filter })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(countItems([], { filter })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(batch([put, { namespacePrefix: [], filter }])).rejects.toBeInstanceOf(InvalidArgumentError);
    await isUntouched();
  });

  it("numbers, conditions and operations that are none", async () => {
    const { put, putItem, updateItem, search, searchPage, list, batch, isUntouched } = await filled();
    const good = { namespace: ["good"], key: "k", value: { v: 2 } };
    const refused: Promise<unknown>[] = NUMBERS.filter((n) => n !== null).flatMap((n) => [
      search([], { limit: n }),
      search([], { offset: n }),
      list({ limit: n }),
      list({ offset: n }),
      list({ maxDepth: n }),
    ]);
    refused.push(
      ...[0, -1, Number.NaN, "1", Number.POSITIVE_INFINITY].map((ttl) => put(["n"], "k", {}, undefined, { ttl })),
      updateItem(["n"], "k", {}, { ttl: 0 }),
      updateItem(["before"], "k", { merge: { v: 1n } }),
      updateItem(["before"], "k", { merge: { v: 2 }, unset: ["v"] }),
      updateItem(["before"], "k", { set: { v: 2 } }),
      put(["n"], "k", {}, "title"),
      put(["n"], "k", {}, [1]),
      putItem(["n"], "k", {}, { index: true }),
      putItem(["n"], "k", {}, { unknown: true }),
      search([], { query: 1 }),
      searchPage([], { query: ["a"] }),
      list({ maxDepth: 0 }),
      batch([good, { matchConditions: [{ matchType: "middle", path: ["a"] }], limit: 1, offset: 0 }]),
      batch([good, { matchConditions: [{ matchType: "prefix", path: "a" }], limit: 1, offset: 0 }]),
      batch([good, {}]),
      batch([good, null]),
      batch([good, "get"]),
      batch("operations"),
    );
    await expectInvalid(refused);
    await expect(list({ prefix: ["a", ""] })).rejects.toBeInstanceOf(InvalidNamespaceError);
    await isUntouched();
  });
});

describe.each(BACKENDS)("with an index on %s", (_name, open) => {
  const vector = [1, 2];
  const WRONG: readonly (readonly [name: string, embed: (texts: string[]) => Promise<unknown>])[] = [
    ["a dimension too few", async (texts) => texts.map(() => [1])],
    ["a dimension too many in the last", async (texts) => texts.map((_, i) => (i === 0 ? vector : [1, 2, 3]))],
    ["a vector too few", async (texts) => texts.slice(1).map(() => vector)],
    ["no list", async () => "vectors"],
    ["vectors that are none", async (texts) => texts.map(() => ({ 0: 1, 1: 2, length: 2 }))],
    ["bytes", async (texts) => texts.map(() => new Uint8Array(2))],
  ];

  it.each(WRONG)("an embedder that gives %s", async (_case, embed) => {
    const storage = open();
    const store = new WaystoneStore(storage, {
      index: { dims: 2, embed: embed as StoreIndex["embed"], fields: ["a"] },
    });
    const put = (key: string) => ({ namespace: ["n"], key, value: { a: key } });
    await expect(store.batch([put("x"), put("y"), { namespacePrefix: [], query: "z" }])).rejects.toBeInstanceOf(
      InvalidArgumentError,
    );
    await expect(store.batch([put("x"), put("y")])).rejects.toBeInstanceOf(InvalidArgumentError);
    expect(await storage.countItems([])).toBe(0);
  });

  it("an embedder that fails, and values that are no JSON before it is asked", async () => {
    const storage = open();
    const failure = new Error("the model is away");
    let asked = 0;
    const embed = async () => {
      asked += 1;
      throw failure;
    };
    const store = new WaystoneStore(storage, { index: { dims: 2, embed } });
    for (const [, value] of NOT_JSON) {
      await expect(loose(store).put(["n"], "k", value)).rejects.toBeInstanceOf(InvalidArgumentError);
    }
    expect(asked).toBe(0);
    await expect(store.put(["n"], "k", { v: 1 })).rejects.toBe(failure);
    await expect(store.search([], { query: "x" })).rejects.toBe(failure);
    expect(await storage.countItems([])).toBe(0);
  });
});

it("a namespace is refused where LangGraph refuses it, and only there", () => {
  const label = fc.oneof(
    fc.constantFrom("a", "langgraph", "", ".", ":", "a.b", "a:b", "\0", "*", " ", 1, null, undefined),
    fc.string({ unit: "grapheme", maxLength: 3 }),
  );
  const uses = [
    ["own", {}],
    ["any", { allowReservedRoot: true }],
    ["prefix", { allowReservedRoot: true, allowEmpty: true }],
  ] as const;
  fc.assert(
    fc.property(fc.array(label, { maxLength: 3 }), (namespace) => {
      for (const [use, options] of uses) {
        const theirs = thrownBy(() => validateNamespace(namespace as string[], options));
        const ours = thrownBy(() => checkNamespace(namespace, use));
        expect((ours as Error | undefined)?.constructor).toBe((theirs as Error | undefined)?.constructor);
      }
    }),
    { numRuns: 500 },
  );
});

it("options that are wrong", () => {
  for (const ttl of [{ defaultTtl: 0 }, { defaultTtl: -1 }, { defaultTtl: Number.NaN }]) {
    expect(() => new WaystoneStore(memoryStorage(), { ttl })).toThrow(InvalidArgumentError);
  }
  const embed = async (texts: string[]) => texts.map(() => [1, 2]);
  const wrong: readonly unknown[] = [
    { dims: 0, embed },
    { dims: 1.5, embed },
    { dims: 2 },
    { dims: 2, embed: { embedDocuments: embed } },
    { dims: 2, embed, fields: "title" },
    { dims: 2, embed, fields: [1] },
    { dims: 2, embed, distance: "manhattan" },
  ];
  for (const index of wrong) {
    expect(() => new WaystoneStore(memoryStorage(), { index: index as StoreIndex })).toThrow(InvalidArgumentError);
  }
});

function loose(store: WaystoneStore) {
  const bound = (verb: (...args: never[]) => Promise<unknown>): Loose => verb.bind(store) as Loose;
  return {
    put: bound(store.put),
    putItem: bound(store.putItem),
    updateItem: bound(store.updateItem),
    countItems: bound(store.countItems),
    batch: bound(store.batch as (operations: Operation[]) => Promise<unknown>),
    get: bound(store.get),
    remove: bound(store.delete),
    search: bound(store.search),
    searchPage: bound(store.searchPage),
    list: bound(store.listNamespaces),
    deleteItems: bound(store.deleteItems),
  };
}

function thrownBy(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function expectInvalid(refused: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(refused);
  expect(outcomes).toEqual(outcomes.map(() => ({ status: "rejected", reason: expect.any(InvalidArgumentError) })));
}

async function contents(store: WaystoneStore): Promise<unknown[]> {
  return (await store.search([])).map(({ key, value }) => [key, value]);
}
