/** The one binary search of this backend. */

/** The first of `length` places that is not below what is looked for; `length` if all are. Places below come first. */
export function firstNotBelow(length: number, isBelow: (place: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
