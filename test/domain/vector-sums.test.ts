// Sums of many vectors: SIMD and the plain loop give the very same numbers, and those are the sums that a reader expects.
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import type { SumKind } from "../../src/domain/row-sums.js";
import { simdSums } from "../../src/domain/simd-sums.js";
import { sumPlainly, sumRows } from "../../src/domain/vector-sums.js";

const KINDS: readonly SumKind[] = ["products", "squares"];

class CompileError extends Error {}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });

/** Numbers that repeat a few given ones in an order of their own: as many as the largest vectors need. */
function numbers(seeds: readonly number[], length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => seeds[(i * i + (i >>> 3)) % seeds.length] as number);
}

it("a processor with SIMD is used for each multiple of eight dimensions", () => {
  expect([8, 384, 1536, 16_000].map((dimensions) => simdSums(dimensions) === null)).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect([1, 7, 100, 1_001].map((dimensions) => simdSums(dimensions))).toEqual([null, null, null, null]);
});

it.each(KINDS)("%s by SIMD are those of the plain loop to the last bit", (kind) => {
  const shape = fc.oneof(
    fc.record({ turns: fc.integer({ min: 1, max: 50 }), count: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ turns: fc.constantFrom(48, 192, 2_000), count: fc.integer({ min: 1, max: 9 }) }),
  );
  const seeds = fc.array(float, { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(shape, fc.nat(3), seeds, seeds, ({ turns, count }, from, given, asked) => {
      const dimensions = 8 * turns;
      const simd = simdSums(dimensions);
      const query = Float64Array.from(numbers(asked, dimensions));
      const rows = { values: numbers(given, (from + count) * dimensions), from, count };
      const plain = new Float64Array(count);
      const fast = new Float64Array(count);
      sumPlainly(kind, query, rows, plain);
      simd?.(kind, query, rows, fast);
      expect(fast).toEqual(plain);
    }),
    { numRuns: 200 },
  );
});

it.each([1, 2, 7, 8, 9, 15, 16, 17, 384, 385])("of %i dimensions each number counts once", (dimensions) => {
  for (const count of [1, 3, 4, 5, 100]) {
    const query = Float64Array.from({ length: dimensions }, (_, i) => (i % 7) - 3);
    const values = Float32Array.from({ length: (count + 2) * dimensions }, (_, i) => (i % 11) - 5);
    const rowOf = (row: number): number[] => [...values.subarray((row + 2) * dimensions, (row + 3) * dimensions)];
    for (const kind of KINDS) {
      const sums = new Float64Array(count + 1).fill(-1);
      sumRows(kind, query, { values, from: 2, count }, sums);
      const expected = Array.from({ length: count }, (_, row) =>
        rowOf(row).reduce((sum, n, i) => {
          const asked = query[i] as number;
          return sum + (kind === "products" ? asked * n : (asked - n) ** 2);
        }, 0),
      );
      // What stands behind the sums is left alone.
      expect([...sums]).toEqual([...expected, -1]);
    }
  }
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it.each<[string, object | undefined]>([
  ["no WebAssembly", undefined],
  [
    "a host that compiles nothing",
    {
      CompileError,
      Module: class {
        constructor() {
          throw new CompileError("not here");
        }
      },
    },
  ],
])("with %s the plain loop does the work", async (_name, api) => {
  vi.stubGlobal("WebAssembly", api);
  vi.resetModules();
  const alone = await import("../../src/domain/vector-sums.js");
  const { simdSums: none } = await import("../../src/domain/simd-sums.js");
  expect(none(8)).toBeNull();
  const sums = new Float64Array(8);
  alone.sumRows(
    "products",
    new Float64Array(8).fill(2),
    { values: new Float32Array(64).fill(3), from: 0, count: 8 },
    sums,
  );
  expect([...sums]).toEqual(new Array(8).fill(48));
});
