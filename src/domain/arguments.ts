/** Checks of arguments, made before any I/O: each returns the value it was asked for or refuses it by name, never by content. */
import { types } from "node:util";
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import { CALL_OPTION_NAMES } from "./call-options.js";
import { kindOf } from "./identifiers.js";

/** Longest time to live, in milliseconds: 100,000 days, so that every expiry is an instant that a `Date` can hold. */
export const MAX_TTL_MS = 8_640_000_000_000;

/** Most items in a page of a listing (`PageQuery.limit`). */
export const MAX_PAGE_LIMIT = 1_000;

/** Most rows of a listing that has no pages: history, checkpoints, versions. */
export const MAX_LIST_LIMIT = 10_000;

/** What a field that has not been looked at yet may hold. */
export interface Fields {
  readonly [field: string]: unknown;
}

/** Bounds of a number, both inclusive. */
export interface Bounds {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/**
 * Returns the object if all of its own fields are among `allowed`; a field that is not known is refused, never ignored.
 * @throws InvalidArgumentError naming the field and the known ones
 */
export function knownFields<T extends object>(value: T, name: string, allowed: readonly (keyof T & string)[]): T;
export function knownFields(value: unknown, name: string, allowed: readonly string[]): Fields;
export function knownFields(value: unknown, name: string, allowed: readonly string[]): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new InvalidArgumentError(`${name} must be an object, not ${kindOf(value)}`);
  }
  const fields = Object.keys(value);
  // A Date or Map has no fields of its own: all that it says would be ignored.
  if (fields.length === 0) plainObject(value, name);
  for (const field of fields) {
    if (!allowed.includes(field)) {
      throw new InvalidArgumentError(
        `${name} has no field ${quoteIdentifier(field)}; the known ones are ${allowed.join(", ")}`,
      );
    }
  }
  return value as Fields;
}

/** The options of an operation, an empty object when there are none; `signal` and `timeoutMs` are always known, and looked at by `RunCall`. */
export function knownOptions<T extends object>(
  value: T | undefined,
  allowed: readonly (keyof T & string)[],
  name = "options",
): Partial<T> {
  if (value === undefined) return {};
  return knownFields(value as unknown, name, [...allowed, ...CALL_OPTION_NAMES]) as Partial<T>;
}

/**
 * A plain object, with string keys only: no instance of a class, and no symbol that would be passed over.
 * @throws InvalidArgumentError
 */
export function plainObject(value: unknown, name: string): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new InvalidArgumentError(`${name} must be a plain object, not ${kindOf(value)}`);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object of another realm has that realm's `Object.prototype`, which is the end of its chain too.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new InvalidArgumentError(`${name} must be a plain object, not an instance of a class`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new InvalidArgumentError(`${name} must not have symbols as keys`);
  }
  return value as Fields;
}

/** Text that every store can hold and compare: well-formed Unicode without NUL (V2). */
export function storableText(value: string, name: string): string {
  if (value.includes("\0")) throw new InvalidArgumentError(`${name} must not contain NUL`);
  if (!value.isWellFormed())
    throw new InvalidArgumentError(`${name} must be well-formed Unicode (it has a lone surrogate)`);
  return value;
}

/** A whole number that is exact in JavaScript. */
export function integer(value: unknown, name: string, bounds: Bounds = {}): number {
  if (typeof value !== "number") throw new InvalidArgumentError(`${name} must be an integer, not ${kindOf(value)}`);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(`${name} must be an integer`);
  // `-0` is a whole number too, and would not come back from every store as itself.
  return within(value === 0 ? 0 : value, name, bounds);
}

/** A number that is neither NaN nor infinite. */
export function finiteNumber(value: unknown, name: string, bounds: Bounds = {}): number {
  if (typeof value !== "number") throw new InvalidArgumentError(`${name} must be a number, not ${kindOf(value)}`);
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`${name} must be a finite number`);
  return within(value === 0 ? 0 : value, name, bounds);
}

export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw new InvalidArgumentError(`${name} must be a boolean, not ${kindOf(value)}`);
  return value;
}

export function string(value: unknown, name: string): string {
  if (typeof value !== "string") throw new InvalidArgumentError(`${name} must be a string, not ${kindOf(value)}`);
  return value;
}

/** A valid `Date`, as milliseconds since the epoch. */
export function date(value: unknown, name: string): number {
  if (!types.isDate(value)) throw new InvalidArgumentError(`${name} must be a Date, not ${kindOf(value)}`);
  const time = value.getTime();
  if (Number.isNaN(time)) throw new InvalidArgumentError(`${name} must be a valid Date`);
  return time;
}

/** A time to live in milliseconds, at least 1. */
export function ttl(value: unknown, name: string): number {
  return integer(value, name, { min: 1, max: MAX_TTL_MS });
}

/** One of a closed list of words. */
export function oneOf<T extends string>(value: unknown, name: string, words: readonly T[]): T {
  if (typeof value === "string" && (words as readonly string[]).includes(value)) return value as T;
  const given = typeof value === "string" ? quoteIdentifier(value) : kindOf(value);
  throw new InvalidArgumentError(`${name} must be one of ${words.join(", ")}, not ${given}`);
}

export function array(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidArgumentError(`${name} must be an array, not ${kindOf(value)}`);
  return value;
}

/** The limit of a page, 1 to 1,000. */
export function pageLimit(value: unknown, otherwise: number): number {
  return value === undefined ? otherwise : integer(value, "limit", { min: 1, max: MAX_PAGE_LIMIT });
}

/** The limit of a listing without pages, 0 to 10,000. */
export function listLimit(value: unknown, otherwise: number): number {
  return value === undefined ? otherwise : integer(value, "limit", { min: 0, max: MAX_LIST_LIMIT });
}

function within(value: number, name: string, { min, max }: Bounds): number {
  if (min !== undefined && value < min) throw new InvalidArgumentError(`${name} must be at least ${min}`);
  if (max !== undefined && value > max) throw new InvalidArgumentError(`${name} must be at most ${max}`);
  return value;
}
