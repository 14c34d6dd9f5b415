/** Metadata: plain JSON that every backend can index and filter in the same way (V2). */
import { Buffer } from "node:buffer";
import { CorruptionError, InvalidArgumentError } from "../contract/errors.js";
import type { JsonValue, Metadata } from "../contract/json.js";
import { type PathStep, renderPath } from "./codec/path.js";
import { hasFurtherProperties, jsonIsOverridden } from "./codec/plain.js";
import { kindOf } from "./identifiers.js";

/** Most levels of nested arrays and objects in metadata, itself included. */
export const MAX_METADATA_DEPTH = 64;

/** Most bytes of metadata as JSON text in UTF-8: 1 MiB. */
export const MAX_METADATA_BYTES: number = 1024 * 1024;

/**
 * The text of metadata (V2).
 *
 * - A key whose value is `undefined` is treated as absent.
 * - `__proto__` is a key like any other.
 * - Each property is read once, so what is checked is what is stored.
 * @param root how the message of an error names the metadata
 * @param maxBytes most bytes of the text in UTF-8, by default 1 MiB
 * @throws InvalidArgumentError, with the path, for all that is not plain JSON: a root that is no object, NaN, ±Infinity, -0,
 *   bigint, `undefined` in an array, holes, Date and other instances of classes, functions, symbols, symbol keys, cycles, NUL or
 *   a lone surrogate in a string or key, more than 64 levels, more than `maxBytes`
 */
export function encodeMetadata(value: unknown, root = "metadata", maxBytes: number = MAX_METADATA_BYTES): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`${root}: must be a plain object, not ${kindOf(value)}`);
  }
  if (jsonIsOverridden()) throw new InvalidArgumentError(`${root}: a prototype of JavaScript itself has a toJSON`);
  const text = JSON.stringify(new MetadataReader(root, maxBytes).object(value, 1));
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
    throw new InvalidArgumentError(`${root}: must have at most ${maxBytes} bytes of JSON text`);
  }
  return text;
}

/**
 * The metadata of a text that `encodeMetadata` has made.
 * @throws CorruptionError for text that is not a JSON object
 */
export function decodeMetadata(text: string): Metadata {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and contents stay out of errors.
    throw new CorruptionError("the stored metadata is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CorruptionError("the stored metadata is not an object");
  }
  return value as Metadata;
}

/** Copies plain JSON, reading each property once. */
class MetadataReader {
  readonly #root: string;
  readonly #maxBytes: number;
  readonly #path: PathStep[] = [];
  readonly #ancestors = new Set<object>();
  #size = 0;

  constructor(root: string, maxBytes: number) {
    this.#root = root;
    this.#maxBytes = maxBytes;
  }

  object(object: object, depth: number): Record<string, JsonValue> {
    const prototype: object | null = Object.getPrototypeOf(object);
    if (prototype !== Object.prototype && prototype !== null) this.#refuse("an instance of a class");
    if (Object.getOwnPropertySymbols(object).length !== 0) this.#refuse("a symbol key");
    this.#enter(object, depth);
    const copy: Record<string, JsonValue> = Object.create(null);
    for (const key of Object.keys(object)) {
      this.#path.push(key);
      const value: unknown = object[key as keyof typeof object];
      if (value !== undefined) {
        this.#text(key);
        copy[key] = this.#value(value, depth);
      }
      this.#path.pop();
    }
    this.#ancestors.delete(object);
    return copy;
  }

  #array(array: readonly unknown[], depth: number): JsonValue {
    if (Object.getPrototypeOf(array) !== Array.prototype) this.#refuse("an instance of a class");
    this.#enter(array, depth);
    const copy: JsonValue[] = [];
    for (let i = 0; i < array.length; i++) {
      this.#path.push(i);
      copy.push(this.#value(array[i], depth));
      this.#path.pop();
    }
    if (hasFurtherProperties(array)) this.#refuse("an array with further properties");
    this.#ancestors.delete(array);
    return copy;
  }

  #value(value: unknown, depth: number): JsonValue {
    switch (typeof value) {
      case "string":
        this.#text(value);
        return value;
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) this.#refuse(Object.is(value, -0) ? "-0" : String(value));
        this.#grow(1);
        return value;
      case "boolean":
        this.#grow(4);
        return value;
      case "object":
        if (value === null) return null;
        return Array.isArray(value) ? this.#array(value, depth + 1) : this.object(value, depth + 1);
      default:
        return this.#refuse(value === undefined ? "undefined" : `a ${typeof value}`);
    }
  }

  #text(text: string): void {
    this.#grow(text.length + 2);
    if (text.includes("\0")) this.#refuse("a string with NUL");
    if (!text.isWellFormed()) this.#refuse("a string with a lone surrogate");
  }

  #enter(object: object, depth: number): void {
    if (this.#ancestors.has(object)) this.#refuse("a cycle");
    if (depth > MAX_METADATA_DEPTH) this.#refuse(`more than ${MAX_METADATA_DEPTH} levels`);
    this.#grow(2);
    this.#ancestors.add(object);
  }

  /** Ends early what cannot become short enough, such as few objects reached by many paths. */
  #grow(size: number): void {
    this.#size += size;
    if (this.#size > this.#maxBytes) {
      throw new InvalidArgumentError(`${this.#root}: must have at most ${this.#maxBytes} bytes of JSON text`);
    }
  }

  #refuse(what: string): never {
    throw new InvalidArgumentError(`${renderPath(this.#path, this.#root)}: ${what} cannot be stored in plain JSON`);
  }
}
