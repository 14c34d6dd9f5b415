/**
 * How many things one call is given: each list is checked and taken in one turn of the event loop, since the caller may change it
 * afterwards. The most of a list are some 20 to 35 ms of it.
 */
import { InvalidArgumentError } from "../contract/errors.js";
import { array } from "./arguments.js";
import { spendTurn } from "./turns.js";

/** From so many on, what comes behind the taking has a turn of the event loop for itself. */
const MANY = 500;

/** Most messages of one call. */
export const MAX_MESSAGES = 5_000;

/** Most intermediate writes of one call. */
export const MAX_WRITES = 10_000;

/** Most sessions that one call creates. */
export const MAX_SESSIONS = 5_000;

/** Most operations of one batch of items: a search has many fields. */
export const MAX_OPERATIONS = 2_000;

/** Most ids, roles or keys of one list. */
export const MAX_IDENTIFIERS = 10_000;

/** Most conditions of a filter: what a listing passes over is compared with each of them. */
export const MAX_CONDITIONS = 1_000;

/**
 * A list of at most so many.
 * @throws InvalidArgumentError
 */
export function listOf(value: unknown, name: string, most: number): readonly unknown[] {
  const list = array(value, name);
  if (list.length > most) throw tooMany(name, most, list.length);
  if (list.length > MANY) spendTurn();
  return list;
}

/** @throws InvalidArgumentError for a filter of too many conditions */
export function checkConditions(count: number, name: string): void {
  if (count > MAX_CONDITIONS) {
    throw new InvalidArgumentError(`${name} must have at most ${MAX_CONDITIONS} conditions, not ${count}`);
  }
}

/** A list in parts that one call takes each. */
export function partsOf<T>(list: readonly T[], most: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < list.length; from += most) parts.push(list.slice(from, from + most));
  return parts;
}

function tooMany(name: string, most: number, given: number): InvalidArgumentError {
  return new InvalidArgumentError(`${name} must be at most ${most}, not ${given}; use several calls`);
}
