// Stored text that is damaged, hostile or newer: a CorruptionError, never another error, a hang or a made-up kind (V3).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptionError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue } from "../../../src/domain/codec/codec.js";
import { nodeKind } from "./arbitraries.js";
import { nested, thrownBy } from "./probes.js";
import { plainValues, taggedValues } from "./values.js";

const node = (kind: unknown, ...value: unknown[]): unknown =>
  value.length === 0 ? { $: kind } : { $: kind, value: value[0] };

const error = (changes: object): unknown => node("Error", { type: "Error", fields: {}, properties: {}, ...changes });

const damagedNodes: [string, unknown][] = [
  ["a kind that is unknown", node("Function", "return process")],
  ["a kind named as a property of objects", node("__proto__", {})],
  ["a kind named as a class of the runtime", node("Promise", {})],
  ["a kind that is no string", node(1, 2)],
  ["a kind that is a node", node(node("undefined"), 2)],
  ["a node with further keys", { $: "Date", value: null, extra: 1 }],
  ["a node without payload", node("Date")],
  ["undefined with a payload", node("undefined", null)],
  ["a number that JSON can say", node("number", "1")],
  ["a number that is no text", node("number", 1)],
  ["a number named as a property of objects", node("number", "toString")],
  ["a bigint with a space", node("bigint", " 1")],
  ["a bigint with a leading zero", node("bigint", "01")],
  ["a negative zero bigint", node("bigint", "-0")],
  ["a bigint with two signs", node("bigint", "--1")],
  ["an empty bigint", node("bigint", "")],
  ["a short bigint in hexadecimal", node("bigint", "0xff")],
  ["a bigint in octal", node("bigint", "0o17")],
  ["a long bigint in decimal", node("bigint", "9".repeat(400))],
  ["a bigint that is a number", node("bigint", 1)],
  ["a Date of another form", node("Date", "2026-01-31")],
  ["a Date beyond the calendar", node("Date", "2026-02-30T00:00:00.000Z")],
  ["a Date of text", node("Date", "yesterday")],
  ["a Date of a number", node("Date", 0)],
  ["a RegExp that does not parse", node("RegExp", ["(", "", 0])],
  ["a RegExp with unknown flags", node("RegExp", ["a", "q", 0])],
  ["a RegExp with flags in another order", node("RegExp", ["a", "ig", 0])],
  ["a RegExp with an unescaped slash", node("RegExp", ["a/b", "", 0])],
  ["a RegExp with a strange lastIndex", node("RegExp", ["a", "", "0"])],
  ["a RegExp of two parts", node("RegExp", ["a", ""])],
  ["a RegExp of text", node("RegExp", "a")],
  ["a URL that does not parse", node("URL", "not a url")],
  ["a URL of another form", node("URL", "HTTP://EXAMPLE.com")],
  ["a URL of a number", node("URL", 1)],
  ["bytes that are not base64", node("Uint8Array", "!!!!")],
  ["bytes with a space", node("Uint8Array", "AQ I=")],
  ["bytes in the alphabet of URLs", node("Buffer", "_-__")],
  ["bytes without padding", node("Uint8Array", "AQI")],
  ["bytes with bits left over", node("Uint8Array", "AQJ=")],
  ["bytes of a list", node("ArrayBuffer", [1, 2])],
  ["a typed array of the wrong length", node("Float64Array", "AQID")],
  ["a typed array of another wrong length", node("Uint16Array", "AQ==")],
  ["a Map of an object", node("Map", { a: 1 })],
  ["a Map of single items", node("Map", [["a"]])],
  ["a Map of triples", node("Map", [["a", 1, 2]])],
  [
    "a Map with a key twice",
    node("Map", [
      ["a", 1],
      ["a", 2],
    ]),
  ],
  ["a Set of an object", node("Set", { 0: 1 })],
  ["a Set with an item twice", node("Set", [1, 1])],
  ["an object that needs no escape", node("object", { a: 1 })],
  ["an escaped array", node("object", [1])],
  ["an escaped null", node("object", null)],
  ["an array without prototype", node("null-prototype", [1])],
  ["a string without prototype", node("null-prototype", "a")],
  ["an error of an unknown class", error({ type: "Account" })],
  ["an error of a class named as a property of objects", error({ type: "constructor" })],
  ["an error without class", error({ type: undefined })],
  ["an error with an unknown field", error({ fields: { toString: "x" } })],
  ["an error whose fields are a list", error({ fields: [] })],
  ["an error whose fields are a node", error({ fields: node("Map", []) })],
  ["an error with further parts", error({ more: {} })],
  ["an error without properties", node("Error", { type: "Error", fields: {} })],
  ["an error of text", node("Error", "boom")],
];

