// The same random programs on LangGraph's own store and on ours, on every backend: every result is the same.
import type {
  Item,
  ListNamespacesOperation,
  Operation,
  PutOperation,
  SearchItem,
  SearchOperation,
} from "@langchain/langgraph-checkpoint";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WaystoneStore } from "../../../../src/adapters/langgraph/index.js";
import { BACKENDS } from "../backends.js";
import { RepairedInMemoryStore } from "./oracle.js";

const ALL = 1_000;

// Lowercase letters only: LangGraph's store sorts by locale, ours by code point, and here both agree.
const label = fc.constantFrom("a", "ab", "b", "user", "v");
const namespace = fc.array(label, { minLength: 1, maxLength: 4 });
const key = fc.constantFrom("k", "k1", "k:1", "x.y");
const scalar = fc.constantFrom("red", "blue", "", true, false, null, 0, 1);
const value = fc.record(
  { n: fc.integer({ min: -3, max: 3 }), s: scalar, deep: fc.record({ list: fc.array(scalar, { maxLength: 2 }) }) },
  { requiredKeys: [] },
);
const comparison = fc.oneof(
  fc.record(
    {
      $gt: fc.integer({ min: -3, max: 3 }),
      $gte: fc.integer({ min: -3, max: 3 }),
      $lt: fc.integer({ min: -3, max: 3 }),
      $lte: fc.integer({ min: -3, max: 3 }),
      $ne: fc.integer({ min: -3, max: 3 }),
    },
    { requiredKeys: [] },
  ),
  fc.record({ $eq: fc.integer({ min: -3, max: 3 }) }),
);
const choice = fc.oneof(
  fc.record({ $in: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ $nin: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ $eq: scalar }),
  fc.record({ $ne: scalar }),
  scalar,
  fc.constant(undefined),
);
const filter = fc.record(
  { n: comparison.filter((operators) => Object.keys(operators).length > 0), s: choice },
  { requiredKeys: [] },
);
const prefix = fc.oneof(fc.constant<string[]>([]), fc.array(label, { maxLength: 2 }));
const path = fc.array(fc.oneof(label, fc.constant("*" as const)), { minLength: 1, maxLength: 3 });
const condition = fc.record({ matchType: fc.constantFrom("prefix" as const, "suffix" as const), path });

const put = fc.record({ namespace, key, value: fc.oneof({ weight: 4, arbitrary: value }, fc.constant(null)) });
const get = fc.record({ namespace, key });
const search = fc
  .record({
    namespacePrefix: prefix,
    filter: fc.option(filter, { nil: undefined }),
    limit: fc.oneof(fc.constant(ALL), fc.integer({ min: 0, max: 4 })),
    offset: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 })),
    query: fc.constantFrom(undefined, "no index, no meaning"),
  })
  .map(
    ({ filter: wanted, query, ...rest }): SearchOperation => ({
      ...rest,
      ...(wanted === undefined ? {} : { filter: wanted }),
      ...(query === undefined ? {} : { query }),
    }),
  );
const list = fc
  .record({
    matchConditions: fc.option(fc.array(condition, { maxLength: 3 }), { nil: undefined }),
    maxDepth: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    limit: fc.oneof(fc.constant(100), fc.integer({ min: 0, max: 3 })),
    offset: fc.integer({ min: 0, max: 2 }),
  })
  .map(
    ({ matchConditions, maxDepth, ...rest }) =>
      ({ matchConditions, ...(maxDepth === undefined ? {} : { maxDepth }), ...rest }) as ListNamespacesOperation,
  );
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: put as fc.Arbitrary<PutOperation> },
  { weight: 2, arbitrary: get },
  { weight: 3, arbitrary: search },
  { weight: 2, arbitrary: list },
);
const program = fc.array(fc.array(operation, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 });

describe.each(BACKENDS)("on %s", (_name, open) => {
  it("every program gives what LangGraph's own store gives", { timeout: 120_000 }, async () => {
    const storage = open();
    let run = 0;
    const seed = Math.floor(Math.random() * 2 ** 31);
    await fc.assert(
      fc.asyncProperty(program, async (batches) => {
        run += 1;
        const ours = new WaystoneStore(storage.tenant(`run-${run}`));
        const theirs = new RepairedInMemoryStore();
        for (const operations of batches) {
          const before = await everything(theirs, operations);
          const expected = await theirs.batch(operations);
          const given = await ours.batch(operations);
          expect(given).toHaveLength(operations.length);
          operations.forEach((each, i) => {
            if ("value" in each) expect(given[i]).toBeUndefined();
            else if ("namespacePrefix" in each) compareSearch(each, given[i], expected[i], before[i] ?? []);
            else if ("namespace" in each) expect(content(given[i])).toEqual(content(expected[i]));
            else expect(given[i]).toEqual(expected[i]);
          });
        }
      }),
      { numRuns: 150, seed },
    );
  });
});

/** For each search all that it could find, whatever its limit. */
async function everything(store: RepairedInMemoryStore, operations: readonly Operation[]): Promise<SearchItem[][]> {
  return Promise.all(
    operations.map(async (each) => {
      if (!("namespacePrefix" in each)) return [];
      const [found] = await store.batch([{ ...each, limit: ALL, offset: 0 }]);
      return found as SearchItem[];
    }),
  );
}

/** LangGraph orders nothing without a query: a page must have the right size and hold only what matches, each once. */
function compareSearch({ limit = 10, offset = 0 }: SearchOperation, given: unknown, expected: unknown, all: Item[]) {
  const found = contents(given);
  const matching = contents(all);
  expect(found).toHaveLength(contents(expected).length);
  expect(found).toHaveLength(Math.max(0, Math.min(limit, matching.length - offset)));
  expect(new Set(found).size).toBe(found.length);
  expect(found.filter((item) => !matching.includes(item))).toEqual([]);
}

function contents(items: unknown): string[] {
  return (items as Item[]).map((item) => JSON.stringify(content(item))).sort();
}

/** What of an item does not depend on the clock; keys of values in one order. */
function content(item: unknown): unknown {
  if (item === null) return null;
  const { namespace: labels, key: name, value: stored } = item as Item;
  return [labels, name, Object.entries(stored).sort(([a], [b]) => (a < b ? -1 : 1))];
}
