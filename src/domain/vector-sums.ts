/** The sums that similarity is made of, for many vectors at once: products of their numbers, or squares of what lies between them. */
import type { RowRange, SumKind } from "./row-sums.js";
import { simdSums } from "./simd-sums.js";

/** Few rows are summed before they are copied to where SIMD reaches them. */
const FEW_ROWS = 4;

/**
 * Writes a sum for each row. Which of the two ways it takes shows in its time alone: both add the same numbers of 64 bits in the
 * same order.
 * @param query of 64 bits, which need no conversion in the loop
 */
export function sumRows(kind: SumKind, query: Float64Array, rows: RowRange, sums: Float64Array): void {
  const simd = rows.count < FEW_ROWS ? null : simdSums(query.length);
  if (simd !== null) simd(kind, query, rows, sums);
  else sumPlainly(kind, query, rows, sums);
}

/** Without SIMD. */
export function sumPlainly(kind: SumKind, query: Float64Array, rows: RowRange, sums: Float64Array): void {
  if (kind === "products") sumProducts(query, rows, sums);
  else sumSquares(query, rows, sums);
}

/** Several sums: an addition need not wait for the one before. All rows in one call, and one kind of array for each argument. */
function sumProducts(query: Float64Array, { values, from, count }: RowRange, sums: Float64Array): void {
  const { length } = query;
  for (let row = 0; row < count; row++) {
    const start = (from + row) * length;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    let g = 0;
    let h = 0;
    let i = 0;
    for (; i + 7 < length; i += 8) {
      const place = start + i;
      a += (query[i] as number) * (values[place] as number);
      b += (query[i + 1] as number) * (values[place + 1] as number);
      c += (query[i + 2] as number) * (values[place + 2] as number);
      d += (query[i + 3] as number) * (values[place + 3] as number);
      e += (query[i + 4] as number) * (values[place + 4] as number);
      f += (query[i + 5] as number) * (values[place + 5] as number);
      g += (query[i + 6] as number) * (values[place + 6] as number);
      h += (query[i + 7] as number) * (values[place + 7] as number);
    }
    for (; i < length; i++) a += (query[i] as number) * (values[start + i] as number);
    sums[row] = a + c + (e + g) + (b + d + (f + h));
  }
}

function sumSquares(query: Float64Array, { values, from, count }: RowRange, sums: Float64Array): void {
  const { length } = query;
  for (let row = 0; row < count; row++) {
    const start = (from + row) * length;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let e = 0;
    let f = 0;
    let g = 0;
    let h = 0;
    let i = 0;
    for (; i + 7 < length; i += 8) {
      const place = start + i;
      a += square((query[i] as number) - (values[place] as number));
      b += square((query[i + 1] as number) - (values[place + 1] as number));
      c += square((query[i + 2] as number) - (values[place + 2] as number));
      d += square((query[i + 3] as number) - (values[place + 3] as number));
      e += square((query[i + 4] as number) - (values[place + 4] as number));
      f += square((query[i + 5] as number) - (values[place + 5] as number));
      g += square((query[i + 6] as number) - (values[place + 6] as number));
      h += square((query[i + 7] as number) - (values[place + 7] as number));
    }
    for (; i < length; i++) a += square((query[i] as number) - (values[start + i] as number));
    sums[row] = a + c + (e + g) + (b + d + (f + h));
  }
}

function square(n: number): number {
  return n * n;
}
