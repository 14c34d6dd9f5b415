/**
 * The quickest copy of a large value as it is now: what the caller must wait for, so that the text can be made later, in steps.
 * Strings are taken as they are and bytes are copied whole; only arrays and objects are gone through one by one.
 */
import { SerializationError } from "../../contract/errors.js";
import { spendTurn } from "../slices.js";
import {
  CONTAINERS,
  hasProperties,
  isDocument,
  type Json,
  type LeafKind,
  MAX_CONTAINERS,
  MAX_MEMBERS,
  TAG_KEY,
} from "./format.js";
import { FURTHER_PROPERTIES, hasFurther, LateChecks } from "./late-checks.js";
import { leafByPrototype } from "./leaves.js";
import { type PathStep, renderPath } from "./path.js";
import { jsonIsOverridden } from "./plain.js";
import { isWideAlone, tableOf } from "./wide-objects.js";
import { instanceName, keyStep, memberStep, TreeWriter, tooMany, valueStep } from "./write.js";

/** What is stored of a value: a tree of JSON with `PreparedValue` and `LaterBytes` in it, once it is checked. */
export interface StorableCopy {
  readonly tree: Json;
  /** It has tagged nodes, and needs a document around it. */
  readonly inDocument: boolean;
  /** It has no tagged nodes: the value is plain JSON. */
  readonly isPlain: boolean;
  /** Its text is long enough to be made in steps. */
  readonly isLarge: boolean;
  /** What is left to do before its text is made. */
  readonly checks: LateChecks;
}

/** What makes a copy large: characters, and arrays and objects. */
const LARGE = { characters: 1024 * 1024, containers: 10_000 };

/** Arrays that are asked at once whether they hold more than their elements, in some milliseconds; the others, and longer ones, are asked in steps. */
const ARRAYS_ASKED_AT_ONCE = 10_000;
const LONGEST_ASKED_AT_ONCE = 100_000;

/** An object is taken to be as wide as the one that was asked: the first ones are asked, then each one of so many. */
const OBJECTS_PER_ASKING = 32;

/** Ends a copy that the thorough encoder must make. */
const UNFIT: unique symbol = Symbol("unfit");

const UNDEFINED_NODE: Json = Object.freeze({ [TAG_KEY]: "undefined" }) as Json;

// Kept outside the recursion for speed, and put back by a copy inside a getter of another one.
let containersLeft = 0;
let membersLeft = 0;
let charactersLeft = 0;
let arraysToAsk = 0;
let untilAsking = 0;
let objectsAsked = 0;
let areWide = false;
let keysOfLast: readonly string[] = [];
let depthLimit = 0;
let deepest = 0;
/** Objects of which it is known late that they are to be wrapped: a level more, perhaps one inside of another. */
let wrappedLate = 0;
let tagged = false;
/** Plain JSON alone: `undefined` is absent where it stands in an object, and refused elsewhere as all that JSON has no text for. */
let isPlainOnly = false;
let writer: TreeWriter;
let checks: LateChecks;
/** The way to what is refused, last step first. */
let steps: PathStep[];
/** The arrays and objects on that way, last one first. */
let ancestors: object[];

/**
 * The tree that the thorough encoder makes, or `null` where that one must look itself.
 * @throws SerializationError with the path of what cannot be kept, but for what `checks` finds
 */
export function copyStorable(value: unknown, maxDepth: number, maxBytes: number): StorableCopy | null {
  return copied(value, maxDepth, maxBytes, false);
}

/** As `copyStorable`, of plain JSON, in which objects may have no prototype and `undefined` in an object counts as absent. */
export function copyPlain(value: unknown, maxDepth: number, maxBytes: number): StorableCopy | null {
  return copied(value, maxDepth, maxBytes, true);
}

function copied(value: unknown, maxDepth: number, maxBytes: number, plainOnly: boolean): StorableCopy | null {
  const outer = { containersLeft, membersLeft, charactersLeft, arraysToAsk, depthLimit, deepest, wrappedLate, tagged };
  const outerLists = { isPlainOnly, writer, checks, steps, ancestors };
  containersLeft = MAX_CONTAINERS;
  membersLeft = MAX_MEMBERS;
  charactersLeft = maxBytes;
  arraysToAsk = ARRAYS_ASKED_AT_ONCE;
  untilAsking = 0;
  objectsAsked = 0;
  keysOfLast = [];
  depthLimit = maxDepth;
  deepest = 0;
  wrappedLate = 0;
  tagged = false;
  isPlainOnly = plainOnly;
  writer = new TreeWriter(maxDepth, maxBytes, true);
  checks = new LateChecks(value);
  steps = [];
  ancestors = [];
  try {
    if (jsonIsOverridden() || hasInheritedKeys()) return null;
    const tree = copyOf(value, 0);
    // What no array or object behind it has met.
    enter(0, 0);
    if (deepest + wrappedLate > maxDepth && wrappedLate > 0) return null;
    const isLarge = maxBytes - charactersLeft > LARGE.characters || MAX_CONTAINERS - containersLeft > LARGE.containers;
    if (isLarge) spendTurn();
    const isPlain = !tagged && !writer.tagged;
    return { tree, inDocument: !isPlain || isDocument(value), isPlain, isLarge, checks };
  } catch (error) {
    if (error === UNFIT) return null;
    throw refusal(error);
  } finally {
    ({ containersLeft, membersLeft, charactersLeft, arraysToAsk, depthLimit, deepest, wrappedLate, tagged } = outer);
    ({ isPlainOnly, writer, checks, steps, ancestors } = outerLists);
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
      return isOrdinary(value) ? value : special(value, depth);
    case "object":
      return value === null ? null : copyOfObject(value, depth + 1);
    case "undefined":
      return copyOfUndefined(depth + 1);
    default:
      return special(value, depth);
  }
}