const documents: [string, string][] = [
  ...damagedNodes.map(([name, value]): [string, string] => [name, JSON.stringify({ $waystone: 1, value })]),
  ...damagedNodes.map(([name, value]): [string, string] => [
    `${name}, at depth`,
    JSON.stringify({ $waystone: 1, value: { a: [value] } }),
  ]),
  ["a document without value", '{"$waystone":1}'],
  ["a document with further keys", '{"$waystone":1,"value":1,"more":2}'],
  ["version zero", '{"$waystone":0,"value":1}'],
  ["a version that is text", '{"$waystone":"1","value":1}'],
  ["a version that is a fraction", '{"$waystone":1.5,"value":1}'],
  ["a version that is null", '{"$waystone":null,"value":1}'],
  ["nothing", ""],
  ["text", "hello"],
  ["half a value", '{"a":[1,2'],
  ["something after the value", '{"a":1}x'],
  ["two values", "1 2"],
  ["a byte order mark", "\ufeff1"],
  ["undefined", "undefined"],
  ["NaN", "NaN"],
  ["a comment", "/* */1"],
  ["a NUL", '"\0"'],
];

describe("V3: damaged text is a CorruptionError", () => {
  it.each(documents)("%s", (_name, text) => {
    expect(thrownBy(() => decodeValue(text))).toBeInstanceOf(CorruptionError);
  });

  it.each([undefined, null, 1, Buffer.from("1"), {}])("no text at all: %s", (value) => {
    expect(() => decodeValue(value as string)).toThrow(CorruptionError);
  });

  it("a newer version says that it is one", () => {
    expect(() => decodeValue('{"$waystone":2,"entirely":"different"}')).toThrow(
      "the stored value has format version 2; this release reads up to 1: update waystone",
    );
  });

  it("an unknown kind is named, shortened", () => {
    expect(() => decodeValue('{"$waystone":1,"value":{"$":"Temporal"}}')).toThrow(CorruptionError);
    expect(() => decodeValue('{"$waystone":1,"value":{"$":"Temporal","value":1}}')).toThrow(
      /does not know: "Temporal"$/,
    );
    const { message } = thrownBy(() =>
      decodeValue(JSON.stringify({ $waystone: 1, value: node("x".repeat(5000), 1) })),
    ) as Error;
    expect(message.length).toBeLessThan(250);
  });

  it("no message quotes contents", () => {
    for (const text of [
      '{"token":"s3cret"',
      JSON.stringify({ $waystone: 1, value: node("URL", "s3cret") }),
      '"s3cret',
    ]) {
      const thrown = thrownBy(() => decodeValue(text)) as Error;
      expect(thrown.message).not.toContain("s3cret");
      expect(String(thrown.cause)).not.toContain("s3cret");
    }
  });
});

