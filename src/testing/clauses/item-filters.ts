/** Filters over items: every operator with one meaning on every backend (M2). */
import type { ItemFilter } from "../../contract/item-storage.js";
import type { JsonValue } from "../../contract/json.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, refused } from "../assertions.js";
import { type ClauseGroup, type ClauseOptions, clauseGroup } from "../clause.js";

/** One item a kind of value under the key `v`, and one without it. */
const VALUES: { readonly [key: string]: JsonValue | undefined } = {
  zero: 0,
  one: 1,
  two: 2,
  half: 0.5,
  minus: -1,
  text0: "0",
  text1: "1",
  empty: "",
  upper: "B",
  lower: "b",
  bmp: "\uffee",
  emoji: "\u{1f600}",
  yes: true,
  no: false,
  null: null,
  list: [1, 2],
  emptyList: [],
  object: { a: 1, b: [1] },
  emptyObject: {},
  missing: undefined,
};

const ALL = Object.keys(VALUES);

const FILTERS: ClauseOptions = { needs: ["itemFilters"] };

export const itemFilterClauses: ClauseGroup = clauseGroup("item filters", (clause) => {
  clause("M2 a scalar means $eq, and types are told apart", FILTERS, async ({ storage }) => {
    await putValues(storage);
    const cases: [ItemFilter, string[]][] = [
      [{ v: 1 }, ["one"]],
      [{ v: "1" }, ["text1"]],
      [{ v: 0 }, ["zero"]],
      [{ v: false }, ["no"]],
      [{ v: true }, ["yes"]],
      [{ v: null }, ["null"]],
      [{ v: "" }, ["empty"]],
      [{ v: "B" }, ["upper"]],
      [{ v: "absent" }, []],
      [{}, ALL],
    ];
    await finds(storage, cases);
  });

  clause(
    "M2 $eq compares JSON values as wholes, objects whatever the order of their keys",
    FILTERS,
    async ({ storage }) => {
      await putValues(storage);
      await finds(storage, [
        [{ v: { $eq: 1 } }, ["one"]],
        [{ v: { $eq: [1, 2] } }, ["list"]],
        [{ v: { $eq: [2, 1] } }, []],
        [{ v: { $eq: [1] } }, []],
        [{ v: { $eq: [] } }, ["emptyList"]],
        [{ v: { $eq: {} } }, ["emptyObject"]],
        [{ v: { $eq: { a: 1, b: [1] } } }, ["object"]],
        [{ v: { $eq: { b: [1], a: 1 } } }, ["object"]],
        [{ v: { $eq: { a: 1 } } }, []],
        [{ v: { $eq: null } }, ["null"]],
        [{ v: { $eq: "null" } }, []],
      ]);
    },
  );

  clause(
    "M2 $ne is the contrary of $eq, and a missing key is different from every value",
    FILTERS,
    async ({ storage }) => {
      await putValues(storage);
      await finds(storage, [
        [{ v: { $ne: 1 } }, ALL.filter((key) => key !== "one")],
        [{ v: { $ne: null } }, ALL.filter((key) => key !== "null")],
        [{ v: { $ne: [1, 2] } }, ALL.filter((key) => key !== "list")],
        [{ v: { $ne: "absent" } }, ALL],
      ]);
    },
  );

  clause("M2 $gt, $gte, $lt and $lte order two numbers", FILTERS, async ({ storage }) => {
    await putValues(storage);
    await finds(storage, [
      [{ v: { $gt: 0 } }, ["half", "one", "two"]],
      [{ v: { $gte: 0 } }, ["zero", "half", "one", "two"]],
      [{ v: { $lt: 1 } }, ["zero", "half", "minus"]],
      [{ v: { $lte: 1 } }, ["zero", "one", "half", "minus"]],
      [{ v: { $gt: 0, $lt: 2 } }, ["one", "half"]],
      [{ v: { $gte: 1, $lte: 1 } }, ["one"]],
      [{ v: { $gt: 2 } }, []],
      [{ v: { $gt: -1000 } }, ["zero", "one", "two", "half", "minus"]],
    ]);
  });

  clause(
    "M2 $gt, $gte, $lt and $lte order two strings by code point, and nothing else",
    FILTERS,
    async ({ storage }) => {
      await putValues(storage);
      await finds(storage, [
        [{ v: { $gt: "B" } }, ["lower", "bmp", "emoji"]],
        [{ v: { $gte: "B" } }, ["upper", "lower", "bmp", "emoji"]],
        [{ v: { $gt: "\uffee" } }, ["emoji"]],
        [{ v: { $lt: "\u{1f600}" } }, ["text0", "text1", "empty", "upper", "lower", "bmp"]],
        [{ v: { $lt: "1" } }, ["text0", "empty"]],
        [{ v: { $lte: "" } }, ["empty"]],
        [{ v: { $gte: "" } }, ["text0", "text1", "empty", "upper", "lower", "bmp", "emoji"]],
      ]);
    },
  );

  clause("M2 $in and $nin look for one of the values, whole", FILTERS, async ({ storage }) => {
    await putValues(storage);
    const some = ["one", "text1", "null", "list"];
    const list: JsonValue[] = [1, "1", null, [1, 2], "absent"];
    await finds(storage, [
      [{ v: { $in: list } }, some],
      [{ v: { $nin: list } }, ALL.filter((key) => !some.includes(key))],
      [{ v: { $in: [] } }, []],
      [{ v: { $nin: [] } }, ALL],
      [{ v: { $in: [{ b: [1], a: 1 }] } }, ["object"]],
      [{ v: { $in: [true, 0] } }, ["zero", "yes"]],
    ]);
  });

  clause("M2 $exists tells a missing key from one that is null", FILTERS, async ({ storage }) => {
    await putValues(storage);
    await finds(storage, [
      [{ v: { $exists: true } }, ALL.filter((key) => key !== "missing")],
      [{ v: { $exists: false } }, ["missing"]],
      [{ v: { $exists: true, $ne: null } }, ALL.filter((key) => key !== "missing" && key !== "null")],
      [{ other: { $exists: false } }, ALL],
    ]);
  });

  clause("M2 every operator of a key and every key must match", FILTERS, async ({ storage }) => {
    await storage.putItem(["n"], "a", { x: 1, y: "a" });
    await storage.putItem(["n"], "b", { x: 5, y: "a" });
    await storage.putItem(["n"], "c", { x: 5, y: "b" });
    await finds(storage, [
      [{ x: 5, y: "a" }, ["b"]],
      [{ x: { $gte: 1, $lt: 5 }, y: { $in: ["a", "b"] } }, ["a"]],
      [{ x: { $gt: 1, $ne: 5 } }, []],
      [{ x: 5, y: { $ne: "a" } }, ["c"]],
      [{ x: 5, z: null }, []],
    ]);
  });

  clause("M2 filter keys are literal and reach top-level keys alone", FILTERS, async ({ storage }) => {
    const keys = [
      "a.b",
      "a[0]",
      'quo"te',
      "it's",
      "",
      "%",
      "$.a",
      "__proto__",
      "constructor",
      "toString",
      "length",
      "\u{1f600}",
      "1",
      "a b",
    ];
    for (const key of keys) await storage.putItem(["n"], `key ${key}`, Object.fromEntries([[key, key]]));
    await storage.putItem(["n"], "nested", { a: { b: 1 } });
    for (const key of keys) await finds(storage, [[Object.fromEntries([[key, key]]), [`key ${key}`]]]);
    await finds(storage, [
      [{ "a.b": 1 }, []],
      [{ a: { $eq: { b: 1 } } }, ["nested"]],
      [{ hasOwnProperty: { $exists: true } }, []],
    ]);
  });

  clause("M2 texts of filters are literal", FILTERS, async ({ storage }) => {
    const texts = ["%", "_", "a%", "a", "*", "' OR 1=1 --", '"', "\\", "\u00e9", "e\u0301", "$ne", "null"];
    for (const [index, text] of texts.entries()) await storage.putItem(["n"], `k${index}`, { v: text });
    for (const [index, text] of texts.entries()) {
      await finds(storage, [
        [{ v: text }, [`k${index}`]],
        [{ v: { $in: [text] } }, [`k${index}`]],
      ]);
    }
  });

  clause("M2 numbers compare to the last bit", FILTERS, async ({ storage }) => {
    const numbers = [0.1 + 0.2, 0.3, 2 ** 53 - 1, 2 ** 53, 1e308, 5e-324, -(2 ** 53)];
    for (const [index, v] of numbers.entries()) await storage.putItem(["n"], `k${index}`, { v });
    for (const [index, v] of numbers.entries()) await finds(storage, [[{ v }, [`k${index}`]]]);
    await finds(storage, [
      [{ v: { $gt: 0.3, $lt: 1 } }, ["k0"]],
      [{ v: { $gte: 2 ** 53, $lt: 1e300 } }, ["k3"]],
      [{ v: { $gt: 0, $lt: 1e-300 } }, ["k5"]],
    ]);
  });

  clause(
    "M2 anything else is refused: operators, operands and shapes that are not known",
    FILTERS,
    async ({ storage }) => {
      await putValues(storage);
      const filters: unknown[] = [
        { v: { $like: "a" } },
        { v: { $regex: "a" } },
        { v: { eq: 1 } },
        { v: {} },
        { v: [] },
        { v: [1] },
        { v: undefined },
        { v: { $gt: null } },
        { v: { $gt: true } },
        { v: { $gt: [1] } },
        { v: { $lt: {} } },
        { v: { $gte: Number.NaN } },
        { v: { $in: 1 } },
        { v: { $in: "abc" } },
        { v: { $in: [() => 1] } },
        { v: { $nin: {} } },
        { v: { $exists: 1 } },
        { v: { $exists: "true" } },
        { v: { $eq: undefined } },
        { v: { $eq: new Date(0) } },
        { v: { $eq: 1n } },
        { v: { $ne: Number.POSITIVE_INFINITY } },
        { v: Number.NaN },
        { v: new Date(0) },
        { v: { $eq: 1, $like: "a" } },
        { $or: [{ v: 1 }] },
        { $and: [] },
        [],
        "v",
        1,
        null,
      ];
      for (const filter of filters) {
        await refused(storage.searchItems(["n"], { filter: filter as ItemFilter }), `the filter ${label(filter)}`);
      }
    },
  );
});

async function putValues(storage: StorageBackend): Promise<void> {
  for (const [key, v] of Object.entries(VALUES)) await storage.putItem(["n"], key, v === undefined ? {} : { v });
}

async function finds(
  storage: StorageBackend,
  cases: readonly (readonly [ItemFilter, readonly string[]])[],
): Promise<void> {
  for (const [filter, keys] of cases) {
    const { items } = await storage.searchItems(["n"], { filter, limit: 1_000 });
    equal(items.map((item) => item.key).sort(), [...keys].sort(), label(filter));
  }
}
