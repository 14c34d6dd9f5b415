// Depth, size and shared references (V1).
import { deepStrictEqual } from "node:assert/strict";
import { describe, expect, it, vi } from "vitest";
import { InvalidArgumentError, SerializationError } from "../../../src/contract/errors.js";
import { decodeValue, encodeValue, takeText, ValueSnapshot } from "../../../src/domain/codec/codec.js";
import { fingerprint } from "./fingerprint.js";
import { nested, textOrUndefined, thrownBy } from "./probes.js";
import { bare } from "./values.js";

describe("V1: limits", () => {
  it("a value of 1000 levels is kept, one of 1001 refused", () => {
    for (const make of [(v: unknown) => [v], (v: unknown) => ({ v })]) {
      const deepest = nested(999, make, {});
      deepStrictEqual(decodeValue(encodeValue(deepest)), deepest);
      expect(() => encodeValue(nested(1000, make, {}))).toThrow(/more than 1000 levels deep cannot be stored$/);
    }
  });

  it.each<[string, number, (inside: unknown) => unknown]>([
    ["Map", 3, (v) => new Map([["v", v]])],
    ["keys of a Map", 3, (v) => new Map([[v, "v"]])],
    ["Set", 2, (v) => new Set([v])],
    ["cause", 3, (v) => new Error("e", { cause: v })],
    ["object without prototype", 2, (v) => bare({ v })],
    ["escaped object", 2, (v) => ({ $: v })],
  ])("each %s counts as %d levels or fewer, and what is accepted is readable", (_name, cost, make) => {
    const levels = Math.floor(999 / cost);
    const deepest = nested(levels, make, 1n);
    expect(fingerprint(decodeValue(encodeValue(deepest)))).toBe(fingerprint(deepest));
    for (let more = levels; more < levels + 4; more++) {
      const value = nested(more, make, 1n);
      const text = textOrUndefined(value);
      if (text !== undefined) expect(fingerprint(decodeValue(text))).toBe(fingerprint(value));
    }
    expect(() => encodeValue(nested(levels + 4, make, 1n))).toThrow(SerializationError);
  });

  it("100,000 levels end in a refusal, not in an exhausted stack", () => {
    for (const make of [
      (v: unknown) => [v],
      (v: unknown) => new Map([[v, v]]),
      (v: unknown) => new Error("e", { cause: v }),
    ]) {
      expect(() => encodeValue(nested(100_000, make))).toThrow(SerializationError);
    }
  });

  it("a long path is shortened", () => {
    const error = thrownBy(() =>
      encodeValue(
        nested(
          500,
          (v) => ({ key: v }),
          () => 1,
        ),
      ),
    );
    expect((error as Error).message).toMatch(/^\$(\.key){16}…\(468 more\)…(\.key){16}: a function cannot be stored$/);
  });

  it("a value that few objects reach by many paths ends in the limit of arrays and objects at once", () => {
    for (const core of [null, 1n, "x", {}]) {
      const start = process.cpuUsage();
      expect(() => encodeValue(nested(200, (v) => [v, v], core))).toThrow(
        /more than 120000 arrays and objects cannot be stored$/,
      );
      expect(process.cpuUsage(start).user / 1000).toBeLessThan(10_000);
    }
  });

  it("so does one that reaches a large array, object or string by many paths", () => {
    const keys = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key ${i}`, i]));
    for (const core of [new Array(100_000).fill(0), keys, "x".repeat(1_000_000)]) {
      const start = process.cpuUsage();
      expect(() => encodeValue(new Array(100_000).fill([core]))).toThrow(
        /more than (67108864 bytes|1500000 elements and properties) cannot be stored$/,
      );
      expect(process.cpuUsage(start).user / 1000).toBeLessThan(15_000);
    }
  });

  it("a level that a shared reference hides is counted", () => {
    const shared = nested(600, (v) => [v]);
    expect(() => encodeValue([undefined, shared, nested(600, (v) => [v], shared)])).toThrow(/1000 levels deep/);
  });

  it("of a shared reference its deepest part is counted", () => {
    const shared = [nested(600, (v) => [v]), []];
    const deep = nested(600, (v) => [v], shared);
    expect(() => encodeValue([undefined, shared, deep])).toThrow(/1000 levels deep/);
  });

  it.each<[string, unknown, number]>([
    ["Map", new Map([[1, 1]]), 3],
    ["Set", new Set([1]), 2],
    ["Error", new Error("e"), 3],
    ["RegExp", /x/, 2],
    ["object without prototype", bare({}), 2],
    ["undefined", undefined, 1],
    ["bigint", 1n, 1],
  ])("%s at the limit", (_name, core, levels) => {
    const deepest = nested(999 - levels, (v) => [v], [core]);
    expect(fingerprint(decodeValue(encodeValue(deepest)))).toBe(fingerprint(deepest));
    expect(() => encodeValue([deepest])).toThrow(/1000 levels deep/);
  });

  it("bytes are counted in UTF-8, in the text", () => {
    const euros = "€".repeat(100);
    expect(encodeValue(euros, { maxBytes: 302 })).toBe(`"${euros}"`);
    expect(() => encodeValue(euros, { maxBytes: 301 })).toThrow("$: a value of more than 301 bytes cannot be stored");
    expect(() => encodeValue("\u0001".repeat(100), { maxBytes: 601 })).toThrow(SerializationError);
    expect(() => encodeValue([new Uint8Array(300)], { maxBytes: 400 })).toThrow(
      /^\$\[0\]: a value of more than 400 bytes/,
    );
    expect(() => encodeValue({ a: [1, 2n ** 4000n] }, { maxBytes: 400 })).toThrow(
      /^\$\.a\[1\]: a value of more than 400 bytes/,
    );
  });

  it("a text that would be too long is not even made", () => {
    const stringify = vi.spyOn(JSON, "stringify");
    expect(() => encodeValue(new Array(300).fill("x".repeat(1_000_000)))).toThrow(/more than 67108864 bytes/);
    expect(stringify).not.toHaveBeenCalled();
  });

  it("levels can be limited further", () => {
    expect(encodeValue([[1]], { maxDepth: 2 })).toBe("[[1]]");
    expect(() => encodeValue([[[1]]], { maxDepth: 2 })).toThrow(
      "$[0][0]: a value nested more than 2 levels deep cannot be stored",
    );
  });

  it.each([{ maxDepth: 0 }, { maxDepth: 1001 }, { maxDepth: 1.5 }, { maxBytes: 0 }, { maxBytes: Number.NaN }])(
    "%j is no limit",
    (limits) => {
      expect(() => encodeValue(1, limits)).toThrow(InvalidArgumentError);
    },
  );

  it("a large array is dense to the last element", () => {
    const large: unknown[] = new Array(200_000).fill(1);
    expect(encodeValue(large)).toBe(JSON.stringify(large));
    large[199_999] = -0;
    expect(Object.is((decodeValue(encodeValue(large)) as number[])[199_999], -0)).toBe(true);
  });

  it.each<[string, unknown, unknown]>([
    ["arrays", new Array(119_999).fill([]), []],
    ["objects", new Array(119_999).fill({ a: 1 }), {}],
    ["objects with our key, each of which counts as two", [undefined, ...new Array(59_999).fill({ $: 1 })], { a: 1 }],
    ["objects without prototype, each of which counts as four", new Array(29_999).fill(bare({})), { a: [{}, {}] }],
    ["entries of Maps, each of which counts as two", [new Map(new Array(59_997).fill(0).entries())], [[]]],
    ["Sets, each of which counts as four", [undefined, ...new Array(29_999).fill(new Set())], { a: [{}, {}] }],
    ["dates, each of which counts as eight", new Array(14_999).fill(new Date(0)), new Date(0)],
    ["bigints, each of which counts as two", new Array(59_999).fill(1n), [1n]],
  ])("a value of 120,000 %s is kept, one more refused with its path", (_name, most, more) => {
    expect(encodeValue(most).length).toBeGreaterThan(0);
    const given = [...(most as unknown[]), more];
    for (const encode of [encodeValue, takeText]) {
      const error = thrownBy(() => encode(given));
      expect(error).toBeInstanceOf(SerializationError);
      expect(error).toMatchObject({ path: expect.stringContaining(`$[${given.length - 1}]`) });
      expect((error as Error).message).toMatch(/: a value of more than 120000 arrays and objects cannot be stored$/);
    }
  });

  it("a value of 1,500,000 elements and properties is kept, one more refused", () => {
    const most = [...new Array(14_997).fill(new Array(99).fill(0)), new Array(297).fill(0), { a: 1 }];
    expect(encodeValue(most)).toBe(JSON.stringify(most));
    for (const given of [[most], new Array(1_500_001).fill(0), [...most, { a: 1 }]]) {
      for (const encode of [encodeValue, takeText]) {
        expect(() => encode(given)).toThrow(/: a value of more than 1500000 elements and properties cannot be stored$/);
      }
    }
  });

  it("elements of a Set count as two", () => {
    const most = new Set<unknown>(Array.from({ length: 750_000 }, (_, i) => i));
    expect(takeText(most)).toBeInstanceOf(ValueSnapshot);
    most.add("one more");
    for (const encode of [encodeValue, takeText]) {
      expect(() => encode(most)).toThrow(/: a value of more than 1500000 elements and properties cannot be stored$/);
    }
  });

  it("of keys that objects do not share each counts as three, and as twenty-five beyond 10,000 of one object", () => {
    const ownKeys = (object: number, keys: number) =>
      Object.fromEntries(Array.from({ length: keys }, (_, i) => [`${object} ${i}`, i]));
    const tooMany =
      /: a value of more than 1500000 elements and properties, as which a key that no other object has counts for 3 to 25, cannot be stored$/;
    expect(takeText({ index: ownKeys(0, 68_000) })).toBeInstanceOf(ValueSnapshot);
    expect(() => takeText({ index: ownKeys(0, 69_000) })).toThrow(tooMany);
    const many = (count: number) => Array.from({ length: count }, (_, i) => ownKeys(i, 5_000));
    expect(takeText(many(99))).toBeInstanceOf(ValueSnapshot);
    expect(() => takeText(many(101))).toThrow(tooMany);
  });

  it("an object with such keys counts as five", () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => ({ [`key ${i}`]: i }));
    // The first shapes are kept.
    expect(takeText(many(27_000))).toBeInstanceOf(ValueSnapshot);
    expect(() => takeText(many(28_000))).toThrow(/: a value of more than 120000 arrays and objects cannot be stored$/);
  });

  it("plain JSON of any size is the text of JSON.stringify", () => {
    const large = Array.from({ length: 119_000 }, (_, i) => (i === 0 ? { $: 1 } : {}));
    expect(encodeValue(large)).toBe(JSON.stringify(large));
  });
});
