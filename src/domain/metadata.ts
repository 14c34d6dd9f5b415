/** Metadata: plain JSON that every backend can index and filter in the same way (V2). */
import { Buffer } from "node:buffer";
import { CorruptionError, InvalidArgumentError, SerializationError } from "../contract/errors.js";
import type { JsonValue, Metadata } from "../contract/json.js";
import type { EncodedText } from "./codec/encoded-text.js";
import { type Json, MAX_CONTAINERS, MAX_MEMBERS, setOwn } from "./codec/format.js";
import { hasFurtherProperties } from "./codec/further-properties.js";
import { checkOriginals } from "./codec/late-checks.js";
import { parseInSteps } from "./codec/parse-in-steps.js";
import { type PathStep, renderPath } from "./codec/path.js";
import { jsonIsOverridden } from "./codec/plain.js";
import { isPlainJsonInSteps } from "./codec/plain-in-steps.js";
import type { Tape } from "./codec/tape.js";
import { pathOnTape } from "./codec/tape-path.js";
import { textOfTape } from "./codec/tape-text.js";
import { writePlainTape } from "./codec/tape-writer.js";
import { textInSteps } from "./codec/text-in-steps.js";
import { NOTHING_AROUND } from "./codec/text-sink.js";
import { tooMany } from "./codec/write.js";
import { kindOf } from "./identifiers.js";
import { Intake, MAX_CALL_METADATA_BYTES, MAX_METADATA_PARTS } from "./intake.js";
import { isArrayPrototype, isPlainPrototype } from "./realms.js";

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
 * @param intake of the call that is given the metadata, with others
 * @throws InvalidArgumentError, with the path, for all that is not plain JSON: a root that is no object, NaN, ±Infinity, -0,
 *   bigint, `undefined` in an array, holes, Date and other instances of classes, functions, symbols, symbol keys, cycles, NUL or
 *   a lone surrogate in a string or key, more than 64 levels, 1 MiB of text, or 100,000 parts, for which all of the call counts
 */
export function encodeMetadata(value: unknown, root = "metadata", intake: Intake = new Intake()): string {
  assertEncodable(value, root);
  const reader = new MetadataReader(root, { maxBytes: MAX_METADATA_BYTES, partsLeft: intake.metadataPartsLeft });
  const text = textOf(reader.object(value, 1), root, MAX_METADATA_BYTES);
  const bytes = Buffer.byteLength(text);
  if (bytes > intake.metadataBytesLeft) throw tooMuchMetadata(root, `${MAX_CALL_METADATA_BYTES} bytes of JSON text`);
  intake.addMetadata(bytes, reader.parts);
  intake.spend(WORK_OF_WEIGHT * reader.weight);
  return text;
}

/** The text of a plain JSON object, in one piece. @throws InvalidArgumentError as `encodeMetadata` does */
export function encodeObject(value: unknown, root: string, maxBytes: number): string {
  assertEncodable(value, root);
  return textOf(new MetadataReader(root, { maxBytes }).object(value, 1), root, maxBytes);
}

function textOf(copy: Record<string, JsonValue>, root: string, maxBytes: number): string {
  const text = JSON.stringify(copy);
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) throw metadataTooLong(root, maxBytes);
  return text;
}

/** As `encodeObject`, for what may be large: of such a value only a copy is taken at once, and of values of which there are many. */
export function takeObject(
  value: unknown,
  root: string,
  maxBytes: number,
  intake: Intake = new Intake(),
): string | MetadataSnapshot {
  assertEncodable(value, root);
  const mostAtOnce = intake.mostWork / WORK_OF_WEIGHT;
  const reader = new MetadataReader(root, { maxBytes, mostAtOnce });
  try {
    return JSON.stringify(reader.object(value, 1));
  } catch (error) {
    if (error !== LARGE) throw error;
  } finally {
    intake.spend(WORK_OF_WEIGHT * reader.weight);
  }
  return takeLargeObject(value, root, maxBytes, intake);
}

