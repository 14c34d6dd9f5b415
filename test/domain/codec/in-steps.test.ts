// Large values are encoded and decoded in steps: exactly as in one piece, wherever a step ends (V1, V3).
import { deepStrictEqual } from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptionError, SerializationError } from "../../../src/contract/errors.js";
import {
  decodeInSteps,
  decodeValue,
  encodeText,
  encodeValue,
  prepareValue,
  takeText,
  ValueSnapshot,
} from "../../../src/domain/codec/codec.js";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import { DEFAULT_MAX_BYTES, MAX_DEPTH } from "../../../src/domain/codec/format.js";
import { LongText, TextWindow } from "../../../src/domain/codec/long-text.js";
import { parseInSteps } from "../../../src/domain/codec/parse-in-steps.js";
import { type TapeLimits, writeTape } from "../../../src/domain/codec/tape-writer.js";
import { runAtOnce } from "../../../src/domain/slices.js";
import { endOfPiece } from "../../../src/domain/text-pieces.js";
import { anyString, kept } from "./arbitraries.js";
import { fingerprint } from "./fingerprint.js";
import { nested, thrownBy } from "./probes.js";
import { bare, plainValues, taggedValues } from "./values.js";

const LIMITS: TapeLimits = { maxDepth: MAX_DEPTH, maxBytes: DEFAULT_MAX_BYTES };

/** Characters of a step, so few that each place of a short text is the end of one. */
const anyStep = fc.integer({ min: 1, max: 40 });

function textInSteps(value: unknown, step: number): string {
  const tape = writeTape(value, LIMITS);
  if (tape === null) throw new Error("the value has no tape");
  return String(runAtOnce(new ValueSnapshot(tape).encode(step)));
}

function expectSame(value: unknown, step: number): void {
  const text = encodeValue(value);
  expect(textInSteps(value, step)).toBe(text);
  const decoded = runAtOnce(decodeInSteps(text, step));
  deepStrictEqual(decoded, value);
  expect(fingerprint(decoded)).toBe(fingerprint(value));
}

/** An object of many keys, more than a shape has. */
function wide(name: string): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`${name}${i}`, i % 3 === 0 ? [i] : i]));
}

/** What decoding makes of a text: the value, or that it is refused. */
function verdict(decode: () => unknown): string {
  try {
    return fingerprint(decode());
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptionError);
    return `refused: ${(error as Error).message}`;
  }
}

/** Whether V8 keeps the numbers of an array as they are, and not as an object each. */
function keepsNumbers(array: unknown): boolean {
  setFlagsFromString("--allow-natives-syntax");
  return new Function("array", "return %HasDoubleElements(array)")(array);
}

