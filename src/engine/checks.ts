/** Checks of what callers give the engine, made before any call to the storage. What is only passed on, the storage checks. */
import { types } from "node:util";
import type { CallOptions } from "../contract/call.js";
import type { MessageContent } from "../contract/conversation-storage.js";
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import { kindOf } from "../domain/identifiers.js";

/** Bounds of a number, both inclusive. */
export interface Bounds {
  readonly min: number;
  readonly max?: number;
}

/** The object, if it has no other fields than these: one that is not known is refused, never ignored. */
export function knownFields<T extends object>(value: T, name: string, fields: readonly (keyof T & string)[]): T {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new InvalidArgumentError(`${name} must be an object, not ${kindOf(value)}`);
  }
  const known: readonly string[] = fields;
  const unknown = Object.keys(value).find((field) => !known.includes(field));
  if (unknown === undefined) return value;
  throw new InvalidArgumentError(
    `${name} has no field ${quoteIdentifier(unknown)}; the known ones are ${known.join(", ")}`,
  );
}

/** The options of a verb, an empty object when there are none; `signal` and `timeoutMs` are always known. */
export function knownOptions<T extends CallOptions>(
  value: T | undefined,
  fields: readonly (keyof T & string)[],
  name = "options",
): Partial<T> {
  return value === undefined ? {} : knownFields(value, name, [...fields, "signal", "timeoutMs"]);
}

export function integer(value: unknown, name: string, bounds: Bounds): number {
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(`${name} must be an integer`);
  return finiteNumber(value, name, bounds);
}

export function finiteNumber(value: unknown, name: string, { min, max }: Bounds): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new InvalidArgumentError(`${name} must be a finite number`);
  }
  if (value < min) throw new InvalidArgumentError(`${name} must be at least ${min}`);
  if (max !== undefined && value > max) throw new InvalidArgumentError(`${name} must be at most ${max}`);
  return value;
}

/** The value of a switch, `false` when it is not given. */
export function flag(value: unknown, name: string, otherwise = false): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw new InvalidArgumentError(`${name} must be a boolean, not ${kindOf(value)}`);
  return value;
}

export function oneOf<T extends string>(value: unknown, name: string, words: readonly T[]): T {
  const word = words.find((each) => each === value);
  if (word === undefined) throw new InvalidArgumentError(`${name} must be one of ${words.join(", ")}`);
  return word;
}

/** The items of an array, each checked under its own name. */
export function list<T>(value: unknown, name: string, item: (value: unknown, name: string) => T): T[] {
  if (!Array.isArray(value)) throw new InvalidArgumentError(`${name} must be an array, not ${kindOf(value)}`);
  return Array.from(value, (each: unknown, index) => item(each, `${name}[${index}]`));
}

export function callable(value: unknown, name: string): void {
  if (typeof value !== "function") throw new InvalidArgumentError(`${name} must be a function, not ${kindOf(value)}`);
}

export function instant(value: unknown, name: string): Date {
  if (!types.isDate(value) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError(`${name} must be a valid Date, not ${kindOf(value)}`);
  }
  return value;
}

/** A text, or parts that each have a `type` (C5). */
export function content(value: unknown, name: string): MessageContent {
  if (typeof value === "string") return value;
  list(value, name, (part, partName) => {
    if (part !== null && typeof part === "object" && "type" in part && typeof part.type === "string") return;
    throw new InvalidArgumentError(`${partName} must be an object whose type is a string`);
  });
  return value as MessageContent;
}
