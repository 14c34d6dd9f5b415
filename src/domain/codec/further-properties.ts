import { type InspectOptions, inspect } from "node:util";

/** Arrays above this length are not asked for their keys: each index would become a string. */
const LISTED_KEYS = 64;

/** What shows an array without its elements: in a moment, however many there are. */
const WITHOUT_ELEMENTS: InspectOptions = {
  maxArrayLength: 0,
  maxStringLength: 0,
  depth: 0,
  customInspect: false,
  breakLength: Number.POSITIVE_INFINITY,
};

/** An array with nothing but its elements. */
const PLAIN: readonly unknown[] = Array.from({ length: LISTED_KEYS + 1 });

/** Whether a dense array holds more than its elements: string keys such as `index` of a regular expression's match, or symbols. */
export function hasFurtherProperties(array: readonly unknown[]): boolean {
  if (Object.getOwnPropertySymbols(array).length !== 0) return true;
  if (array.length <= LISTED_KEYS) return Object.keys(array).length !== array.length;
  // What is hidden makes a difference too, such as a constructor of its own.
  return inspect(array, WITHOUT_ELEMENTS) !== shownPlain(array.length) && Object.keys(array).length !== array.length;
}

/** How an array of so many elements is shown that holds nothing else: to make one of a million takes long. */
function shownPlain(length: number): string {
  return inspect(PLAIN, WITHOUT_ELEMENTS).replace(String(PLAIN.length), String(length));
}