describe("V3: depth", () => {
  it.each([
    ["arrays", "[", "]"],
    ["objects", '{"a":', "}"],
  ])("a million levels of %s are a CorruptionError", (_name, open, close) => {
    const deep = `${open.repeat(1_000_000)}1${close.repeat(1_000_000)}`;
    expect(() => decodeValue(deep)).toThrow(CorruptionError);
    expect(() => decodeValue(`{"$waystone":1,"value":${deep}}`)).toThrow(CorruptionError);
    expect(() => decodeValue(`[${deep.slice(0, -1)}`)).toThrow(CorruptionError);
  });

  it.each<[string, (inside: unknown) => unknown]>([
    ["Map", (v) => node("Map", [[v, v === null ? 0 : 1]])],
    ["Set", (v) => node("Set", [v])],
    ["object", (v) => node("object", { $: v })],
    ["null-prototype", (v) => node("null-prototype", { a: v })],
    ["Error", (v) => error({ fields: { cause: v } })],
  ])("a thousand nodes of kind %s are a CorruptionError", (_name, make) => {
    expect(() => decodeValue(JSON.stringify({ $waystone: 1, value: nested(1000, make) }))).toThrow(CorruptionError);
  });

  it("1000 levels are read, 1001 are not, in plain JSON and in a document", () => {
    const levels = (n: number) => "[".repeat(n) + "]".repeat(n);
    for (const wrap of [(text: string) => text, (text: string) => `{"$waystone":1,"value":${text}}`]) {
      expect(decodeValue(wrap(levels(1000)))).toBeInstanceOf(Array);
      expect(() => decodeValue(wrap(levels(1001)))).toThrow(CorruptionError);
    }
  });
});

const encoded = [...plainValues, ...taggedValues].map(([, value]) => encodeValue(value));

const json = fc.jsonValue({ maxDepth: 4 });

const leaf = fc.oneof(
  fc.constantFrom(null, true, 0, -1.5, "", "a", "AQI=", "2026-01-31T00:00:00.000Z", "NaN"),
  fc.string({ maxLength: 5 }),
);

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthIdentifier: "tree" },
    leaf,
    fc.record(
      { $: nodeKind, value: fc.oneof(leaf, tie("tree"), fc.array(tie("tree"), { maxLength: 3 })) },
      { requiredKeys: ["$"] },
    ),
    fc.record({ $: fc.constant("Map"), value: fc.array(fc.tuple(tie("tree"), tie("tree")), { maxLength: 3 }) }),
    fc.record({
      $: fc.constant("Error"),
      value: fc.record({
        type: fc.constantFrom("Error", "AggregateError", "Object"),
        fields: fc.dictionary(fc.constantFrom("name", "message", "cause", "stack", "errors", "__proto__"), tie("tree")),
        properties: fc.dictionary(fc.constantFrom("name", "__proto__", "toString", "a"), tie("tree")),
      }),
    }),
    fc.dictionary(fc.constantFrom("a", "__proto__", "constructor", "$"), tie("tree"), { maxKeys: 3 }),
  ),
}));

/** Encoded text in which a few characters were deleted, replaced or doubled. */
const scratched = fc
  .tuple(
    fc.constantFrom(...encoded),
    fc.array(fc.tuple(fc.nat(), fc.nat(4), fc.constantFrom(...'"{}[],:$0-9aAnull\\ =/')), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([text, scratches]) =>
    scratches.reduce((s, [at, length, put]) => {
      const i = at % (s.length + 1);
      return s.slice(0, i) + put + s.slice(i + length);
    }, text),
  );

describe("V3: generated damage", () => {
  it.each<[string, fc.Arbitrary<string>, number]>([
    ["any text", fc.string({ unit: "binary", maxLength: 40 }), 2000],
    ["any JSON", json.map((value) => JSON.stringify(value)), 2000],
    ["any tree in a document", tree.map((value) => JSON.stringify({ $waystone: 1, value })), 5000],
    ["encoded text, scratched", scratched, 5000],
    [
      "encoded text, cut short",
      fc.tuple(fc.constantFrom(...encoded), fc.nat()).map(([s, n]) => s.slice(0, n % s.length)),
      2000,
    ],
  ])("%s gives a value that is kept, or a CorruptionError", (_name, texts, numRuns) => {
    fc.assert(
      fc.property(texts, (text) => {
        const before = Reflect.ownKeys(Object.prototype).length;
        let value: unknown;
        try {
          value = decodeValue(text);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(CorruptionError);
          return;
        } finally {
          expect(Reflect.ownKeys(Object.prototype).length).toBe(before);
        }
        // The encoder accepts the fixed kinds alone, so this says that nothing else came out.
        encodeValue(value);
      }),
      { numRuns },
    );
  });
});