function copyOfUndefined(depth: number): Json {
  if (isPlainOnly) refuse("undefined");
  enter(depth, 1);
  tagged = true;
  return UNDEFINED_NODE;
}

function enter(depth: number, containers: number): void {
  containersLeft -= containers;
  if (depth > deepest) deepest = depth;
  if (depth > depthLimit) refuse(`a value nested more than ${depthLimit} levels deep`);
  if (containersLeft < 0) refuse(tooMany.containers);
  if (membersLeft < 0) refuse(tooMany.members);
  if (charactersLeft < 0) refuse(`a value of more than ${writer.maxBytes} bytes`);
}

function copyOfObject(object: object, depth: number): Json {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === Object.prototype && !Array.isArray(object)) return copyOfProperties(object, depth, !isPlainOnly);
  if (Array.isArray(object)) {
    if (prototype !== Array.prototype) refuse(instanceName(prototype as object | null));
    return copyOfArray(object, depth);
  }
  if (isPlainOnly) {
    if (prototype !== null) refuse(instanceName(prototype as object));
    return copyOfProperties(object, depth, false);
  }
  if (prototype === Map.prototype) return copyOfMap(object as Map<unknown, unknown>, depth);
  if (prototype === Set.prototype) return copyOfSet(object as Set<unknown>, depth);
  if (prototype === null) {
    tagged = true;
    containersLeft -= CONTAINERS.withoutPrototype - 1;
    return { [TAG_KEY]: "null-prototype", value: copyOfProperties(object, depth + 1, false) };
  }
  const leaf = leafByPrototype(prototype as object);
  return leaf === undefined ? special(object, depth - 1) : copyOfLeaf(object, leaf, depth);
}

function copyOfLeaf(object: object, leaf: LeafKind, depth: number): Json {
  enter(depth + 1, leaf.containers);
  tagged = true;
  const { size } = writer;
  const value = leaf.write(object, writer);
  charactersLeft -= writer.size - size;
  return { [TAG_KEY]: leaf.tag, value };
}

function copyOfArray(array: readonly unknown[], depth: number): Json {
  const { length } = array;
  membersLeft -= length;
  enter(depth, 1);
  // A copy of the elements as they lie in memory, unless there are holes.
  const copy: unknown[] = [...array];
  if (copy.length !== length) throw UNFIT;
  copyElements(copy, depth, array, Number);
  if (arraysToAsk > 0 && length <= LONGEST_ASKED_AT_ONCE) {
    arraysToAsk -= 1;
    if (hasFurther(array)) refuse(FURTHER_PROPERTIES);
  }
  return copy as Json[];
}

/** Puts the copies of a list's elements in their places. @param step of an element, to say where one is that is refused */
function copyElements(list: unknown[], depth: number, of: object, step: (i: number) => PathStep): void {
  // Alone in a function V8 reads numbers as they lie in memory; between other things each would be an object of its own.
  let i = ordinaryNumbers(list);
  try {
    for (; i < list.length; i++) {
      const item = list[i];
      if (typeof item === "string") {
        charactersLeft -= item.length;
        continue;
      }
      if (typeof item === "number" && isOrdinary(item)) continue;
      if (item === undefined && Array.isArray(of) && !Object.hasOwn(of, i)) refuse("a hole in an array");
      const part = copyOf(item, depth);
      if (part !== item) list[i] = part;
    }
  } catch (error) {
    noteStep(step(i), of);
    throw error;
  }
}

/** How many elements from the first on are numbers that JSON has a text for. */
function ordinaryNumbers(list: readonly unknown[]): number {
  let i = 0;
  for (; i < list.length; i++) {
    const item = list[i];
    if (typeof item !== "number" || !isOrdinary(item)) break;
  }
  return i;
}

/** Of the numbers that JSON has a text for. */
function isOrdinary(number: number): boolean {
  return number - number === 0 && (number !== 0 || 1 / number > 0);
}

