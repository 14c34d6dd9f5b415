// The lossless codec, kind by kind (V1, V3).
import { deepStrictEqual } from "node:assert/strict";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CorruptionError, SerializationError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue, fromPortable, toPortable } from "../../../src/domain/codec/codec.js";
import { fingerprint } from "./fingerprint.js";
import { nested } from "./probes.js";
import { plainValues, taggedValues } from "./values.js";

afterEach(() => {
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

describe("V1: a value comes back equal", () => {
  it.each([...plainValues, ...taggedValues])("%s", (_name, value) => {
    const text = encodeValue(value);
    const decoded = decodeValue(text);
    deepStrictEqual(decoded, value);
    expect(fingerprint(decoded)).toBe(fingerprint(value));
    expect(encodeValue(decoded)).toBe(text);
    expect(text).not.toContain("\0");
    expect(text.isWellFormed()).toBe(true);
  });

  it.each(plainValues)("plain JSON is the text of JSON.stringify: %s", (_name, value) => {
    expect(encodeValue(value)).toBe(JSON.stringify(value));
  });

  it.each(taggedValues)("what JSON cannot say makes a document: %s", (_name, value) => {
    expect(encodeValue(value)).toMatch(/^\{"\$waystone":1,"value":/);
  });

  it("a document names its kinds for a person to read", () => {
    const value = {
      at: new Date(0),
      seen: new Set(["a"]),
      score: Number.NaN,
      total: 12n,
      bytes: new Uint8Array([1, 2]),
    };
    expect(JSON.parse(encodeValue(value))).toEqual({
      $waystone: 1,
      value: {
        at: { $: "Date", value: "1970-01-01T00:00:00.000Z" },
        seen: { $: "Set", value: ["a"] },
        score: { $: "number", value: "NaN" },
        total: { $: "bigint", value: "12" },
        bytes: { $: "Uint8Array", value: "AQI=" },
      },
    });
  });

  it("an error is stored with what JavaScript defines apart from what a program has added", () => {
    const value = Object.assign(new TypeError("m", { cause: 1 }), { stack: "s", name: "Mine" });
    expect(JSON.parse(encodeValue(value)).value).toEqual({
      $: "Error",
      value: { type: "TypeError", fields: { stack: "s", message: "m", cause: 1 }, properties: { name: "Mine" } },
    });
  });

  it("a shared reference is stored at each of its places", () => {
    const shared = { at: new Date(5) };
    const decoded = decodeValue(encodeValue([shared, shared])) as object[];
    deepStrictEqual(decoded, [shared, shared]);
    expect(decoded[0]).not.toBe(decoded[1]);
  });

  it("what is decoded shares no memory with what was encoded, nor with other buffers", () => {
    const bytes = Buffer.from("abc");
    const decoded = decodeValue(encodeValue(bytes)) as Buffer;
    decoded[0] = 0;
    expect(bytes.toString()).toBe("abc");
    expect(decoded.buffer.byteLength).toBe(3);
  });

  it("encoding changes nothing in the value", () => {
    const value = Object.freeze({ list: Object.freeze([Object.freeze({ a: undefined, m: new Map([["k", 1n]]) })]) });
    const before = fingerprint(value);
    encodeValue(value);
    expect(fingerprint(value)).toBe(before);
  });

  it("dates work under a mocked clock", () => {
    vi.useFakeTimers({ now: 1000 });
    try {
      const value = { at: new Date() };
      deepStrictEqual(decodeValue(encodeValue(value)), value);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("P1: the portable form", () => {
  it.each([...plainValues, ...taggedValues])("goes through JSON and gives the same text: %s", (_name, value) => {
    const text = encodeValue(value);
    const line = JSON.stringify(toPortable(text));
    expect(fromPortable(JSON.parse(line))).toBe(text);
  });

  it("is not changed by reading it", () => {
    const portable = toPortable(encodeValue({ at: new Date(0), m: new Map([["a", 1n]]) }));
    const before = JSON.stringify(portable);
    fromPortable(portable);
    expect(JSON.stringify(portable)).toBe(before);
  });

  it("the deepest value is portable", () => {
    for (const value of [nested(999, (v) => [v], {}), nested(998, (v) => [v], 1n)]) {
      const text = encodeValue(value);
      expect(fromPortable(JSON.parse(JSON.stringify(toPortable(text))))).toBe(text);
    }
  });

  it("what is not JSON, or not ours, is refused", () => {
    expect(() => fromPortable(new Date(0))).toThrow(CorruptionError);
    expect(() => fromPortable({ a: undefined })).toThrow(CorruptionError);
    expect(() => fromPortable(() => 1)).toThrow(SerializationError);
    expect(() => fromPortable({ $waystone: 1, value: { $: "Function" } })).toThrow(CorruptionError);
    expect(() => toPortable("{")).toThrow(CorruptionError);
  });
});
