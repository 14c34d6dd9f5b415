/** Sorting many rows without holding the event loop. */

/** Rows sorted, or merged, between two looks at the time. */
const AT_ONCE = 4_096;

/** The rows in their order, with a pause where it yields: few are sorted without one. Equal ones stay as they were. */
export function* sortInSteps<Row>(
  rows: readonly Row[],
  compare: (a: Row, b: Row) => number,
): Generator<void, Row[], void> {
  if (rows.length <= AT_ONCE) return [...rows].sort(compare);
  let from: Row[] = [];
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    for (const row of rows.slice(start, start + AT_ONCE).sort(compare)) from.push(row);
    yield;
  }
  for (let width = AT_ONCE; width < from.length; width *= 2) {
    const to: Row[] = [];
    for (let start = 0; start < from.length; start += 2 * width) yield* merge(from, to, start, width, compare);
    from = to;
  }
  return from;
}

/** Merges two runs of so many rows that follow each other; the second one may be shorter, or not there. */
function* merge<Row>(
  from: readonly Row[],
  to: Row[],
  start: number,
  width: number,
  compare: (a: Row, b: Row) => number,
): Generator<void, void, void> {
  const middle = Math.min(start + width, from.length);
  const end = Math.min(middle + width, from.length);
  for (let [left, right] = [start, middle]; left < middle || right < end; ) {
    const isLeft = right === end || (left < middle && compare(from[left] as Row, from[right] as Row) <= 0);
    to.push(from[isLeft ? left : right] as Row);
    if (isLeft) left += 1;
    else right += 1;
    if (to.length % AT_ONCE === 0) yield;
  }
}