/** As `takeObject`, for what is known to be large. */
function takeLargeObject(
  value: unknown,
  root: string,
  maxBytes: number,
  { written }: Intake = new Intake(),
): string | MetadataSnapshot {
  assertEncodable(value, root);
  try {
    const tape = writePlainTape(value, { maxDepth: MAX_METADATA_DEPTH, maxBytes, written });
    return tape === null ? encodeObject(value, root, maxBytes) : new MetadataSnapshot(tape, root, maxBytes);
  } catch (error) {
    throw inPlainJson(error, root);
  }
}

/**
 * As `encodeObject`, in steps, for what is large and nobody changes meanwhile. The limits on how many arrays and objects there are are not
 * asked.
 */
export function* encodeObjectInSteps(value: unknown, root: string, maxBytes: number): Generator<void, string, void> {
  assertEncodable(value, root);
  if (yield* isPlainJsonInSteps(value, MAX_METADATA_DEPTH)) {
    const text = yield* textInSteps(value as Json);
    if (text.bytes <= maxBytes && !(yield* mayBeUnstorable(text))) return String(text);
  }
  // What is not plain JSON, or is refused: the tape knows where.
  const taken = takeLargeObject(value, root, maxBytes);
  return String(typeof taken === "string" ? taken : yield* taken.encode());
}

/** NUL or a lone surrogate, as they stand in JSON text; a backslash of the text before such letters looks like one. */
const UNSTORABLE: RegExp = /\\u(?:0000|d[89a-f])/;

function* mayBeUnstorable(text: EncodedText): Generator<void, boolean, void> {
  for (const piece of text.pieces ?? text.parts) {
    if (UNSTORABLE.test(piece)) return true;
    yield;
  }
  return false;
}

/** What a character counts for in the work of the check of plain JSON, and an array or object for 16 of them. */
const WORK_OF_WEIGHT = 8;
const WEIGHT_OF_CONTAINER = 16;

/** Thrown where that is passed. */
const LARGE: unique symbol = Symbol("large");

/** A large value as it was at one moment. */
export class MetadataSnapshot {
  readonly #tape: Tape;
  readonly #root: string;
  readonly #maxBytes: number;

  constructor(tape: Tape, root: string, maxBytes: number) {
    this.#tape = tape;
    this.#root = root;
    this.#maxBytes = maxBytes;
  }

