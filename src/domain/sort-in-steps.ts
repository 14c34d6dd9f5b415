/** Sorting many numbers without holding the event loop. */

/** Numbers sorted, or merged, between two looks at the time. */
const AT_ONCE = 4_096;

/** The numbers in ascending order, with a pause where it yields. */
export function* sortInSteps(numbers: readonly number[]): Generator<void, Float64Array, void> {
  let from = Float64Array.from(numbers);
  for (let start = 0; start < from.length; start += AT_ONCE) {
    from.subarray(start, start + AT_ONCE).sort();
    yield;
  }
  let to = new Float64Array(from.length);
  for (let width = AT_ONCE; width < from.length; width *= 2) {
    for (let start = 0; start < from.length; start += 2 * width) yield* merge(from, to, start, width);
    [from, to] = [to, from];
  }
  return from;
}

/** Merges two runs of so many numbers that follow each other; the second one may be shorter, or not there. */
function* merge(from: Float64Array, to: Float64Array, start: number, width: number): Generator<void, void, void> {
  const middle = Math.min(start + width, from.length);
  const end = Math.min(middle + width, from.length);
  for (let [left, right, at] = [start, middle, start]; at < end; at++) {
    const first = left < middle ? (from[left] as number) : Number.POSITIVE_INFINITY;
    const second = right < end ? (from[right] as number) : Number.POSITIVE_INFINITY;
    if (first <= second) {
      to[at] = first;
      left += 1;
    } else {
      to[at] = second;
      right += 1;
    }
    if (at % AT_ONCE === AT_ONCE - 1) yield;
  }
}
