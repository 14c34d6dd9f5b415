// The texts of options: what they mean, and what is refused.
import { describe, expect, it } from "vitest";
import { amount, duration, instant, metadataPair, severalOf, wholeNumber } from "../../src/cli/option-values.js";
import { boundCursor, boundRange } from "../../src/cli/range-cursor.js";
import { seqBounds } from "../../src/cli/seq-cursor.js";

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5h", 5_400_000],
    ["5m", 300_000],
    ["5min", 300_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
  ])("%s", (text, milliseconds) => expect(duration(text)).toBe(milliseconds));

  it.each(["", "5", "-5s", "5 s", "5y", "s", "1e3s", "5constructor", "5__proto__", "∞s"])("refuses %j", (text) => {
    expect(() => duration(text)).toThrow(/duration/);
  });
});

describe("instants", () => {
  it.each([
    ["2026-01-31", "2026-01-31T00:00:00.000Z"],
    ["2026-01-31T10:00Z", "2026-01-31T10:00:00.000Z"],
    ["2026-01-31T10:00:00.5+02:00", "2026-01-31T08:00:00.500Z"],
  ])("%s is absolute", (text, iso) => {
    expect(instant(text)).toEqual({ at: new Date(iso), relative: false });
  });

  it("are ages, too", () => {
    const { at, relative } = instant("2h");
    expect(relative).toBe(true);
    expect(Math.abs(Date.now() - 7_200_000 - at.getTime())).toBeLessThan(5000);
  });

  it.each(["", "yesterday", "2026-13-01", "2026-01-31T10:00:00", "31.1.2026", "99999999999999w"])(
    "refuses %j",
    (text) => {
      expect(() => instant(text)).toThrow();
    },
  );
});

describe("numbers", () => {
  it("are whole and large enough", () => {
    expect(wholeNumber(0)("0")).toBe(0);
    for (const text of ["", "-1", "1.5", "1e3", "0x10", " 1", "9007199254740993", "0"]) {
      expect(() => wholeNumber(1)(text)).toThrow(/at least 1/);
    }
  });

  it("may be parts", () => {
    expect(amount("0.5")).toBe(0.5);
    for (const text of ["", "-1", ".5", "1e3", "NaN", "Infinity"]) expect(() => amount(text)).toThrow(/at least 0/);
  });
});

describe("metadata", () => {
  it.each([
    ["tier=3", { tier: 3 }],
    ['tier="3"', { tier: "3" }],
    ["city=Lyon", { city: "Lyon" }],
    ["a=b=c", { a: "b=c" }],
    ["a=", { a: "" }],
    ["a=null", { a: null }],
    ["a=true", { a: true }],
    ["a=[1]", { a: "[1]" }],
    ['a={"b":1}', { a: '{"b":1}' }],
  ])("%s", (text, pairs) => expect(metadataPair(text)).toEqual(pairs));

  it("is collected, and a key may have any name", () => {
    const pairs = metadataPair("__proto__=x", metadataPair("a=1"));
    expect(Object.entries(pairs)).toEqual([
      ["a", 1],
      ["__proto__", "x"],
    ]);
  });

  it.each(["", "a", "=1"])("refuses %j", (text) => expect(() => metadataPair(text)).toThrow(/key=value/));
});

describe("repeated words", () => {
  it("are collected from a closed list", () => {
    const either = severalOf(["a", "b"]);
    expect(either("b", either("a"))).toEqual(["a", "b"]);
    expect(() => either("c")).toThrow(/a, b/);
  });
});

describe("cursors of a range by age", () => {
  const hour = { at: new Date(1_000_000), relative: true };
  const day = { at: new Date(0), relative: false };

  it("carry the instants of the first page", () => {
    const first = boundRange(hour, day, undefined);
    const cursor = boundCursor("abc", first.range, first.frozen);
    expect(cursor).toBe("abc.1000000.0");
    const later = { at: new Date(2_000_000), relative: true };
    expect(boundRange(later, day, cursor)).toEqual({ ...first, cursor: "abc" });
  });

  it("are the storage's own when nothing is relative", () => {
    const { range, frozen, cursor } = boundRange(day, undefined, "abc");
    expect({ range, frozen, cursor }).toEqual({ range: { from: day.at, to: undefined }, frozen: false, cursor: "abc" });
    expect(boundCursor("abc", range, frozen)).toBe("abc");
    expect(boundRange(undefined, undefined, undefined).range).toBeUndefined();
  });

  it.each(["abc.1", "abc.1.2.3", "abc.x.1", "abc..", "abc.1e9.1", "abc.99999999999999999.1"])("refuse %s", (cursor) => {
    expect(() => boundRange(hour, hour, cursor)).toThrow(/cursor/);
  });

  it("refuse instants where none is relative", () => {
    expect(() => boundRange(day, undefined, "abc.1.2")).toThrow(/cursor/);
  });
});

describe("cursors by seq", () => {
  it("take the place of the bound that they continue", () => {
    expect(seqBounds({ before: 50 }, "before-41")).toEqual({ before: 41 });
    expect(seqBounds({ after: 1, before: 50 }, "after-41")).toEqual({ after: 41, before: 50 });
    expect(seqBounds({ after: 1 }, undefined)).toEqual({ after: 1 });
  });

  it.each(["before-41", "after-", "after-x", "41", "after-99999999999999999"])("refuse %s behind --after", (cursor) => {
    expect(() => seqBounds({ after: 1 }, cursor)).toThrow(/cursor/);
  });
});
