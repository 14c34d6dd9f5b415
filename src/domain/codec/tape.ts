/**
 * A large value as it was at one moment: written down in one pass at the moment of the call, and read in steps later. It holds numbers and
 * strings, and nothing that the caller can still change.
 */
import { References, Words } from "./chunks.js";
import type { Json } from "./format.js";
import { Shapes } from "./shapes.js";

/** What a word says in its lowest bits; above them stands a number. */
export const WORD = {
  null: 0,
  true: 1,
  false: 2,
  undefined: 3,
  /** The number itself. */
  integer: 4,
  /** The bits of a number follow. */
  number: 5,
  /** The bits of so many numbers follow, each an element of an array. */
  numbers: 6,
  /** The next reference is a string. */
  string: 7,
  /** The next reference is JSON: a tagged node, or a prepared value. */
  node: 8,
  /** So many values follow. */
  array: 9,
  /** The number of a shape, which says the first keys. How many keys there are is the next word; then follow the values, each with its key as a reference before it behind the shape's. */
  object: 10,
  withoutPrototype: 11,
  /** An object one of whose keys is that of our tags. */
  likeNode: 12,
  /** So many keys follow, each with its value. */
  map: 13,
  /** So many values follow. */
  set: 14,
} as const;

const KIND_BITS = 4;
const KIND: number = (1 << KIND_BITS) - 1;

/** Words of a number's bits. */
export const WORDS_OF_NUMBER = 2;

/** Integers stand in a word from `-LEAST_BEYOND` to below it. */
export const LEAST_BEYOND: number = 2 ** (31 - KIND_BITS);

export function kindOfWord(word: number): number {
  return word & KIND;
}

/** The count, the number of a shape, or the integer. */
export function restOfWord(word: number): number {
  return word >> KIND_BITS;
}

export function wordOf(kind: number, rest: number): number {
  return (rest << KIND_BITS) | kind;
}

export class Tape {
  readonly words: Words = new Words();
  /** Strings, keys that no shape has, and nodes as JSON. */
  readonly references: References<Json> = new References();
  readonly shapes: Shapes;
  /** It has nothing that JSON has no text for. */
  isPlain = true;
  /** It needs a document around it: it is not plain, or looks like a document itself. */
  inDocument = false;
  /** Its text is so long that it is made in steps. */
  isLarge = false;
  #originals: References<object> = new References();

  /** @param shapes of values like this one, which need not be made anew */
  constructor(shapes: Shapes = new Shapes()) {
    this.shapes = shapes;
  }

  /** The arrays and objects of the value, in the order of their words, for what the tape does not say of them. */
  get originals(): References<object> {
    return this.#originals;
  }

  forgetOriginals(): void {
    this.#originals = new References();
  }
}