describe("V1: a value in steps is the value in one piece", () => {
  it.each([...plainValues, ...taggedValues])("%s", (_name, value) => {
    for (const step of [1, 7, 64]) {
      expectSame(value, step);
      expectSame([1, value, { key: value, "": [value] }, "end"], step);
      expectSame([undefined, value, new Map([[value, { value }]])], step);
    }
  });

  it("values of all kinds, with steps of any length", () => {
    fc.assert(
      fc.property(kept, anyStep, (value, step) => expectSame(value, step)),
      { numRuns: 2000 },
    );
  });

  it("strings of any UTF-16 units: lone surrogates, pairs, escapes, characters of several bytes", () => {
    const units = fc.constantFrom("\\", '"', "\n", "\0", "\ud83d", "\ude00", "é", "日", "u", "a", "\u2028", "\\u0041");
    const text = fc.array(fc.oneof(units, anyString), { maxLength: 40 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.array(text), anyStep, (first, others, step) => {
        expectSame(first, step);
        expectSame({ [first]: first, list: others }, step);
      }),
      { numRuns: 2000 },
    );
  });

  it("the pieces of a text do not end inside a character", () => {
    const tape = writeTape(["\u{1F600}".repeat(100), "é".repeat(100)], LIMITS);
    const { pieces, bytes } = runAtOnce(new ValueSnapshot(tape as NonNullable<typeof tape>).encode(5));
    expect((pieces ?? []).length).toBeGreaterThan(10);
    for (const piece of pieces ?? []) expect(piece.isWellFormed()).toBe(true);
    expect((pieces ?? []).reduce((sum, piece) => sum + Buffer.byteLength(piece), 0)).toBe(bytes);
  });

  it("prepared values are the same parts as in one piece", () => {
    const value = { list: [prepareValue({ a: 1n }), prepareValue("é")], text: "x".repeat(50), last: prepareValue([]) };
    for (const each of [value, { ...value, tagged: undefined }]) {
      const tape = writeTape(each, LIMITS);
      const text = runAtOnce(new ValueSnapshot(tape as NonNullable<typeof tape>).encode(8));
      expect([text.parts, text.bytes]).toEqual([encodeText(each).parts, encodeText(each).bytes]);
    }
  });

  it("a text in pieces is read as in one piece, wherever a piece or a step ends", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(kept, cuts, anyStep, (value, lengths, step) => {
        const text = encodeValue(value);
        const pieces: string[] = [];
        for (let at = 0, i = 0; at < text.length; i++) {
          const end = endOfPiece(text, at + (lengths[i % lengths.length] as number));
          pieces.push(text.slice(at, end));
          at = end;
        }
        const long = new LongText(pieces);
        expect([String(long), long.length, long.bytes]).toEqual([text, text.length, Buffer.byteLength(text)]);
        expect(fingerprint(runAtOnce(decodeInSteps(long, step)))).toBe(fingerprint(value));
      }),
      { numRuns: 2000 },
    );
  });

  it("long strings in every place of a document", () => {
    const long = (name: string): string => `${name} é\n`.repeat(20_000);
    const error = Object.assign(new RangeError(long("message"), { cause: long("cause") }), { code: long("code") });
    const value = {
      string: long("property"),
      list: [long("element"), [long("nested")]],
      map: new Map([[long("key"), long("value")]]),
      set: new Set([long("item")]),
      bare: bare({ inside: long("bare") }),
      wrapped: { $: long("tag key") },
      pattern: new RegExp("a".repeat(100_000)),
      bigint: 16n ** 100_000n,
      url: new URL(`https://a.example/${"b".repeat(100_000)}`),
      bytes: new Uint8Array(100_001).fill(5),
      buffer: Buffer.alloc(90_000, "x"),
      [long("a key")]: undefined,
    };
    expectSame(value, 64 * 1024);
    expectSame([value, error], 64 * 1024);
    for (const step of [1_000, 30_000, 64 * 1024]) {
      const decoded = runAtOnce(decodeInSteps(new LongText([encodeValue(value)]), step));
      expect(fingerprint(decoded)).toBe(fingerprint(value));
    }
  });

  it("a window on a text in pieces is the text, onward and back", () => {
    const text = "0123456789abcdefghij";
    const window = new TextWindow(new LongText(["0", "1234", "56789", "abcdefghi", "j"]));
    for (let from = 0; from <= text.length; from++) {
      expect(window.charCodeAt(from)).toBe(text.charCodeAt(from));
      for (let to = from; to <= text.length + 2; to++) expect(window.slice(from, to)).toBe(text.slice(from, to));
      for (const wanted of ["0", "4", "a", "j", "-"]) {
        expect(window.indexOf(wanted, from)).toBe(text.indexOf(wanted, from));
        expect(window.indexOf(wanted, 0)).toBe(text.indexOf(wanted));
      }
      expect(window.charCodeAt(text.length - 1 - from)).toBe(text.charCodeAt(text.length - 1 - from));
    }
  });

  it("bytes of every length around a step's", () => {
    for (const length of [16_383, 16_385, 49_151, 49_152, 49_153, 98_303, 98_304, 98_305, 150_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
      expectSame({ bytes, floats: new Float64Array(bytes.buffer.slice(0, length - (length % 8))) }, 64);
      expectSame([Buffer.from(bytes), bytes.buffer, new DataView(bytes.buffer, 1)], 64);
    }
  });

  it("objects with keys of their own are taken whole, and those behind them, beyond what shapes are kept", () => {
    const own = (i: number): Record<string, unknown> => ({
      [`a${i}`]: [i],
      [`b${i}`]: { same: `${i}`, [`c${i}`]: -0.5 },
    });
    const value = [
      { same: "first", $: 1, ...own(-1) },
      ...Array.from({ length: 1_500 }, (_, i) => own(i)),
      { same: "last", $: [1], ...own(-2) },
      bare({ same: "bare", $: 2, ...own(-3) }),
      { ...own(-4), $: undefined },
      { same: "first", ["__proto__"]: { $: own(-5) } },
      new Map([[own(-6), own(-7)]]),
    ];
    expectSame(value, 500);
    expectSame(value.slice(0, -4), 500);
    const error = thrownBy(() => textInSteps([...value, { ...own(-8), last: { x: () => 0 } }], 500));
    expect(error).toMatchObject({ path: `$[${value.length}].last.x` });
    const hidden = Object.defineProperty({ ...own(-9) }, Symbol("s"), { value: 1 });
    const late = thrownBy(() => textInSteps([...value, new Set([{ ...own(-8), last: [1.5, 2, hidden] }])], 500));
    expect(late).toMatchObject({ path: `$[${value.length}].values()[0].last[2]` });
  });

  it("objects of many keys are taken whole, whatever their keys are", () => {
    const odd = JSON.parse('{"__proto__":{"a":1},"$":"Date","value":1}') as object;
    const value = [
      new Array(100).fill(0).map((_, i) => wide(`${i} `)),
      new Array(100).fill(0).map(() => wide("same")),
      { ...odd, ...wide("odd"), none: undefined },
      bare({ ...odd, ...wide("bare") }),
      bare({ ...odd, few: 2 }),
      bare({ few: [2] }),
    ];
    expectSame(value, 64);
    expectSame({ a: [value] }, 64);
    const shown = Object.defineProperty(wide("getter"), "shown", { enumerable: true, get: () => [1] });
    expect(textInSteps([Object.defineProperty(shown, "hidden", { value: 1 })], 64)).toBe(
      JSON.stringify([{ ...wide("getter"), shown: [1] }]),
    );
  });
});

