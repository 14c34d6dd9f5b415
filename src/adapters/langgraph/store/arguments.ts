/** Numbers that callers of the store give, checked before any I/O, and their bounds. */
import { InvalidArgumentError } from "../../../contract/errors.js";

/** Most items in a page of the storage. */
export const MAX_PAGE = 1_000;

/** @throws InvalidArgumentError */
export function wholeNumber(value: unknown, name: string, { min = 0 }: { readonly min?: number } = {}): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
    throw new InvalidArgumentError(`${name} must be a whole number of at least ${min}`);
  }
  return value;
}

/** LangGraph's minutes, fractions allowed, as whole milliseconds. @throws InvalidArgumentError */
export function minutes(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError(`${name} must be a number of minutes above 0`);
  }
  return Math.max(1, Math.round(value * 60_000));
}
