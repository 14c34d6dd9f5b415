// A cursor comes back as the position it was made of, for its own query and unchanged only (S7).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/contract/errors.js";
import {
  decodeCursor,
  decodeTimeCursor,
  encodeCursor,
  pageOf,
  queryDigest,
  timePosition,
} from "../../src/domain/cursors.js";
import { driverCall } from "../backends/memory/driver-call.js";

const query = queryDigest("listThings", { userId: null, orderBy: "createdAt" });

const encode = (fields: unknown) => Buffer.from(JSON.stringify(fields)).toString("base64url");

describe("cursors", () => {
  it("give back any position", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (position) => {
        expect(decodeCursor(encodeCursor(position, query), query)).toEqual(JSON.parse(JSON.stringify(position)));
      }),
    );
  });

  it("are refused when any character is changed, added or left out", () => {
    const cursor = encodeCursor(timePosition(1_700_000_000_000, "s:1"), query);
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom(..."Aa0_-.= é\0"), (at, character) => {
        const changed = cursor.slice(0, at) + character + cursor.slice(at + 1);
        fc.pre(changed !== cursor);
        expect(() => decodeCursor(changed, query)).toThrow(InvalidArgumentError);
        expect(() => decodeCursor(cursor.slice(0, at) + character + cursor.slice(at), query)).toThrow(
          InvalidArgumentError,
        );
        expect(() => decodeCursor(cursor.slice(0, at), query)).toThrow(InvalidArgumentError);
      }),
      { numRuns: 500 },
    );
  });

  it("have one spelling", () => {
    const cursor = encodeCursor([1], query);
    expect(() => decodeCursor(`${cursor}=`, query)).toThrow(InvalidArgumentError);
    expect(() => decodeCursor(`${cursor}\n`, query)).toThrow(InvalidArgumentError);
  });

  it("belong to one query of one listing", () => {
    const cursor = encodeCursor([1], query);
    for (const other of [
      queryDigest("listThings", { userId: "ann", orderBy: "createdAt" }),
      queryDigest("listOthers", { userId: null, orderBy: "createdAt" }),
    ]) {
      expect(() => decodeCursor(cursor, other)).toThrow("cursor belongs to another query: only the limit may change");
    }
  });

  it("do not depend on the order in which a query's fields are written", () => {
    expect(queryDigest("l", { a: 1, b: { c: 2, d: [3, { e: 4, f: 5 }] } })).toBe(
      queryDigest("l", { b: { d: [3, { f: 5, e: 4 }], c: 2 }, a: 1 }),
    );
    expect(queryDigest("l", { a: [1, 2] })).not.toBe(queryDigest("l", { a: [2, 1] }));
  });

  it.each([
    ["nothing", ""],
    ["no text", 7],
    ["no JSON", "AAAA"],
    ["no list", encode({ a: 1 })],
    ["too few fields", encode([1, query])],
    ["no check", encode([1, query, "", "[1]"])],
    ["far too long", "A".repeat(300_000)],
  ])("are refused for %s", (_what, cursor) => {
    expect(() => decodeCursor(cursor, query)).toThrow(InvalidArgumentError);
  });

  it("of another version say so", () => {
    expect(() => decodeCursor(encode([2, query, "x", "[1]"]), query)).toThrow("another version");
  });

  it("of a time and an id are refused with any other position", () => {
    expect(decodeTimeCursor(undefined, query)).toBeNull();
    expect(decodeTimeCursor(encodeCursor(timePosition(5, "a"), query), query)).toEqual({ time: 5, id: "a" });
    for (const position of [[5], ["5", "a"], [5, 6], [5.5, "a"], { time: 5, id: "a" }, null]) {
      expect(() => decodeTimeCursor(encodeCursor(position, query), query)).toThrow(InvalidArgumentError);
    }
  });
});

describe("pageOf", () => {
  it("has a cursor for its last row only if there are more", async () => {
    const page = (more: boolean, rows: number[]) =>
      pageOf(driverCall(), { rows, more }, query, String, (row) => [row, "id"]);
    expect(await page(false, [1, 2])).toEqual({ items: ["1", "2"] });
    expect(await page(true, [])).toEqual({ items: [] });
    const { items, nextCursor } = await page(true, [1, 2]);
    expect(items).toEqual(["1", "2"]);
    expect(decodeTimeCursor(nextCursor, query)).toEqual({ time: 2, id: "id" });
  });
});
