// Ids that the engine derives: always legal, never the same for different parts.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identifier } from "../../src/domain/identifiers.js";
import { derivedId, type IdPart } from "../../src/engine/derived-ids.js";

const part: fc.Arbitrary<IdPart> = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "/", "~", "0", "1", "2", "#", ":"), minLength: 1, maxLength: 4 }),
  fc.constant(undefined),
);

describe("a derived id", () => {
  it("differs for different parts, whatever characters they hold", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.array(part, { maxLength: 4 }), (one, other) => {
        const same = one.length === other.length && one.every((each, index) => each === other[index]);
        expect(derivedId("k", ...one) === derivedId("k", ...other)).toBe(same);
      }),
      { numRuns: 2000 },
    );
  });

  it("is readable when it is short", () => {
    expect(derivedId("waystone.turn", "t1", 1, 0)).toBe("waystone.turn/t1/1/0");
  });

  it.each([
    ["one part of the greatest length", ["x".repeat(512)]],
    ["characters of several bytes", ["💡".repeat(100), "💡".repeat(100)]],
    ["parts that all have to be escaped", ["~".repeat(512), "/".repeat(512)]],
  ])("is an identifier: %s", (_name, parts) => {
    expect(identifier(derivedId("waystone.turn", ...parts), "id")).toMatch(/^waystone\.turn#[0-9a-f]{64}$/);
  });

  it("differs for long parts that begin alike, and from the short form of its own text", () => {
    const long = "x".repeat(512);
    expect(derivedId("k", `${long}a`)).not.toBe(derivedId("k", `${long}b`));
    expect(derivedId("k", derivedId("k", long))).not.toBe(derivedId("k", long));
  });
});
