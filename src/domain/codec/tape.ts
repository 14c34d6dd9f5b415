/**
 * A large value as it was at one moment: written down in one pass at the moment of the call, and read in steps later. It holds numbers and
 * strings, and nothing that the caller can still change.
 */
import { Numbers, References } from "./chunks.js";
import type { Json } from "./format.js";
import { MOST_SHAPES, Shapes } from "./shapes.js";

/** What a word says in its lowest bits; above them stands a number. */
export const WORD = {
  null: 0,
  true: 1,
  false: 2,
  undefined: 3,
  /** The number itself. */
  integer: 4,
  /** A number follows. */
  number: 5,
  /** So many numbers follow, each an element of an array. */
  numbers: 6,
  /** The next reference is a string. */
  string: 7,
  /** The next reference is JSON: a tagged node, or a prepared value. */
  node: 8,
  /** So many values follow. */
  array: 9,
  /** The values of an object follow: its shape says the first keys, references before each value the others. */
  object: 10,
  withoutPrototype: 11,
  /** An object one of whose keys is that of our tags. */
  likeNode: 12,
  /** So many keys follow, each with its value. */
  map: 13,
  /** So many values follow. */
  set: 14,
} as const;

const KINDS = 16;

/** Integers up to this size stand in a word. */
export const MAX_INTEGER: number = 2 ** 48;

export function kindOfWord(word: number): number {
  return word & (KINDS - 1);
}

/** The count, or the integer. */
export function restOfWord(word: number): number {
  return Math.floor(word / KINDS);
}

export function wordOf(kind: number, rest: number): number {
  return rest * KINDS + kind;
}

/** The rest of an object's word: how many keys it has, and the number of its shape. */
export function restOfObject(keys: number, shape: number): number {
  return keys * MOST_SHAPES + shape;
}

export function keysOf(rest: number): number {
  return Math.floor(rest / MOST_SHAPES);
}

export function shapeOf(rest: number): number {
  return rest % MOST_SHAPES;
}

export class Tape {
  /** Words, and numbers between them. */
  readonly words: Numbers = new Numbers();
  /** Strings, keys that no shape has, and nodes as JSON. */
  readonly references: References<Json> = new References();
  readonly shapes: Shapes = new Shapes();
  /** It has nothing that JSON has no text for. */
  isPlain = true;
  /** It needs a document around it: it is not plain, or looks like a document itself. */
  inDocument = false;
  /** Its text is so long that it is made in steps. */
  isLarge = false;
  #originals: References<object> = new References();

  /** The arrays and objects of the value, in the order of their words, for what the tape does not say of them. */
  get originals(): References<object> {
    return this.#originals;
  }

  forgetOriginals(): void {
    this.#originals = new References();
  }
}