  /** The text that `encodeMetadata` gives. @throws InvalidArgumentError as it does */
  *encode(): Generator<void, EncodedText, void> {
    const tape = this.#tape;
    try {
      yield* checkOriginals(tape);
    } catch (error) {
      throw inPlainJson(error, this.#root);
    }
    yield* checkKeys(tape, this.#root);
    yield* checkStrings(tape, this.#root);
    const text = yield* textOfTape(tape, NOTHING_AROUND);
    if (text.bytes > this.#maxBytes) throw metadataTooLong(this.#root, this.#maxBytes);
    return text;
  }
}

/** Characters that are looked at between two yields, and what a text counts beside its own. */
const LOOKED_AT_ONCE = 256 * 1024;
const TEXT = 64;

function* checkKeys(tape: Tape, root: string): Generator<void, void, void> {
  let looked = 0;
  for (const shape of tape.shapes.all) {
    const what = unstorable(shape.key);
    if (what !== undefined) throw refusal(root, pathOnTape(tape, { shape }), what);
    looked += shape.key.length + TEXT;
    if (looked < LOOKED_AT_ONCE) continue;
    looked = 0;
    yield;
  }
}

/** Strings, and the other keys. */
function* checkStrings(tape: Tape, root: string): Generator<void, void, void> {
  const { references } = tape;
  let looked = 0;
  for (let reference = 0; reference < references.length; reference++) {
    const text = references.at(reference) as string;
    const what = unstorable(text);
    if (what !== undefined) throw refusal(root, pathOnTape(tape, { reference }), what);
    looked += text.length + TEXT;
    if (looked < LOOKED_AT_ONCE) continue;
    looked = 0;
    yield;
  }
}

function unstorable(text: string): string | undefined {
  if (text.includes("\0")) return "a string with NUL";
  return text.isWellFormed() ? undefined : "a string with a lone surrogate";
}

/** What the codec says of a value, as it is said of metadata. */
function inPlainJson(error: unknown, root: string): unknown {
  if (!(error instanceof SerializationError)) return error;
  const { message, path } = error;
  return new InvalidArgumentError(`${root}${path.slice(1)}${message.slice(path.length)} in plain JSON`);
}

function refusal(root: string, path: readonly PathStep[], what: string): InvalidArgumentError {
  return new InvalidArgumentError(`${renderPath(path, root)}: ${what} cannot be stored in plain JSON`);
}

function tooMuchMetadata(root: string, most: string): InvalidArgumentError {
  return new InvalidArgumentError(`${root}: the metadata of one call must have at most ${most}; use several calls`);
}

export function metadataTooLong(root: string, maxBytes: number): InvalidArgumentError {
  return new InvalidArgumentError(`${root}: must have at most ${maxBytes} bytes of JSON text`);
}

function assertEncodable(value: unknown, root: string): asserts value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`${root}: must be a plain object, not ${kindOf(value)}`);
  }
  if (jsonIsOverridden()) throw new InvalidArgumentError(`${root}: a prototype of JavaScript itself has a toJSON`);
}

/**
 * The metadata of a text that `encodeMetadata` has made.
 * @throws CorruptionError for text that is not a JSON object
 */
export function decodeMetadata(text: string): Metadata {
  // Most messages have none.
  if (text === "{}") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and contents stay out of errors.
    throw new CorruptionError("the stored metadata is not JSON");
  }
  return metadataIn(value);
}

/** Characters of text that are decoded at once. */
const DECODED_AT_ONCE = 1024 * 1024;

/** Whether a text is so long that it is decoded in steps. */
export function isLongMetadata(text: string): boolean {
  return text.length > DECODED_AT_ONCE;
}

/** As `decodeMetadata`, in steps. @throws CorruptionError */
export function* decodeMetadataInSteps(text: string): Generator<void, Metadata, void> {
  const parsed = yield* parseInSteps(text);
  return parsed === null ? decodeMetadata(text) : metadataIn(parsed.root);
}

function metadataIn(value: unknown): Metadata {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CorruptionError("the stored metadata is not an object");
  }
  return value as Metadata;
}

/** Up to so many keys an object is copied as one of its shape. */
const FEW_KEYS = 64;

/** An object of more keys is large, however short they are. */
const MANY_KEYS = 10_000;

/** Copies plain JSON, reading each property once. */
class MetadataReader {
  readonly #root: string;
  readonly #maxBytes: number;
  readonly #mostAtOnce: number;
  readonly #partsLeft: number;
  /** The way to what is read: the step to each part, and the arrays and objects that it is taken in. */
  readonly #path: PathStep[] = [];
  readonly #ancestors: object[] = [];
  #size = 0;
  #containers = 0;
  #members = 0;

  /**
   * @param limits the most bytes of the text; the most weight that is read at once, beyond which `LARGE` is thrown; the most arrays and
   *   objects, elements and properties that the call leaves
   */
  constructor(
    root: string,
    limits: { readonly maxBytes: number; readonly mostAtOnce?: number; readonly partsLeft?: number },
  ) {
    this.#root = root;
    this.#maxBytes = limits.maxBytes;
    this.#mostAtOnce = limits.mostAtOnce ?? Number.POSITIVE_INFINITY;
    this.#partsLeft = limits.partsLeft ?? Number.POSITIVE_INFINITY;
  }

