// Item filters: each operator has one meaning; what is not known is refused (M2).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/contract/errors.js";
import type { JsonObject, JsonScalar, JsonValue } from "../../src/contract/json.js";
import { compileItemFilter } from "../../src/domain/item-filter.js";
import { encodeItemValue } from "../../src/domain/items.js";

/** The same of a value and of its stored text. */
function matches(value: JsonObject, filter: unknown): boolean {
  const compiled = compileItemFilter(filter);
  const found = compiled.matches(value);
  expect(compiled.matchesText(encodeItemValue(value))).toBe(found);
  return found;
}

describe("item filters (M2)", () => {
  it("a stored text matches as its value does", () => {
    // No lone backslash: after such a key, the JSON.parse of Node.js 24 takes "\n" in the same place for it.
    const text = fc.constantFrom("", "a", '"', '":1', "é", "\u2028", "\n", "😀", '"a":1');
    const scalar = fc.oneof(text, fc.constantFrom<JsonScalar[]>(0, 1, 10, -1, 1.5, 1e21, 1e-7, true, false, null));
    const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
      json: fc.oneof(
        { depthSize: "small" },
        scalar,
        fc.array(tie("json"), { maxLength: 2 }),
        fc.dictionary(text, tie("json"), { maxKeys: 2, noNullPrototype: true }),
      ),
    }));
    const value = fc.dictionary(text, json, { maxKeys: 3, noNullPrototype: true });
    const comparison = fc.oneof(
      scalar,
      fc.record({ $eq: json }),
      fc.record({ $ne: json }),
      fc.record({ $in: fc.array(json, { maxLength: 2 }) }),
      fc.record({ $nin: fc.array(json, { maxLength: 2 }) }),
      fc.record({ $gte: fc.oneof(text, fc.constantFrom(0, 1)) }),
      fc.record({ $exists: fc.boolean() }),
    );
    const filter = fc.dictionary(text, comparison, { minKeys: 1, maxKeys: 2, noNullPrototype: true });
    fc.assert(
      fc.property(value, filter, fc.boolean(), (any, asked, own) => {
        // Half of the filters ask for what is there.
        const [first] = Object.entries(any);
        matches(any, own && first !== undefined ? { [first[0]]: { $eq: first[1] } } : asked);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ["a scalar means $eq", { a: 1 }, { a: 1 }, true],
    ["every key must match", { a: 1, b: 2 }, { a: 1, b: 3 }, false],
    ["every operator must match", { a: 5 }, { a: { $gt: 1, $lt: 5 } }, false],
    ["no condition matches", {}, {}, true],
    ["$eq of an object ignores the order of keys", { a: { x: 1, y: [2] } }, { a: { $eq: { y: [2], x: 1 } } }, true],
    ["$eq of an object needs all keys", { a: { x: 1, y: 2 } }, { a: { $eq: { x: 1 } } }, false],
    ["$eq of an array is item by item", { a: [1, 2] }, { a: { $eq: [2, 1] } }, false],
    ["$eq of an array needs the length", { a: [1, 2] }, { a: { $eq: [1] } }, false],
    ["$eq does not take an array for an object", { a: [] }, { a: { $eq: {} } }, false],
    ["$eq does not look into arrays", { a: [1] }, { a: 1 }, false],
    ["$eq knows types", { a: "1" }, { a: 1 }, false],
    ["$eq null is not missing", {}, { a: null }, false],
    ["$eq null matches null", { a: null }, { a: null }, true],
    ["$ne", { a: 1 }, { a: { $ne: 1 } }, false],
    ["$ne of a missing key", {}, { a: { $ne: 1 } }, true],
    ["$ne null of a missing key", {}, { a: { $ne: null } }, true],
    ["$gt of numbers", { a: 2 }, { a: { $gt: 1 } }, true],
    ["$gt excludes equals", { a: 1 }, { a: { $gt: 1 } }, false],
    ["$gte includes equals", { a: 1 }, { a: { $gte: 1 } }, true],
    ["$lt excludes equals", { a: 1 }, { a: { $lt: 1 } }, false],
    ["$lte includes equals", { a: "b" }, { a: { $lte: "b" } }, true],
    ["$lt of strings is by code point", { a: "\uffff" }, { a: { $lt: "😀" } }, true],
    ["a number and a string do not compare", { a: 2 }, { a: { $gt: "1" } }, false],
    ["nor the other way round", { a: 2 }, { a: { $lt: "1" } }, false],
    ["null does not compare", { a: null }, { a: { $lte: 0 } }, false],
    ["true does not compare", { a: true }, { a: { $gte: 1 } }, false],
    ["an array does not compare", { a: [1] }, { a: { $gte: 1 } }, false],
    ["a missing key does not compare", {}, { a: { $lt: 1 } }, false],
    ["$in", { a: 2 }, { a: { $in: [1, 2] } }, true],
    ["$in compares objects as wholes", { a: { x: 1 } }, { a: { $in: [{ x: 1 }] } }, true],
    ["$in of nothing", { a: 1 }, { a: { $in: [] } }, false],
    ["$in of a missing key", {}, { a: { $in: [null] } }, false],
    ["$nin", { a: 2 }, { a: { $nin: [1, 2] } }, false],
    ["$nin of nothing", { a: 1 }, { a: { $nin: [] } }, true],
    ["$nin of a missing key", {}, { a: { $nin: [1] } }, true],
    ["$exists true", { a: null }, { a: { $exists: true } }, true],
    ["$exists true of a missing key", {}, { a: { $exists: true } }, false],
    ["$exists false of a missing key", {}, { a: { $exists: false } }, true],
    ["inherited keys are missing", {}, { toString: { $exists: true } }, false],
    ["a dot is a character", { a: { b: 1 } }, { "a.b": 1 }, false],
    ["an operand that is undefined is no condition", { a: 3 }, { a: { $gt: undefined, $lt: 5 } }, true],
  ] as [string, JsonObject, unknown, boolean][])("%s", (_name, value, filter, expected) => {
    expect(matches(value, filter)).toBe(expected);
  });

  it("find a key named __proto__", () => {
    const own = JSON.parse('{"__proto__":1}');
    expect(matches(own, own)).toBe(true);
    expect(matches({}, own)).toBe(false);
  });

  it.each([
    ["an unknown operator", { a: { $regex: "x" } }, 'filter."a" has no operator "$regex"; the known ones are $eq'],
    ["an operator beside a field", { a: { $gt: 1, b: 2 } }, 'has no operator "b"'],
    ["a comparison without operator", { a: {} }, 'filter."a" must have an operator'],
    ["a comparison whose operands are all undefined", { a: { $gt: undefined } }, "must have an operator"],
    ["a bare array", { a: [1] }, 'filter."a" must be a plain object, not an array'],
    ["undefined", { a: undefined }, 'filter."a" must be'],
    ["a Date", { a: new Date() }, "plain object"],
    ["an order of booleans", { a: { $gt: true } }, 'filter."a".$gt must be a string or a number'],
    ["an order of null", { a: { $lte: null } }, "must be a string or a number"],
    ["an order of NaN", { a: { $lte: Number.NaN } }, "finite"],
    ["$in without an array", { a: { $in: "abc" } }, 'filter."a".$in must be an array'],
    ["$exists without a boolean", { a: { $exists: 1 } }, 'filter."a".$exists must be a boolean'],
    ["NaN inside", { a: { $eq: { b: [Number.NaN] } } }, "$eq.b[0]"],
    ["undefined inside", { a: { $in: [undefined] } }, "$in[0]"],
    ["a Date inside", { a: { $ne: [new Date()] } }, "$ne[0]"],
    ["NUL", { a: "\0" }, "NUL"],
    ["a lone surrogate in a key", { "\ud800": 1 }, "surrogate"],
    ["no object", [], "filter must be a plain object"],
  ] as [string, unknown, string][])("refuse %s", (_what, filter, message) => {
    expect(() => compileItemFilter(filter)).toThrow(InvalidArgumentError);
    expect(() => compileItemFilter(filter)).toThrow(message);
  });

  it("keep their own copy of the operands", () => {
    const operand = { x: [1] };
    const filter = compileItemFilter({ a: { $eq: operand } });
    operand.x.push(2);
    expect(filter.matches({ a: { x: [1] } })).toBe(true);
  });

  it("describe themselves for stores that filter: in the order of keys, scalars as $eq", () => {
    expect(compileItemFilter({ b: { $gte: 1, $lt: 9 }, a: "x" }).conditions).toEqual([
      { key: "a", operator: "$eq", operand: "x" },
      { key: "b", operator: "$gte", operand: 1 },
      { key: "b", operator: "$lt", operand: 9 },
    ]);
  });
});
