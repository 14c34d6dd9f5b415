// Identifiers: what is legal, and one order of strings everywhere (I1, K3).
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../src/contract/errors.js";
import { compareCodePoints, identifier, identifierOrEmpty } from "../../src/domain/identifiers.js";

describe("identifier (I1)", () => {
  it.each(["a", ":*%_/..", "__proto__", '{"', "😀", "\n", " ", "x".repeat(512), "é".repeat(256), "😀".repeat(128)])(
    "takes %j",
    (value) => {
      expect(identifier(value, "id")).toBe(value);
    },
  );

  it.each([
    ["", "id must not be empty"],
    ["a\0b", "id must not contain NUL"],
    ["a\ud800", "id must be well-formed Unicode"],
    ["\udc00\ud800", "id must be well-formed Unicode"],
    ["x".repeat(513), "id must have at most 512 bytes"],
    [`${"é".repeat(256)}x`, "id must have at most 512 bytes"],
    [7, "id must be a string, not a number"],
    [null, "id must be a string, not null"],
  ])("refuses %j", (value, message) => {
    expect(() => identifier(value, "id")).toThrow(InvalidArgumentError);
    expect(() => identifier(value, "id")).toThrow(message);
  });

  it("may be empty where the contract says so", () => {
    expect(identifierOrEmpty("", "namespace")).toBe("");
    expect(() => identifierOrEmpty(undefined, "namespace")).toThrow(InvalidArgumentError);
  });
});

describe("compareCodePoints (K3)", () => {
  it("puts what lies beyond the basic plane after all of it", () => {
    expect(["\uffff", "😀", "\ue000", "a", ""].sort(compareCodePoints)).toEqual(["", "a", "\ue000", "\uffff", "😀"]);
  });

  it("orders as the bytes of UTF-8 do", () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom("a", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"), unit),
    });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Any code point that text can hold. */
const unit = fc
  .integer({ min: 0, max: 0x10ffff })
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point));
