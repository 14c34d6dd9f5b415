/** Filters of LangGraph in the terms of the storage (M2). */
import type { ItemComparison, ItemFilter } from "../../../contract/item-storage.js";
import type { JsonScalar, JsonValue } from "../../../contract/json.js";
import { CACHE_MARK } from "../cache-root.js";

/**
 * - An object without operators, and an array, are compared as a whole.
 * - `undefined` asks for items without the key, as `===` would.
 * - All else is the storage's to take or to refuse: an object that has an operator must have nothing else.
 */
export function itemFilterOf(filter: object | undefined): ItemFilter | undefined {
  if (filter === undefined) return undefined;
  return Object.fromEntries(Object.entries(filter).map(([key, wanted]) => [key, comparisonOf(wanted)]));
}

function comparisonOf(wanted: unknown): JsonScalar | ItemComparison {
  if (wanted === undefined) return { $exists: false };
  if (typeof wanted !== "object" || wanted === null) return wanted as JsonScalar;
  const keys = Object.keys(wanted);
  const isValue = Array.isArray(wanted) || (keys.length > 0 && !keys.some((key) => key.startsWith("$")));
  return isValue ? { $eq: wanted as JsonValue } : wanted;
}

/** The filter of a search below a prefix: one of the whole tenant leaves out what the node cache keeps there. */
export function visibleBelow(prefix: readonly string[], filter: ItemFilter | undefined): ItemFilter | undefined {
  return prefix.length > 0 ? filter : { ...filter, [CACHE_MARK]: { $exists: false } };
}