describe("V1: what is taken is the value at that moment", () => {
  it("a large value may change as soon as it is taken", () => {
    const make = () => ({
      text: "é".repeat(2_000_000),
      list: Array.from({ length: 1000 }, (_, i) => ({ i, inner: { on: true } })),
      bytes: new Uint8Array(1_000_000).fill(7),
      map: new Map([["a", [1]]]),
      date: new Date(0),
    });
    const value = make();
    const taken = takeText(value);
    expect(taken).toBeInstanceOf(ValueSnapshot);
    value.bytes.fill(8);
    value.list.length = 5;
    for (const each of value.list) each.inner.on = false;
    value.map.get("a")?.push(2);
    value.date.setTime(1);
    value.text = "";
    const text = taken instanceof EncodedText ? taken : runAtOnce(taken.encode());
    deepStrictEqual(decodeValue(String(text)), make());
  });

  it("a small value is text at once", () => {
    for (const [, value] of [...plainValues, ...taggedValues]) {
      const taken = takeText(value);
      expect(taken).toBeInstanceOf(EncodedText);
      expect(String(taken)).toBe(encodeValue(value));
    }
  });
});

describe("V1: what cannot be kept is refused with its path, as in one piece", () => {
  const long = "x".repeat(5 * 1024 * 1024);
  const cyclic: unknown[] = [long];
  const withHole = [1, 2, 3];
  delete withHole[1];
  cyclic.push(new Map([["self", cyclic]]));

  it.each<[string, unknown, RegExp]>([
    ["a function", { long, a: [() => 0] }, /^\$\.a\[0\]: a function cannot be stored$/],
    ["a symbol in a Map", [long, new Map([["k", Symbol("s")]])], /^\$\[1\]\.get\("k"\): a symbol cannot be stored$/],
    ["a cycle", cyclic, /a cycle cannot be stored$/],
    ["a hole", [long, withHole], /^\$\[1\]\[1\]: a hole in an array cannot be stored$/],
    ["further properties", [long, Object.assign([1], { further: 1 })], /further properties cannot be stored$/],
    [
      "further properties of a long array",
      { at: Object.assign(new Array(150_000).fill(1), { further: 1 }) },
      /^\$\.at: an array with further properties cannot be stored$/,
    ],
    [
      "a symbol among many keys",
      { long, at: [{ ...wide("a"), [Symbol("s")]: 1 }] },
      /^\$\.at\[0\]: an object with symbol keys cannot be stored$/,
    ],
    [
      "a function among many keys",
      { long, at: [{ ...wide("a"), last: () => 0 }] },
      /^\$\.at\[0\]\.last: a function cannot be stored$/,
    ],
    ["a class", { long, at: new (class Place {})() }, /^\$\.at: an instance of Place cannot be stored$/],
    [
      "a key that is a symbol",
      { long, at: { [Symbol("s")]: 1 } },
      /^\$\.at: an object with symbol keys cannot be stored$/,
    ],
    ["too deep a value", [long, nested(1000, (v) => [v])], /more than 1000 levels deep cannot be stored$/],
    ["too long a text", "x".repeat(DEFAULT_MAX_BYTES + 1), /more than 67108864 bytes cannot be stored$/],
  ])("%s", (_name, value, message) => {
    const error = thrownBy(() => {
      const taken = takeText(value);
      // What no copy shows is looked for in steps, before anything is stored.
      if (taken instanceof ValueSnapshot) runAtOnce(taken.encode());
    });
    expect(error).toBeInstanceOf(SerializationError);
    expect((error as Error).message).toMatch(message);
    expect(error).toEqual(thrownBy(() => encodeValue(value)));
  });

  it("a text that its bytes alone make too long, once it is made", () => {
    const taken = takeText("日".repeat(DEFAULT_MAX_BYTES / 3 + 1));
    expect(taken).toBeInstanceOf(ValueSnapshot);
    expect(() => runAtOnce((taken as ValueSnapshot).encode())).toThrow(/more than 67108864 bytes cannot be stored$/);
  });

  it("shared references that few objects reach by many paths end at once", () => {
    let value: unknown = [1];
    for (let i = 0; i < 60; i++) value = [value, value];
    expect(() => takeText(value)).toThrow(/more than 120000 arrays and objects cannot be stored$/);
  });
});

