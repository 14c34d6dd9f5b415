// The comparison of values sees what V1 promises, and says where.
import { describe, expect, it } from "vitest";
import { KEPT_VALUES } from "../../src/testing/hostile-values.js";
import { valueDifference } from "../../src/testing/value-difference.js";

describe("valueDifference", () => {
  it.each(KEPT_VALUES)("finds none between %s and itself, made anew", (name, make) => {
    // Two errors of different lines have different stacks.
    const again = name === "errors" ? make : () => make();
    const value = again();
    expect(valueDifference(name === "errors" ? value : make(), value)).toBeUndefined();
  });

  it.each<[string, unknown, unknown, string]>([
    ["a number and a text", 1, "1", '$ is 1 and not "1"'],
    ["zero and minus zero", { a: 0 }, { a: -0 }, '$["a"] is 0 and not -0'],
    ["null and undefined", [null], [undefined], '$["0"] is null and not undefined'],
    ["an absent and an undefined field", {}, { a: undefined }, "$ has 0 parts and not 1"],
    ["a hole and undefined", Object.assign(new Array(1)), [undefined], "$ has 1 parts and not 2"],
    ["an array and an object", [], {}, "$ is Array and not a plain object"],
    ["a date and its text", new Date(0), "1970", '$ is an object and not "1970"'],
    ["two dates", new Date(0), new Date(1), "$.getTime() is 0 and not 1"],
    [
      "maps of another order",
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      new Map([
        ["b", 2],
        ["a", 1],
      ]),
      '$.key(0) is "a" and not "b"',
    ],
    ["sets of another order", new Set([1, 2]), new Set([2, 1]), "$.member(0) is 1 and not 2"],
    ["typed arrays of another kind", new Uint8Array([1]), new Int8Array([1]), "$ is Uint8Array and not Int8Array"],
    ["a buffer and bytes", Buffer.from("a"), new Uint8Array([97]), "$ is Buffer and not Uint8Array"],
    ["bytes", new Uint8Array([1]), new Uint8Array([2]), '$.bytes is "01" and not "02"'],
    ["regular expressions", /a/g, /a/i, '$.flags is "g" and not "i"'],
    ["URLs", new URL("a:b"), new URL("a:c"), '$.href is "a:b" and not "a:c"'],
    ["a class and a plain object", new (class Point {})(), {}, "$ is Point and not a plain object"],
    ["no prototype", Object.create(null), {}, "$ is an object without prototype and not a plain object"],
    [
      "an error without its cause",
      withoutStack(new Error("a")),
      withoutStack(new Error("a", { cause: 1 })),
      "$ has 3 parts and not 4",
    ],
    ["errors of other names", named("A"), named("B"), '$.name is "A" and not "B"'],
  ])("finds %s", (_name, actual, expected, difference) => {
    expect(valueDifference(actual, expected)).toBe(difference);
  });

  it("follows values deeper than the stack", () => {
    const deep = (bottom: unknown): unknown => {
      let value = bottom;
      for (let level = 0; level < 20_000; level++) value = [value];
      return value;
    };
    expect(valueDifference(deep(1), deep(1))).toBeUndefined();
    expect(valueDifference(deep(1), deep(2))).toMatch(/ is 1 and not 2$/);
  });
});

function withoutStack(error: Error): Error {
  error.stack = "";
  return error;
}

function named(name: string): Error {
  const error = withoutStack(new Error("a"));
  error.name = name;
  return error;
}
