/**
 * The stored form of a value, its names and its bounds.
 *
 * A plain JSON value is stored as the text of `JSON.stringify`. Every other value is stored as a document
 * `{"$waystone":1,"value":…}` whose `value` is JSON with tagged nodes: `{"$":"Date","value":"2026-01-31T…Z"}`. Inside a
 * document an object with a key `$` is always a tagged node; a user's object that has one is wrapped as `object`.
 */

import { CorruptionError } from "../../contract/errors.js";
import type { StoredText } from "./long-text.js";

/** Key that makes an object at the root a document; its value is the version of the format. */
export const DOCUMENT_KEY = "$waystone";

/** Version of the format that this release writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

/** Key that makes an object inside a document a tagged node; its value names the kind. */
export const TAG_KEY = "$";

/** Most levels of nested arrays and objects in the stored text: far below what overflows a stack anywhere. */
export const MAX_DEPTH = 1000;

/** Default for the most bytes of stored text, in UTF-8: 64 MiB. */
export const DEFAULT_MAX_BYTES: number = 64 * 1024 * 1024;

/**
 * Most arrays and objects of one value, counted for each place where one stands: what is taken of a value at the moment of the call
 * takes time for each of them, and may not hold the event loop for more than 50 ms.
 */
export const MAX_CONTAINERS: number = 120_000;

/** Most elements of arrays and properties of objects of one value, together, for the same reason. */
export const MAX_MEMBERS: number = 1_500_000;

/** For how many arrays and objects others count, by the time that they take; what is not named here counts as one. */
export const CONTAINERS: {
  readonly [kind in "map" | "entry" | "withoutPrototype" | "ownKeys" | "wrapped" | "bigint" | "error"]: number;
} = { map: 4, entry: 2, withoutPrototype: 4, ownKeys: 5, wrapped: 2, bigint: 2, error: 200 };

/** For how many members one of a Set counts, by the time that it takes. */
export const SET_MEMBER = 2;

/**
 * For how many members keys count that an object shares with no other one: V8 keeps such an object as a hash table, or with a shape of its own, which
 * takes longer with each key.
 */
export const OWN_KEYS: { readonly each: number; readonly many: number; readonly further: number } = {
  each: 3,
  many: 10_000,
  further: 25,
};

/** Bigints of more hexadecimal digits than this are stored as such: decimal text of n digits takes more than n steps to read. */
const MAX_DECIMAL_AS_HEX = 256;

/** Most decimal digits that a bigint of that size has. */
export const MAX_DECIMAL_DIGITS = 309;

/** What JSON may be read as before it is known to be of the right shape. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What a kind needs of the encoder while it writes one value. */
export interface LeafWriter {
  /** Ends the encode: `what` cannot be stored. */
  refuse(what: string): never;
  /** Counts text that is about to be made; ends the encode if it would exceed the limit. */
  reserve(bytes: number): void;
  /** The text of bytes, counted. */
  bytes(bytes: Uint8Array): Json;
}

/** A kind of object that holds no other values: how one is written into a tagged node, and read from it. */
export interface LeafKind {
  readonly tag: string;
  /** An object is of this kind if this is its prototype and `write` finds inside what the kind needs. */
  readonly prototype: object;
  /** For how many arrays and objects one counts. */
  readonly containers: number;
  write(value: object, writer: LeafWriter): Json;
  /** @throws CorruptionError, or what the constructor throws, for a payload that `write` cannot have made */
  read(payload: Json): object;
  /** As `read`, in steps: for kinds whose payload may be long. */
  readInSteps?(payload: StoredText): Generator<void, object, void>;
}

/** The errors that are kept, by the name of their class: each a function that makes one. Nothing stored can add to this list. */
export const ERROR_KINDS: ReadonlyMap<string, () => Error> = new Map<string, () => Error>([
  ["Error", () => new Error()],
  ["TypeError", () => new TypeError()],
  ["RangeError", () => new RangeError()],
  ["SyntaxError", () => new SyntaxError()],
  ["ReferenceError", () => new ReferenceError()],
  ["EvalError", () => new EvalError()],
  ["URIError", () => new URIError()],
  ["AggregateError", () => new AggregateError([])],
]);

/** Properties of an error that JavaScript itself defines, and defines as non-enumerable. */
export const ERROR_FIELDS: readonly string[] = ["name", "message", "stack", "cause", "errors"];

/** Numbers that JSON has no text for. */
export const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
  ["-0", -0],
]);

/** Whether an object at the root is a document, or looks like one. */
export function isDocument(root: unknown): root is { [key: string]: Json } {
  return typeof root === "object" && root !== null && !Array.isArray(root) && Object.hasOwn(root, DOCUMENT_KEY);
}

/** Whether an object has own properties that count: enumerable ones, or symbols. */
export function hasProperties(object: object): boolean {
  return Object.keys(object).length !== 0 || Object.getOwnPropertySymbols(object).length !== 0;
}

/** Sets an own property whatever its name: assigning `__proto__` would change the prototype instead. */
export function setOwn(target: object, key: string, value: unknown, enumerable = true): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}

/** The text of a bigint: decimal for a person to read, `0x…` where it is too long for one. */
export function bigintText(value: bigint): string {
  const hex = value.toString(16);
  const digits = value < 0n ? hex.length - 1 : hex.length;
  if (digits <= MAX_DECIMAL_AS_HEX) return value.toString();
  return value < 0n ? `-0x${hex.slice(1)}` : `0x${hex}`;
}

/** The error for a stored value that this codec cannot have written. */
export function malformed(what: string): CorruptionError {
  return new CorruptionError(`the stored value is damaged: ${what}`);
}

/** The error for a tagged node whose payload is not of its kind. */
export function malformedKind(kind: string): CorruptionError {
  return malformed(`a ${kind}`);
}