describe("K5: a damaged text is refused in steps as in one piece", () => {
  const sample = encodeValue({
    list: [1, "a\\", { b: [true, null, -1.5e3] }, new Date(0), new Map([["k", new Set([1n])]])],
    "": undefined,
    error: new TypeError("t", { cause: [new Uint8Array(9)] }),
    text: '\\"\u{1F600}\n',
  });

  it("whatever is changed, removed or added", () => {
    const change = fc.record({
      at: fc.nat({ max: sample.length }),
      remove: fc.nat({ max: 3 }),
      put: fc.oneof(fc.constantFrom('"', "\\", "[", "]", "{", "}", ",", ":", " ", "0", "$", "\n"), anyString),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), anyStep, (changes, cut, step) => {
        let text = sample;
        for (const { at, remove, put } of changes) text = text.slice(0, at) + put + text.slice(at + remove);
        if (cut) text = text.slice(0, changes[0]?.at);
        expect(verdict(() => runAtOnce(decodeInSteps(text, step)))).toBe(verdict(() => decodeValue(text)));
      }),
      { numRuns: 5000 },
    );
  });

  it("a text that ends inside a string, or inside an escape of it", () => {
    for (const end of ["\\", "\\u", "\\u00", "\\u00e", "\\\\\\", "]\\"]) {
      for (const before of ["", "a", "a".repeat(5), "a".repeat(40)]) {
        for (const text of [`"${before}${end}`, `["${before}${end}`, `{"$waystone":1,"value":{"a":"${before}${end}`]) {
          for (const step of [1, 3, 7, 20]) {
            expect(
              verdict(() => runAtOnce(decodeInSteps(text, step))),
              text,
            ).toBe(verdict(() => decodeValue(text)));
          }
        }
      }
    }
  });

  it("a value that is missing between commas, where spaces stand", () => {
    for (const text of [
      "[ ,1]",
      "[1, ]",
      "[1,\t,2]",
      "[[\n,1],2]",
      '{"a":[ ,1]}',
      '{"a":{"b":1, }}',
      '{"a": ,"b":1}',
    ]) {
      for (const step of [1, 3, 20]) expect(() => runAtOnce(decodeInSteps(text, step)), text).toThrow(CorruptionError);
    }
  });

  it("text with spaces, as a person may have edited it, is read as in one piece", () => {
    const value = { list: [1, { a: "b" }, []], text: " " };
    for (const step of [1, 3, 20]) {
      for (const text of [JSON.stringify(value, null, 2), ` ${JSON.stringify(value)}\n`, "[ [1, 2 ] , 3 ]"]) {
        deepStrictEqual(runAtOnce(decodeInSteps(text, step)), decodeValue(text));
      }
    }
  });

  it("keys that stand twice, and `__proto__`", () => {
    for (const text of [
      '{"a":1,"b":[2],"a":{"c":3}}',
      '{"__proto__":{"a":1},"b":[[2]],"__proto__":[3]}',
      '{"b":1,"1":2}',
    ]) {
      for (const step of [1, 5, 12]) {
        const parsed = runAtOnce(parseInSteps(text, step));
        expect(JSON.stringify(parsed?.root)).toBe(JSON.stringify(JSON.parse(text)));
        deepStrictEqual(parsed?.root, JSON.parse(text));
      }
    }
  });

  it("a text made to overflow the stack is refused", () => {
    const text = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(() => runAtOnce(decodeInSteps(text))).toThrow(CorruptionError);
  });
});

describe("a large array of numbers", () => {
  it("is made of numbers, whatever else was read before", () => {
    const [objects, numbers] = [1, 2].map((kind) =>
      JSON.stringify(Array.from({ length: 1_000 }, (_, i) => (kind === 1 ? { i } : i / 3))),
    );
    for (let i = 0; i < 1_000; i++) runAtOnce(decodeInSteps(objects as string, 100));
    expect(keepsNumbers(runAtOnce(decodeInSteps(numbers as string, 100)))).toBe(true);
  });
});
