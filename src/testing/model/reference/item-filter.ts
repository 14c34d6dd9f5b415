/** Filters over items in the reference model (M2). */
import { isDeepStrictEqual } from "node:util";
import type { ItemComparison, ItemFilter } from "../../../contract/item-storage.js";
import type { JsonObject, JsonScalar, JsonValue } from "../../../contract/json.js";
import { byCodePoint } from "./state.js";

export function matchesFilter(item: JsonObject, filter: ItemFilter): boolean {
  return Object.entries(filter).every(([key, wanted]) =>
    Object.entries(comparison(wanted)).every(([operator, operand]) => {
      const value = Object.hasOwn(item, key) ? item[key] : undefined;
      return operand === undefined || holds(operator as keyof ItemComparison, value, operand);
    }),
  );
}

/** A scalar means `$eq`. */
function comparison(wanted: JsonScalar | ItemComparison): ItemComparison {
  return wanted !== null && typeof wanted === "object" ? wanted : { $eq: wanted };
}

/** `value` is `undefined` where the key is missing: nothing is equal to that, and nothing compares with it. */
function holds(operator: keyof ItemComparison, value: JsonValue | undefined, operand: JsonValue): boolean {
  const among = (list: JsonValue): boolean =>
    Array.isArray(list) && list.some((each: JsonValue) => isDeepStrictEqual(each, value));
  const order = orderOf(value, operand);
  switch (operator) {
    case "$eq":
      return isDeepStrictEqual(value, operand);
    case "$ne":
      return !isDeepStrictEqual(value, operand);
    case "$in":
      return among(operand);
    case "$nin":
      return !among(operand);
    case "$exists":
      return (value !== undefined) === operand;
    case "$gt":
      return order !== undefined && order > 0;
    case "$gte":
      return order !== undefined && order >= 0;
    case "$lt":
      return order !== undefined && order < 0;
    case "$lte":
      return order !== undefined && order <= 0;
  }
}

/** There is an order between two numbers and between two strings, and none else. */
function orderOf(a: JsonValue | undefined, b: JsonValue): number | undefined {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return typeof a === "string" && typeof b === "string" ? byCodePoint(a, b) : undefined;
}
