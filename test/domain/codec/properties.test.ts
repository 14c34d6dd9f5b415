// The lossless codec on generated values (V1, V3). A failure prints its seed and the smallest value.
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { expect, it } from "vitest";
import { SerializationError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue, fromPortable, toPortable } from "../../../src/domain/codec/codec.js";
import { anyNumber, anyString, hostileKey, kept } from "./arbitraries.js";
import { fingerprint } from "./fingerprint.js";

/** Values of any kind, refused ones among them. */
const anything = fc.anything({
  key: fc.oneof(anyString, hostileKey),
  values: [
    anyString,
    anyNumber,
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.func(fc.nat()),
    fc.constant(Symbol("s")),
  ],
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 5,
});

const options = { numRuns: 2000 };

function expectRoundTrip(value: unknown, text: string): void {
  const decoded = decodeValue(text);
  deepStrictEqual(decoded, value);
  expect(fingerprint(decoded)).toBe(fingerprint(value));
}

it("V1: every value of the kinds that are kept comes back equal", () => {
  fc.assert(
    fc.property(kept, (value) => {
      const text = encodeValue(value);
      expectRoundTrip(value, text);
      expect(encodeValue(value)).toBe(text);
      expect(text.includes("\0") || !text.isWellFormed()).toBe(false);
    }),
    options,
  );
});

it("V1: any value comes back equal or is refused, with the same verdict and path wherever it stands", () => {
  fc.assert(
    fc.property(anything, (value) => {
      const first = verdict(value);
      expect(verdict(value)).toEqual(first);
      expect(verdict([value]).kept).toBe(first.kept);
      // Beside a value that needs a tag it takes the other way through the encoder.
      expect(verdict([undefined, value])).toEqual({ ...first, path: first.path.replace("$", "$[1]") });
      if (first.kept) expectRoundTrip(value, encodeValue(value));
    }),
    options,
  );
});

it("V1: JSON is stored as the text of JSON.stringify", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const json = JSON.parse(JSON.stringify(value));
      expect(encodeValue(json)).toBe(JSON.stringify(json));
    }),
    options,
  );
});

it("P1: the portable form gives the same text, and another program's order of keys an equal value", () => {
  fc.assert(
    fc.property(kept, (value) => {
      const text = encodeValue(value);
      const line = JSON.stringify(toPortable(text));
      expect(fromPortable(JSON.parse(line))).toBe(text);
      deepStrictEqual(decodeValue(fromPortable(sorted(JSON.parse(line)))), value);
    }),
    options,
  );
});

it("V3: nothing that is decoded changes a prototype", () => {
  fc.assert(
    fc.property(kept, (value) => {
      const before = Reflect.ownKeys(Object.prototype).length;
      decodeValue(encodeValue(value));
      expect(Reflect.ownKeys(Object.prototype).length).toBe(before);
      expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    }),
    options,
  );
});

function verdict(value: unknown): { kept: boolean; path: string } {
  try {
    encodeValue(value);
    return { kept: true, path: "" };
  } catch (error) {
    expect(error).toBeInstanceOf(SerializationError);
    return { kept: false, path: (error as SerializationError).path };
  }
}

/** The same JSON with the keys of each object in another order. */
function sorted(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(sorted);
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? 1 : -1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
