// A large portable value is read in steps: exactly as in one piece, refusals too (P1).
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeValue,
  encodeValue,
  fromPortable,
  fromPortableInSteps,
  isLargePortable,
  toPortable,
} from "../../../src/domain/codec/codec.js";
import { MAX_DEPTH, TAG_KEY } from "../../../src/domain/codec/format.js";
import { isPlainJsonInSteps } from "../../../src/domain/codec/plain-in-steps.js";
import { runAtOnce, Slices } from "../../../src/domain/slices.js";
import { spendTurn } from "../../../src/domain/turns.js";
import { turnsDuring } from "../../support/event-loop.js";
import { anyString } from "./arbitraries.js";
import { nested } from "./probes.js";
import { plainValues, taggedValues } from "./values.js";

/** The text and the value, or the refusal. */
function outcomeOf(read: () => { text: string; value: unknown }): unknown {
  try {
    const { text, value } = read();
    return { text, value };
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    return { code, message };
  }
}

function expectSame(json: unknown): void {
  const atOnce = outcomeOf(() => {
    const text = fromPortable(json);
    return { text, value: decodeValue(text) };
  });
  deepStrictEqual(
    outcomeOf(() => {
      const { text, value } = runAtOnce(fromPortableInSteps(json));
      return { text: String(text), value };
    }),
    atOnce,
  );
}

describe("a portable value in steps", () => {
  it.each([...plainValues, ...taggedValues])("is what it is in one piece: the form of %s", (_name, value) => {
    const json = toPortable(encodeValue(value));
    expectSame(json);
    expectSame([json]);
    expectSame({ a: json, [TAG_KEY]: json });
  });

  it("is what it is in one piece: any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), anyString, (json, key) => {
        expectSame(json);
        expectSame({ [key]: json, [TAG_KEY]: "date" });
      }),
    );
  });

  it("is refused where it is refused in one piece", () => {
    for (const json of [
      undefined,
      Number.NaN,
      -0,
      new Date(),
      { a: undefined },
      [() => 1],
      nested(MAX_DEPTH + 1, (inside) => [inside]),
    ]) {
      expectSame(json);
    }
    expectSame(nested(MAX_DEPTH, (inside) => ({ inside })));
  });
});

describe("the check of a portable value", () => {
  it("takes an object of tens of thousands of keys for large, and what has as many characters for small", () => {
    expect(isLargePortable(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i])))).toBe(true);
    expect(isLargePortable({ text: "k123456".repeat(20_000) })).toBe(false);
  });

  it("pauses among many numbers", () => {
    const pauses = [
      ...isPlainJsonInSteps(
        Array.from({ length: 1_000_000 }, (_, i) => i / 3),
        MAX_DEPTH,
      ),
    ].length;
    expect(pauses).toBeGreaterThan(100);
  });
});

describe("what cannot be cut", () => {
  it("is followed by a turn of others, whenever it ran", async () => {
    function* work(): Generator<void, void, void> {
      for (let i = 0; i < 3; i++) {
        spendTurn();
        yield;
        yield;
      }
    }
    expect(await turnsDuring(() => new Slices(null).finish(work()))).toBeGreaterThanOrEqual(3);
  });
});
