// Metadata: plain JSON alone, with one verdict for every backend (V2).
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptionError, InvalidArgumentError } from "../../src/contract/errors.js";
import {
  decodeMetadata,
  decodeMetadataInSteps,
  encodeMetadata,
  encodeObject,
  encodeObjectInSteps,
  MAX_METADATA_BYTES,
  MAX_METADATA_DEPTH,
  MetadataSnapshot,
  takeObject,
} from "../../src/domain/metadata.js";
import { runAtOnce } from "../../src/domain/slices.js";
import { anyString } from "./codec/arbitraries.js";

const nested = (levels: number): object => {
  let value: object = {};
  for (let i = 1; i < levels; i++) value = i % 2 === 0 ? { v: value } : { v: [value] };
  return value;
};

const objects = (levels: number): object => {
  let value: object = {};
  for (let i = 1; i < levels; i++) value = { v: value };
  return value;
};

describe("V2: plain JSON is kept", () => {
  it.each<[string, object]>([
    ["nothing", {}],
    ["scalars", { s: "x", n: -1.5, t: true, f: false, z: null, e: "", big: 2 ** 53, small: 5e-324 }],
    ["nesting", { a: [{ b: [] }, [[1]]], c: { d: {} } }],
    ["Unicode", { ключ: "值 \u{1F600} \u2028 \u0001" }],
    [
      "hostile keys",
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":1},"toJSON":"x","$ne":1,"a.b":2,"":3}'),
    ],
  ])("%s", (_name, value) => {
    const text = encodeMetadata(value);
    expect(text).toBe(JSON.stringify(value));
    deepStrictEqual(decodeMetadata(text), value);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("a key whose value is undefined is absent", () => {
    expect(encodeMetadata({ a: undefined, b: { c: undefined, d: 1 } })).toBe('{"b":{"d":1}}');
  });

  it("an object without prototype counts as plain, a shared reference is written twice", () => {
    const shared = Object.assign(Object.create(null), { x: 1 });
    expect(encodeMetadata({ a: shared, b: shared })).toBe('{"a":{"x":1},"b":{"x":1}}');
  });

  it("each property is read once", () => {
    let reads = 0;
    const text = encodeMetadata({
      get n() {
        reads += 1;
        return reads;
      },
    });
    expect([text, reads]).toEqual(['{"n":1}', 1]);
  });

  it("the limits themselves are legal", () => {
    expect(decodeMetadata(encodeMetadata(objects(MAX_METADATA_DEPTH)))).toEqual(objects(MAX_METADATA_DEPTH));
    const longest = "x".repeat(MAX_METADATA_BYTES - '{"a":""}'.length);
    expect(encodeMetadata({ a: longest })).toHaveLength(MAX_METADATA_BYTES);
  });
});

describe("V2: everything else is refused with its path", () => {
  const cycle: Record<string, unknown> = {};
  cycle.list = [cycle];

  it.each<[string, unknown, string]>([
    ["no object", "text", "metadata: must be a plain object, not a string"],
    ["null", null, "metadata: must be a plain object, not null"],
    ["an array", [], "metadata: must be a plain object, not an array"],
    ["an instance of a class", new Date(0), "metadata: an instance of a class cannot be stored in plain JSON"],
    ["a Map", new Map(), "metadata: an instance of a class cannot be stored in plain JSON"],
    ["NaN", { a: [0, Number.NaN] }, "metadata.a[1]: NaN cannot be stored in plain JSON"],
    ["infinity", { a: Number.NEGATIVE_INFINITY }, "metadata.a: -Infinity cannot be stored in plain JSON"],
    ["negative zero", { a: -0 }, "metadata.a: -0 cannot be stored in plain JSON"],
    ["a bigint", { a: 1n }, "metadata.a: a bigint cannot be stored in plain JSON"],
    ["a Date", { "a b": new Date(0) }, 'metadata["a b"]: an instance of a class cannot be stored in plain JSON'],
    ["bytes", { a: new Uint8Array(1) }, "metadata.a: an instance of a class cannot be stored in plain JSON"],
    ["a boxed string", { a: Object("s") }, "metadata.a: an instance of a class cannot be stored in plain JSON"],
    [
      "a subclass of Array",
      { a: new (class List extends Array {})() },
      "metadata.a: an instance of a class cannot be stored in plain JSON",
    ],
    ["a function", { a: { b: () => 1 } }, "metadata.a.b: a function cannot be stored in plain JSON"],
    ["a toJSON that is code", { toJSON: () => ({}) }, "metadata.toJSON: a function cannot be stored in plain JSON"],
    ["a symbol", { a: Symbol("s") }, "metadata.a: a symbol cannot be stored in plain JSON"],
    ["a symbol key", { a: { [Symbol("s")]: 1 } }, "metadata.a: a symbol key cannot be stored in plain JSON"],
    ["undefined in an array", { a: [undefined] }, "metadata.a[0]: undefined cannot be stored in plain JSON"],
    ["a hole", { a: new Array(2) }, "metadata.a[0]: undefined cannot be stored in plain JSON"],
    [
      "an array with a property",
      { a: Object.assign([1], { index: 0 }) },
      "metadata.a: an array with further properties cannot be stored in plain JSON",
    ],
    ["a cycle", cycle, "metadata.list[0]: a cycle cannot be stored in plain JSON"],
    ["NUL in a string", { a: "x\0" }, "metadata.a: a string with NUL cannot be stored in plain JSON"],
    ["NUL in a key", { a: { "\0": 1 } }, 'metadata.a["\\u0000"]: a string with NUL cannot be stored in plain JSON'],
    [
      "a lone surrogate",
      { a: ["\ud800"] },
      "metadata.a[0]: a string with a lone surrogate cannot be stored in plain JSON",
    ],
    [
      "a lone surrogate in a key",
      { "\udc00": 1 },
      'metadata["\\udc00"]: a string with a lone surrogate cannot be stored in plain JSON',
    ],
  ])("%s", (_name, value, message) => {
    expect(() => encodeMetadata(value)).toThrow(new InvalidArgumentError(message));
  });

  it("the root has the caller's name", () => {
    expect(() => encodeMetadata({ a: 1n }, "messages[3].metadata")).toThrow(/^messages\[3\]\.metadata\.a: a bigint/);
  });

  it("more than 64 levels", () => {
    expect(() => encodeMetadata(objects(MAX_METADATA_DEPTH + 1))).toThrow(/: more than 64 levels cannot be stored/);
    expect(() => encodeMetadata(nested(100_000))).toThrow(InvalidArgumentError);
  });

  it("more than 1 MiB of UTF-8", () => {
    const message = "metadata: must have at most 1048576 bytes of JSON text";
    expect(() => encodeMetadata({ a: "x".repeat(MAX_METADATA_BYTES) })).toThrow(message);
    expect(() => encodeMetadata({ a: "€".repeat(MAX_METADATA_BYTES / 3) })).toThrow(message);
    expect(() => encodeMetadata({ a: "\u0001".repeat(MAX_METADATA_BYTES / 6) })).toThrow(message);
    expect(() => encodeObject({ a: "x" }, "metadata", 8)).toThrow("metadata: must have at most 8 bytes of JSON text");
  });

  it("few objects that are reached by many paths end in the limit at once", () => {
    let value: object = {};
    for (let i = 0; i < 60; i++) value = { a: value, b: value };
    expect(() => encodeMetadata(value)).toThrow(InvalidArgumentError);
  });

  it("while a library has given arrays a toJSON", () => {
    Object.defineProperty(Array.prototype, "toJSON", { value: () => "liar", configurable: true });
    try {
      expect(() => encodeMetadata({ a: [] })).toThrow(InvalidArgumentError);
    } finally {
      Reflect.deleteProperty(Array.prototype, "toJSON");
    }
  });
});

describe("V2: generated metadata", () => {
  it("is kept equal or refused with an InvalidArgumentError", () => {
    const key = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("__proto__", "constructor", "toJSON", "\0", "\ud800"),
    );
    fc.assert(
      fc.property(
        fc.anything({ key, withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (a) => {
          let text: string;
          try {
            text = encodeMetadata({ a });
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidArgumentError);
            return;
          }
          expect(encodeMetadata(decodeMetadata(text))).toBe(text);
          expect(decodeMetadata(text)).toEqual(JSON.parse(JSON.stringify({ a })));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("damaged metadata is a CorruptionError", () => {
  it.each(["", "{", "[]", "null", "1", '"{}"', "undefined", "{}x"])("%j", (text) => {
    expect(() => decodeMetadata(text)).toThrow(CorruptionError);
  });

  it("that does not quote it", () => {
    expect(() => decodeMetadata('{"token":"s3cret"')).toThrow("the stored metadata is not JSON");
  });
});

describe("V2: a large value in steps is the value in one piece", () => {
  const MAX_BYTES = 16 * 1024 * 1024;
  /** More than is read at once. */
  const many = Array.from({ length: 40_000 }, (_, i) => ({ i, text: `é ${i}`, list: [i / 3, null, true] }));

  const inSteps = (value: unknown): string => {
    const taken = takeObject(value, "value", MAX_BYTES);
    expect(taken).toBeInstanceOf(MetadataSnapshot);
    return String(runAtOnce((taken as MetadataSnapshot).encode()));
  };

  it.each<[string, unknown]>([
    ["objects", { many }],
    ["keys whose value is undefined, which are absent", { many, a: undefined, b: { c: undefined, d: 1 } }],
    ["objects without prototype", { many, a: Object.assign(Object.create(null), { b: 1 }) }],
    ["keys like our tags", { many, a: { $: "Date", value: 1 }, $waystone: 1, b: JSON.parse('{"__proto__":1}') }],
    ["a long text", { text: "\u{1F600} ".repeat(500_000) }],
  ])("%s", (_name, value) => {
    const text = encodeObject(value, "value", MAX_BYTES);
    expect(inSteps(value)).toBe(text);
    expect(runAtOnce(encodeObjectInSteps(value, "value", MAX_BYTES))).toBe(text);
    deepStrictEqual(runAtOnce(decodeMetadataInSteps(text)), decodeMetadata(text));
  });

  it("each property of an object of very many keys is read once: what is known to be large is not begun twice", () => {
    const keys = Object.fromEntries(many.map(({ text }, i) => [text, i]));
    let reads = 0;
    const value = new Proxy(keys, {
      get(target, key) {
        reads += 1;
        return target[key as string];
      },
    });
    expect(inSteps(value)).toBe(JSON.stringify(keys));
    expect(reads).toBe(many.length);
  });

  it("is the value at the moment of the call", () => {
    const value = { many: structuredClone(many), text: "a" };
    const text = encodeObject(value, "value", MAX_BYTES);
    const taken = takeObject(value, "value", MAX_BYTES) as MetadataSnapshot;
    for (const each of value.many) each.list.length = 0;
    value.text = "b";
    expect(String(runAtOnce(taken.encode()))).toBe(text);
  });

  const cycle: Record<string, unknown> = { many };
  cycle.again = { cycle };

  it.each<[string, unknown, RegExp]>([
    ["a function", { many, a: [() => 1] }, /^value\.a\[0\]: a function cannot be stored in plain JSON$/],
    ["NaN", { many, a: Number.NaN }, /^value\.a: NaN cannot be stored in plain JSON$/],
    ["-0", { many, a: -0 }, /^value\.a: -0 cannot be stored in plain JSON$/],
    ["undefined in an array", { many, a: [undefined] }, /^value\.a\[0\]: undefined cannot be stored in plain JSON$/],
    ["a Date", { many, a: new Date(0) }, /^value\.a: an instance of Date cannot be stored in plain JSON$/],
    ["a cycle", cycle, /^value\.again\.cycle: a cycle cannot be stored in plain JSON$/],
    ["NUL", { many, a: "\0" }, /^value\.a: a string with NUL cannot be stored in plain JSON$/],
    [
      "a lone surrogate in a key",
      { many, "\ud800": 1 },
      /a string with a lone surrogate cannot be stored in plain JSON$/,
    ],
    ["too many levels", { many, a: nested(64) }, /more than 64 levels( deep)? cannot be stored in plain JSON$/],
    ["a symbol key", { many, a: { [Symbol("s")]: 1 } }, /^value\.a: .*symbol key.* cannot be stored in plain JSON$/],
    ["too long a text", { text: "日".repeat(6_000_000) }, /^value: must have at most 16777216 bytes of JSON text$/],
  ])("%s is refused with its path", (_name, value, message) => {
    expect(() => inSteps(value)).toThrow(message);
    expect(() => inSteps(value)).toThrow(InvalidArgumentError);
    expect(() => encodeObject(value, "value", MAX_BYTES)).toThrow(InvalidArgumentError);
    expect(() => runAtOnce(encodeObjectInSteps(value, "value", MAX_BYTES))).toThrow(message);
  });

  it("what nobody changes meanwhile: any JSON is kept or refused as in one piece", () => {
    const outcome = (encode: () => string): string => {
      try {
        return encode();
      } catch (error) {
        // Which of several reasons is named is left open.
        expect(error).toBeInstanceOf(InvalidArgumentError);
        return "refused";
      }
    };
    const unusual = fc.constantFrom("\0", "\ud800", "\udfff", "\\u0000", "\\ud800", "\u{1F600}");
    const text = fc.oneof(anyString, unusual);
    fc.assert(
      fc.property(text, text, fc.jsonValue({ noUnicodeString: false }), (key, value, json) => {
        const object = { [key]: [value, json], json };
        const inSteps = outcome(() => runAtOnce(encodeObjectInSteps(object, "value", MAX_BYTES)));
        expect(inSteps).toBe(outcome(() => encodeObject(object, "value", MAX_BYTES)));
      }),
    );
  });
});
