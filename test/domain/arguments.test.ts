// Arguments are refused by name, with what is allowed, and never with their content.
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/contract/errors.js";
import {
  boolean,
  date,
  finiteNumber,
  integer,
  knownFields,
  knownOptions,
  oneOf,
  plainObject,
  storableText,
  ttl,
} from "../../src/domain/arguments.js";

const refuses = (check: () => unknown, message: string | RegExp) => {
  expect(check).toThrow(InvalidArgumentError);
  expect(check).toThrow(message);
};

describe("knownFields", () => {
  it("returns the object, and refuses another field with the known ones", () => {
    const query = { limit: 5 };
    expect(knownFields(query, "query", ["limit"])).toBe(query);
    refuses(
      () => knownFields({ limt: 5 } as unknown, "query", ["limit", "before"]),
      'query has no field "limt"; the known ones are limit, before',
    );
  });

  it.each([null, undefined, [], "text", 7])("refuses %j", (value) => {
    refuses(() => knownFields(value as unknown, "query", []), "query must be an object");
  });

  it("refuses a field named __proto__ and does not find inherited ones", () => {
    refuses(() => knownFields(JSON.parse('{"__proto__":1}'), "query", ["limit"]), '"__proto__"');
    refuses(() => knownFields({ constructor: 1 } as unknown, "query", ["limit"]), '"constructor"');
  });
});

describe("knownOptions", () => {
  it("takes none for an empty object and always knows signal and timeoutMs", () => {
    expect(knownOptions(undefined, [])).toEqual({});
    const options = { timeoutMs: 5, signal: new AbortController().signal };
    expect(knownOptions(options, [])).toBe(options);
    refuses(
      () => knownOptions({ lease: 1 } as unknown as { signal?: AbortSignal }, []),
      "known ones are signal, timeoutMs",
    );
  });
});

describe("numbers", () => {
  it("takes whole numbers within both bounds", () => {
    expect([integer(1, "n", { min: 1, max: 3 }), integer(3, "n", { min: 1, max: 3 })]).toEqual([1, 3]);
    refuses(() => integer(0, "n", { min: 1 }), "n must be at least 1");
    refuses(() => integer(4, "n", { max: 3 }), "n must be at most 3");
  });

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "1", 1n, null, undefined])(
    "refuses %s as an integer",
    (value) => {
      refuses(() => integer(value, "n"), "n must be an integer");
    },
  );

  it("stores -0 as 0", () => {
    expect(Object.is(integer(-0, "n"), 0)).toBe(true);
    expect(Object.is(finiteNumber(-0, "n", { min: 0 }), 0)).toBe(true);
  });

  it("refuses NaN and infinity as a number", () => {
    expect(finiteNumber(0.25, "n")).toBe(0.25);
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY, "1"]) {
      refuses(() => finiteNumber(value, "n"), "n must be a");
    }
  });

  it("keeps every expiry an instant that a Date can hold", () => {
    expect(ttl(8_640_000_000_000, "ttlMs")).toBe(8_640_000_000_000);
    refuses(() => ttl(8_640_000_000_001, "ttlMs"), "at most");
    refuses(() => ttl(0, "ttlMs"), "at least 1");
  });
});

describe("other kinds", () => {
  it("takes valid dates, also of another realm", () => {
    expect(date(new Date(5), "at")).toBe(5);
    expect(date(runInNewContext("new Date(7)"), "at")).toBe(7);
    refuses(() => date(new Date(Number.NaN), "at"), "valid Date");
    refuses(() => date("2026-01-01", "at"), "at must be a Date, not a string");
  });

  it("takes booleans and words of a list only", () => {
    expect(boolean(false, "b")).toBe(false);
    refuses(() => boolean("true", "b"), "b must be a boolean");
    expect(oneOf("asc", "direction", ["asc", "desc"])).toBe("asc");
    refuses(() => oneOf("up", "direction", ["asc", "desc"]), 'direction must be one of asc, desc, not "up"');
    refuses(() => oneOf(undefined, "direction", ["asc"]), "not undefined");
  });

  it("takes plain objects, also of another realm and without a prototype", () => {
    for (const plain of [{}, Object.create(null), runInNewContext("({})")]) expect(plainObject(plain, "o")).toBe(plain);
    for (const other of [new Map(), new Date(), [], null, new (class Box {})()]) {
      refuses(() => plainObject(other, "o"), "o must be a plain object");
    }
    refuses(() => plainObject({ [Symbol("s")]: 1 }, "o"), "symbols");
  });

  it("refuses text that not every store can hold, without quoting it", () => {
    expect(storableText("ünï😀", "t")).toBe("ünï😀");
    refuses(() => storableText("secret\0", "t"), /^t must not contain NUL$/);
    refuses(() => storableText("secret\ud800", "t"), /^t must be well-formed Unicode/);
  });
});
