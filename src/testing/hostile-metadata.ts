/** Metadata that must come back as it was, and what is no metadata (V2). */
import type { MetadataInput } from "../contract/json.js";
import type { NamedValue } from "./hostile-values.js";

/** Plain JSON objects, kept exactly. */
export const KEPT_METADATA: MetadataInput = {
  text: 'a"b\\c\n\u2028\u{1f600}\u00e9e\u0301',
  empty: "",
  "": "empty key",
  int: 1,
  negative: -7,
  float: 0.1,
  large: 1.7976931348623157e308,
  small: 5e-324,
  exact: 2 ** 53 - 1,
  yes: true,
  no: false,
  nothing: null,
  list: [1, "a", null, [true, {}], { deep: [{ deeper: [] }] }],
  object: { a: { b: { c: null } }, "": "", "x.y": 1 },
  "a.b": "dot",
  "a[0]": "bracket",
  'quo"te': "quote",
  "it's": "apostrophe",
  "%_*?": "pattern",
  $where: "operator",
  "$.a": "path",
  constructor: "constructor",
  toString: "toString",
  "\u{1f600}": "emoji",
  "1": "numeric key",
  ...JSON.parse('{"__proto__":{"polluted":true}}'),
};

/** Objects that no backend may store as metadata. */
export const REFUSED_METADATA: readonly NamedValue[] = [
  ["null", () => null],
  ["a string", () => "a"],
  ["a number", () => 1],
  ["an array", () => [1]],
  ["a Map", () => new Map([["a", 1]])],
  ["a Date", () => new Date(0)],
  [
    "a class instance",
    () =>
      new (class Tags {
        readonly a = 1;
      })(),
  ],
  ["a function", () => () => 1],
  ["NUL in a value", () => ({ a: "x\0y" })],
  ["NUL in a deep value", () => ({ a: [{ b: "\0" }] })],
  ["NUL in a key", () => ({ "a\0": 1 })],
  ["NUL in a deep key", () => ({ a: { "\0": 1 } })],
  ["a lone surrogate in a value", () => ({ a: "\ud800" })],
  ["a lone surrogate in a key", () => ({ "\udc00": 1 })],
  ["a lone surrogate in a deep value", () => ({ a: [["x\udfff"]] })],
  ["NaN", () => ({ a: Number.NaN })],
  ["negative zero", () => ({ a: -0 })],
  ["Infinity", () => ({ a: [Number.POSITIVE_INFINITY] })],
  ["a bigint", () => ({ a: 1n })],
  ["a Date inside", () => ({ a: new Date(0) })],
  ["a Map inside", () => ({ a: { b: new Map() } })],
  ["bytes inside", () => ({ a: new Uint8Array([1]) })],
  ["a function inside", () => ({ a: () => 1 })],
  ["a symbol inside", () => ({ a: Symbol("s") })],
  ["an undefined in an array", () => ({ a: [undefined] })],
  ["an object that turns into JSON", () => ({ a: { toJSON: () => 1 } })],
  [
    "a cycle",
    () => {
      const a: Record<string, unknown> = {};
      a.a = a;
      return a;
    },
  ],
];