function shallowCopyOf(object: object): Record<string, unknown> {
  if (untilAsking === 0) {
    objectsAsked += 1;
    if (objectsAsked > OBJECTS_PER_ASKING) untilAsking = OBJECTS_PER_ASKING;
    const keys = Object.keys(object);
    areWide = isWideAlone(keys, keysOfLast);
    keysOfLast = keys;
  } else {
    untilAsking -= 1;
  }
  if (areWide) return tableOf(object);
  return Object.getPrototypeOf(object) === null ? bareCopyOf(object) : { ...object };
}

/** A spread of an object without prototype takes three times as long. */
function bareCopyOf(object: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key in object) {
    if (key === "__proto__") return { ...object };
    copy[key] = object[key as keyof typeof object];
  }
  return Object.getOwnPropertySymbols(object).length === 0 ? copy : { ...object };
}

/** @param wraps whether inside a document the key of our tags makes a node around the object necessary */
function copyOfProperties(object: object, depth: number, wraps: boolean): Json {
  enter(depth, 1);
  // As the thorough encoder does: the copy has data properties only, all of them own ones, `__proto__` too.
  const copy: Record<string, unknown> = shallowCopyOf(object);
  const hasTagKey = wraps && copy[TAG_KEY] !== undefined;
  const inside = hasTagKey ? depth + 1 : depth;
  if (hasTagKey) {
    // Needed inside a document only, so it is no reason to make one.
    enter(inside, CONTAINERS.wrapped - 1);
    checks.addWrapped(copy);
  }
  let last = "";
  try {
    for (const key in copy) {
      last = key;
      membersLeft -= 1;
      charactersLeft -= key.length;
      const item = copy[key];
      if (typeof item === "string") {
        charactersLeft -= item.length;
        continue;
      }
      if (item === undefined && isPlainOnly) {
        delete copy[key];
        continue;
      }
      if (item === undefined && key === TAG_KEY && wraps) {
        wrappedLate += 1;
        containersLeft -= CONTAINERS.wrapped - 1;
        checks.addWrapped(copy);
      }
      const part = copyOf(item, inside);
      if (part !== item) copy[key] = part;
    }
  } catch (error) {
    noteStep(last, object);
    throw error;
  }
  return copy as Record<string, Json>;
}

function copyOfMap(map: Map<unknown, unknown>, depth: number): Json {
  if (hasProperties(map)) refuse("a Map with further properties");
  enter(depth + 2, CONTAINERS.map);
  tagged = true;
  const entries: Json[] = [];
  let step: PathStep = "";
  try {
    Map.prototype.forEach.call(map, (value, key) => {
      enter(depth + 2, CONTAINERS.entry);
      membersLeft -= 2;
      step = keyStep(entries.length);
      const keyTree = copyOf(key, depth + 2);
      step = valueStep(key, entries.length);
      entries.push([keyTree, copyOf(value, depth + 2)]);
    });
  } catch (error) {
    noteStep(step, map);
    throw error;
  }
  return { [TAG_KEY]: "Map", value: entries };
}

function copyOfSet(set: Set<unknown>, depth: number): Json {
  if (hasProperties(set)) refuse("a Set with further properties");
  enter(depth + 1, CONTAINERS.map);
  tagged = true;
  membersLeft -= set.size;
  const items: unknown[] = [...Set.prototype.values.call(set)];
  copyElements(items, depth + 1, set, memberStep);
  return { [TAG_KEY]: "Set", value: items as Json[] };
}

/** What JSON has no text for, and its parts. */
function special(value: unknown, depth: number): Json {
  if (isPlainOnly)
    refuse(typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value)) : `a ${typeof value}`);
  const { size, containers, members } = writer;
  const tree = writer.part(value, depth);
  charactersLeft -= writer.size - size;
  membersLeft -= writer.members - members;
  enter(depth, writer.containers - containers);
  return tree;
}

/** What ends the copy, until its path is known. */
class Refusal {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

function refuse(what: string): never {
  throw new Refusal(what);
}

/** Costs nothing until something is refused: the path is noted on the way out. */
function noteStep(step: PathStep, object: object): void {
  steps.push(step);
  ancestors.push(object);
}

function refusal(error: unknown): SerializationError {
  const path = [...steps].reverse();
  const way = [...ancestors].reverse();
  const again = way.findIndex((object, i) => way.indexOf(object) < i);
  if (again > 0) return new SerializationError(renderPath(path.slice(0, again)), "a cycle cannot be stored");
  if (error instanceof Refusal) return new SerializationError(renderPath(path), `${error.what} cannot be stored`);
  const inside = renderPath([...path, ...writer.path]);
  if (error instanceof SerializationError) return new SerializationError(inside, reasonOf(error));
  return new SerializationError(inside, "a value that cannot be read cannot be stored", { cause: error });
}

/** What a refusal says behind its path. */
function reasonOf({ message, path }: SerializationError): string {
  return message.slice(`${path}: `.length);
}

/** Whether a library has put enumerable properties on the prototype of all objects. */
function hasInheritedKeys(): boolean {
  for (const _key in Object.prototype) return true;
  return false;
}
