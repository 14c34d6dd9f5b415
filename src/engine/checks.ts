/** Checks that the engine alone makes of what callers give it. What is only passed on, the storage checks. */
import { types } from "node:util";
import { InvalidArgumentError } from "../contract/errors.js";
import { kindOf } from "../domain/identifiers.js";

/** The value of a switch, `false` when it is not given. */
export function flag(value: unknown, name: string, otherwise = false): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw new InvalidArgumentError(`${name} must be a boolean, not ${kindOf(value)}`);
  return value;
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
