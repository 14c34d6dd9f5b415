/** The fast check before `JSON.stringify`: whether its text would give back exactly this value. */
import { hasFurtherProperties } from "./further-properties.js";

/**
 * How much the check does before it leaves the answer to the thorough encoder, a few tenths of a second. A value with shared
 * references may have more paths than memory has bytes; the thorough encoder visits each object once. A character of a string
 * costs 1, the rest about what it takes in time.
 */
const MOST_WORK = 64 * 1024 * 1024;

/** The work up to which a value is checked and made text of at once, in some ten milliseconds at most. */
export const WORK_AT_ONCE: number = 4 * 1024 * 1024;
/** So much that more arrays and objects, or elements, than a value may have are more than the most work. */
const CONTAINER_WORK = 640;
const ITEM_WORK = 45;
const PROPERTY_WORK = 64;
/** Of so many keys an object is a hash table, in which each takes about as long as an array or object. */
const MANY_KEYS = 2_000;

// Kept outside the recursion for speed. A getter that itself encodes starts the count anew; the text is measured at the
// end in any case, so no limit is lost by it.
let workLeft = 0;
let depthLimit = 0;

/**
 * Whether `JSON.stringify(value)` is exact: only plain objects and arrays of strings, finite numbers (no -0), booleans and
 * null, nested at most `maxDepth` deep.
 *
 * `false` says only that the thorough encoder must look, also when there is more to do than `mostWork`. Getters and proxies are taken for the value that they show.
 */
export function isPlainJson(value: unknown, maxDepth: number, mostWork: number = MOST_WORK): boolean {
  workLeft = mostWork;
  depthLimit = maxDepth;
  return !jsonIsOverridden() && isPlain(value, 0) && workLeft >= 0;
}

/** Whether the last look at a value ended because there was too much of it. */
export function wasTooMuchWork(): boolean {
  return workLeft < 0;
}

/** The work that the last look at a value has left of what it was given. */
export function workLeftOver(): number {
  return Math.max(0, workLeft);
}

/** Whether a library has put `toJSON` on the prototypes of plain values, so that JSON text says something else. */
export function jsonIsOverridden(): boolean {
  return "toJSON" in Object.prototype || "toJSON" in Array.prototype;
}

// Small enough to be inlined where it is called: most values are strings, and end here.
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === "string") {
    workLeft -= value.length;
    return true;
  }
  if (typeof value === "object") return value === null || isPlainContainer(value, depth + 1);
  return typeof value === "number" ? value - value === 0 && (value !== 0 || 1 / value > 0) : typeof value === "boolean";
}

function isPlainContainer(container: object, depth: number): boolean {
  workLeft -= CONTAINER_WORK;
  if (depth > depthLimit || workLeft < 0) return false;
  return Array.isArray(container) ? isPlainArray(container, depth) : isPlainObject(container, depth);
}

function isPlainArray(array: readonly unknown[], depth: number): boolean {
  if (Object.getPrototypeOf(array) !== Array.prototype) return false;
  const length = array.length;
  workLeft -= length * ITEM_WORK;
  if (workLeft < 0) return false;
  for (let i = 0; i < length; i++) if (!isPlain(array[i], depth)) return false;
  // Only now: a hole has ended the loop, so the array is dense.
  return !hasFurtherProperties(array);
}

function isPlainObject(object: object, depth: number): boolean {
  if (Object.getPrototypeOf(object) !== Object.prototype) return false;
  // `for in` is several times faster than `Object.keys`. Were a key inherited, the answer would still be right: the text
  // has own keys only.
  let keys = 0;
  for (const key in object) {
    keys += 1;
    workLeft -= key.length + (keys > MANY_KEYS ? CONTAINER_WORK : PROPERTY_WORK);
    if (workLeft < 0) return false;
    const value: unknown = object[key as keyof typeof object];
    if (typeof value === "string") workLeft -= (value as string).length;
    else if (!isPlain(value, depth)) return false;
  }
  return Object.getOwnPropertySymbols(object).length === 0;
}