  /** Arrays and objects, elements and properties. */
  get parts(): number {
    return this.#containers + this.#members;
  }

  get weight(): number {
    return this.#size + WEIGHT_OF_CONTAINER * this.#containers;
  }

  object(object: object, depth: number): Record<string, JsonValue> {
    const prototype: object | null = Object.getPrototypeOf(object);
    if (!isPlainPrototype(prototype)) this.#refuse("an instance of a class");
    const keys = Object.keys(object);
    // To look for symbols and to copy takes several times as long as this, and all of it would be done again.
    if (keys.length > MANY_KEYS && this.#mostAtOnce < Number.POSITIVE_INFINITY) throw LARGE;
    if (Object.getOwnPropertySymbols(object).length !== 0) this.#refuse("a symbol key");
    this.#enter(object, depth);
    this.#addMembers(keys.length);
    // An object without prototype is kept as a table from the start: quicker for many keys, and much slower for few.
    const copy: Record<string, JsonValue> = keys.length > FEW_KEYS ? Object.create(null) : {};
    for (const key of keys) {
      const value: unknown = object[key as keyof typeof object];
      if (value === undefined) continue;
      this.#path[depth - 1] = key;
      this.#text(key);
      const part = typeof value === "string" ? this.#text(value) : this.#value(value, depth);
      if (key === "__proto__") setOwn(copy, key, part);
      else copy[key] = part;
    }
    this.#leave(depth);
    return copy;
  }

  #array(array: readonly unknown[], depth: number): JsonValue {
    if (!isArrayPrototype(Object.getPrototypeOf(array))) this.#refuse("an instance of a class");
    this.#enter(array, depth);
    this.#addMembers(array.length);
    const copy: JsonValue[] = [];
    for (let i = 0; i < array.length; i++) {
      this.#path[depth - 1] = i;
      copy.push(this.#value(array[i], depth));
    }
    this.#path.length = depth - 1;
    if (hasFurtherProperties(array)) this.#refuse("an array with further properties");
    this.#leave(depth);
    return copy;
  }

  #value(value: unknown, depth: number): JsonValue {
    switch (typeof value) {
      case "string":
        return this.#text(value);
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

  #addMembers(count: number): void {
    this.#members += count;
    if (this.#members > MAX_MEMBERS) this.#refuse(tooMany.members);
    if (this.parts > this.#partsLeft) {
      throw tooMuchMetadata(this.#root, `${MAX_METADATA_PARTS} arrays and objects, elements and properties`);
    }
  }

  #text(text: string): string {
    this.#grow(text.length + 2);
    const what = unstorable(text);
    if (what !== undefined) this.#refuse(what);
    return text;
  }

  #enter(object: object, depth: number): void {
    this.#ancestors.push(object);
    if (depth > MAX_METADATA_DEPTH) this.#refuseDepth();
    this.#grow(2);
    this.#containers += 1;
    if (this.#containers > MAX_CONTAINERS) this.#refuse(tooMany.containers);
  }

  #leave(depth: number): void {
    this.#ancestors.pop();
    this.#path.length = depth - 1;
  }

  /** A cycle has no end, so it is met here; it is told where it comes round first. */
  #refuseDepth(): never {
    const again = this.#ancestors.findIndex((object, i) => this.#ancestors.indexOf(object) < i);
    if (again < 0) this.#refuse(`more than ${MAX_METADATA_DEPTH} levels`);
    this.#path.length = again;
    return this.#refuse("a cycle");
  }

  /** Ends early what cannot become short enough, such as few objects reached by many paths. */
  #grow(size: number): void {
    this.#size += size;
    if (this.weight > this.#mostAtOnce) throw LARGE;
    if (this.#size > this.#maxBytes) throw metadataTooLong(this.#root, this.#maxBytes);
  }

  #refuse(what: string): never {
    throw refusal(this.#root, this.#path, what);
  }
}
