// Which objects of another realm are taken for plain data: those of its built-in classes, and of nothing that only looks like one.
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { isArrayPrototype, isPlainPrototype, ownPrototype } from "../../src/domain/realms.js";

/** The prototype of what the code makes in a realm of its own. */
function foreign(code: string): object {
  return Object.getPrototypeOf(runInNewContext(`(${code})`)) as object;
}

describe("the prototype that stands in for one of another realm", () => {
  it.each<[string, object]>([
    ["{}", Object.prototype],
    ["[]", Array.prototype],
    ["new Map()", Map.prototype],
    ["new Set()", Set.prototype],
    ["new Date()", Date.prototype],
    ["/x/", RegExp.prototype],
    ["new Error()", Error.prototype],
    ["new TypeError()", TypeError.prototype],
    ["new AggregateError([])", AggregateError.prototype],
    ["new Float32Array(1)", Float32Array.prototype],
    ["new ArrayBuffer(1)", ArrayBuffer.prototype],
  ])("of %s is this realm's", (code, own) => {
    expect(foreign(code)).not.toBe(own);
    expect(ownPrototype(foreign(code))).toBe(own);
    expect(ownPrototype(own)).toBe(own);
  });

  it.each([
    "new (class Object {})()",
    "new (class Map {})()",
    "new (class extends Map {})()",
    "new (class extends Array {})()",
    "new (function Set() {})()",
    "Object.create({})",
    "Object.create({ constructor: Map })",
  ])("of %s is none", (code) => {
    const prototype = foreign(code);
    expect(ownPrototype(prototype)).toBe(prototype);
    expect(isPlainPrototype(prototype)).toBe(false);
    expect(isArrayPrototype(prototype)).toBe(false);
  });

  it("is not given for functions that are bound, or behind a proxy, under the name of a class", () => {
    for (const maker of [Map.bind(undefined), new Proxy(function pretender() {}, {})]) {
      const looksLike = { constructor: maker };
      Object.defineProperty(maker, "name", { value: "Map" });
      Object.defineProperty(maker, "prototype", { value: looksLike, writable: true });
      expect(ownPrototype(looksLike)).toBe(looksLike);
    }
  });
});
