/**
 * The quickest copy of a large value as it is now: what the caller must wait for, so that the text can be made later, in steps.
 * Strings are taken as they are and bytes are copied whole; only arrays and objects are gone through one by one.
 */
import { isDocument, type Json, TAG_KEY } from "./format.js";
import { hasFurtherProperties, jsonIsOverridden } from "./plain.js";
import { TreeWriter } from "./write.js";

/** What is stored of a value: a tree of JSON with `PreparedValue` and `LaterBytes` in it. */
export interface StorableCopy {
  readonly tree: Json;
  /** It has tagged nodes, and needs a document around it. */
  readonly inDocument: boolean;
  /** Its text is long enough to be made in steps. */
  readonly isLarge: boolean;
}

/** What makes a copy large: characters, and objects and arrays. */
const LARGE = { characters: 1024 * 1024, containers: 10_000 };

/** Objects and arrays that are copied: beyond, shared references may lead to the same ones again and again. */
const MOST_CONTAINERS = 1_000_000;

/** Ends a copy that the thorough encoder must make, which also says what is wrong and where. */
const UNFIT: unique symbol = Symbol("unfit");

// Kept outside the recursion for speed, and put back by a copy inside a getter of another one.
let containersLeft = 0;
let charactersLeft = 0;
let depthLimit = 0;
let wrapsTags = false;
let hasTagKey = false;
let writer: TreeWriter;

/** The tree that the thorough encoder makes, or `null` where that one must look itself. */
export function copyStorable(value: unknown, maxDepth: number, maxBytes: number): StorableCopy | null {
  const copied = copyOnce(value, maxDepth, maxBytes, true);
  if (copied === null || copied.inDocument || !copied.hasTagKey) return copied;
  // Only inside a document an object with the key of our tags is wrapped.
  return copyOnce(value, maxDepth, maxBytes, false);
}

function copyOnce(
  value: unknown,
  maxDepth: number,
  maxBytes: number,
  wraps: boolean,
): (StorableCopy & { readonly hasTagKey: boolean }) | null {
  const outer = { containersLeft, charactersLeft, depthLimit, wrapsTags, hasTagKey, writer };
  containersLeft = MOST_CONTAINERS;
  charactersLeft = maxBytes;
  depthLimit = maxDepth;
  wrapsTags = wraps;
  hasTagKey = false;
  writer = new TreeWriter(maxDepth, maxBytes, true);
  try {
    if (jsonIsOverridden() || hasInheritedKeys()) return null;
    const tree = copyOf(value, 0);
    if (charactersLeft < 0) return null;
    const isLarge = maxBytes - charactersLeft > LARGE.characters || MOST_CONTAINERS - containersLeft > LARGE.containers;
    return { tree, inDocument: writer.tagged || isDocument(value), isLarge, hasTagKey };
  } catch {
    // Refused, or a getter has thrown: the thorough encoder meets it again.
    return null;
  } finally {
    ({ containersLeft, charactersLeft, depthLimit, wrapsTags, hasTagKey, writer } = outer);
  }
}

function copyOf(value: unknown, depth: number): Json {
  switch (typeof value) {
    case "string":
      charactersLeft -= value.length;
      return value;
    case "boolean":
      return value;
    case "number":
      return value - value === 0 && (value !== 0 || 1 / value > 0) ? value : special(value, depth);
    case "object":
      return value === null ? null : copyOfObject(value, depth + 1);
    default:
      return special(value, depth);
  }
}

function copyOfObject(object: object, depth: number): Json {
  containersLeft -= 1;
  if (depth > depthLimit || containersLeft < 0 || charactersLeft < 0) throw UNFIT;
  const prototype: unknown = Object.getPrototypeOf(object);
  if (Array.isArray(object)) {
    if (prototype !== Array.prototype) throw UNFIT;
    return copyOfArray(object, depth);
  }
  return prototype === Object.prototype ? copyOfProperties(object, depth) : special(object, depth - 1);
}

function copyOfArray(array: readonly unknown[], depth: number): Json {
  const length = array.length;
  const copy: Json[] = new Array(length);
  for (let i = 0; i < length; i++) {
    const item = array[i];
    if (item === undefined && !Object.hasOwn(array, i)) throw UNFIT;
    copy[i] = copyOf(item, depth);
  }
  if (hasFurtherProperties(array)) throw UNFIT;
  return copy;
}

function copyOfProperties(object: object, depth: number): Json {
  if (Object.getOwnPropertySymbols(object).length !== 0) throw UNFIT;
  // As the thorough encoder does: the copy has data properties only, all of them own ones, `__proto__` too.
  const copy: Record<string, unknown> = { ...object };
  for (const key in copy) {
    charactersLeft -= key.length;
    if (key === TAG_KEY) {
      hasTagKey = true;
      if (wrapsTags) return writer.part(object, depth - 1);
    }
    const item = copy[key];
    if (typeof item === "string") {
      charactersLeft -= item.length;
      continue;
    }
    const part = copyOf(item, depth);
    if (part !== item) copy[key] = part;
  }
  return copy as Record<string, Json>;
}

/** What JSON has no text for, and its parts. */
function special(value: unknown, depth: number): Json {
  const before = writer.size;
  const tree = writer.part(value, depth);
  charactersLeft -= writer.size - before;
  return tree;
}

/** Whether a library has put enumerable properties on the prototype of all objects. */
function hasInheritedKeys(): boolean {
  for (const _key in Object.prototype) return true;
  return false;
}
