/** Filters over metadata: equality of top-level keys with scalars, the same on every backend (S7). */
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import type { JsonScalar } from "../contract/json.js";
import { plainObject, storableText } from "./arguments.js";
import { compareCodePoints, kindOf } from "./identifiers.js";
import { checkConditions } from "./lists.js";

/** A key and the value that it must have. */
export type MetadataCondition = readonly [key: string, value: JsonScalar];

/**
 * The conditions of a filter in the order of their keys; none without a filter.
 * @throws InvalidArgumentError for anything but a plain object of scalars
 */
export function parseMetadataFilter(filter: unknown, name = "metadata"): readonly MetadataCondition[] {
  if (filter === undefined) return [];
  const given = Object.entries(plainObject(filter, name));
  checkConditions(given.length, name);
  return given
    .map(([key, value]): MetadataCondition => {
      storableText(key, `a key of ${name}`);
      return [key, jsonScalar(value, `${name}.${quoteIdentifier(key)}`)];
    })
    .sort(([a], [b]) => compareCodePoints(a, b));
}

/** Whether metadata, as stored, meets every condition. */
export function matchesMetadata(metadataText: string, filter: readonly MetadataCondition[]): boolean {
  if (filter.length === 0) return true;
  const metadata = JSON.parse(metadataText) as { readonly [key: string]: unknown };
  return filter.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value);
}

/** A string, finite number, boolean or `null`. */
export function jsonScalar(value: unknown, name: string): JsonScalar {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return storableText(value, name);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new InvalidArgumentError(`${name} must be a finite number`);
    // JSON knows no `-0`, so no stored value is one.
    return value === 0 ? 0 : value;
  }
  throw new InvalidArgumentError(`${name} must be a string, number, boolean or null, not ${kindOf(value)}`);
}
