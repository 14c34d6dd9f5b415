// Metadata filters: equality of own top-level keys with scalars, anything else refused (S7).
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/contract/errors.js";
import { matchesMetadata, parseMetadataFilter } from "../../src/domain/metadata-filter.js";

const matches = (metadata: unknown, filter: unknown) =>
  matchesMetadata(JSON.stringify(metadata), parseMetadataFilter(filter));

describe("metadata filters (S7)", () => {
  it("match when every key is equal", () => {
    const metadata = { app: "a", n: 1, on: false, none: null };
    expect(matches(metadata, { app: "a", n: 1, on: false, none: null })).toBe(true);
    expect(matches(metadata, { app: "a", n: 2 })).toBe(false);
    expect(matches(metadata, {})).toBe(true);
    expect(matches(metadata, undefined)).toBe(true);
  });

  it.each([
    [{ a: 1 }, { a: "1" }],
    [{ a: 0 }, { a: false }],
    [{ a: 0 }, { a: null }],
    [{}, { a: null }],
    [{ a: { b: 1 } }, { "a.b": 1 }],
    [{ a: [1] }, { a: 1 }],
    [{ A: 1 }, { a: 1 }],
    [{}, { constructor: null }],
    [{}, { toString: "x" }],
  ])("do not take %j for a match of %j", (metadata, filter) => {
    expect(matches(metadata, filter)).toBe(false);
  });

  it("find a key named __proto__ only where it is an own one", () => {
    const filter = JSON.parse('{"__proto__":"p"}');
    expect(matchesMetadata('{"__proto__":"p"}', parseMetadataFilter(filter))).toBe(true);
    expect(matchesMetadata("{}", parseMetadataFilter(filter))).toBe(false);
  });

  it("take -0 for 0, which is what JSON stores", () => {
    expect(matches({ a: 0 }, { a: -0 })).toBe(true);
    expect(Object.is(parseMetadataFilter({ a: -0 })[0]?.[1], 0)).toBe(true);
  });

  it("are in the order of their keys by code point", () => {
    expect(parseMetadataFilter({ "😀": 1, "\uffff": 2, a: 3 }).map(([key]) => key)).toEqual(["a", "\uffff", "😀"]);
  });

  it.each([
    [[]],
    [null],
    ["a"],
    [new Map()],
    [{ a: undefined }],
    [{ a: {} }],
    [{ a: [1] }],
    [{ a: Number.NaN }],
    [{ a: 1n }],
    [{ a: new Date() }],
    [{ a: "\0" }],
    [{ a: "\ud800" }],
    [{ "\0": 1 }],
    [{ [Symbol("a")]: 1 }],
  ])("refuse %s", (filter) => {
    expect(() => parseMetadataFilter(filter)).toThrow(InvalidArgumentError);
  });

  it("name the key that they refuse", () => {
    expect(() => parseMetadataFilter({ a: 1, b: { c: 1 } })).toThrow(
      'metadata."b" must be a string, number, boolean or null, not an object',
    );
  });
});
