/** Filters over items: operators on top-level keys of plain JSON, with one meaning on every backend (M2). */
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import type { JsonObject, JsonValue } from "../contract/json.js";
import { boolean, plainObject, storableText } from "./arguments.js";
import { compareCodePoints, kindOf } from "./identifiers.js";
import { Intake } from "./intake.js";
import { checkConditions, listOf, MAX_IDENTIFIERS } from "./lists.js";
import { decodeMetadata, decodeMetadataInSteps, encodeMetadata, isLongMetadata } from "./metadata.js";
import { jsonScalar } from "./metadata-filter.js";

/** One comparison of one top-level key, in plain data for stores that filter themselves. */
export type ItemCondition =
  | { readonly key: string; readonly operator: "$eq" | "$ne"; readonly operand: JsonValue }
  | { readonly key: string; readonly operator: "$gt" | "$gte" | "$lt" | "$lte"; readonly operand: string | number }
  | { readonly key: string; readonly operator: "$in" | "$nin"; readonly operand: readonly JsonValue[] }
  | { readonly key: string; readonly operator: "$exists"; readonly operand: boolean };

const OPERATORS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"] as const;

/** A validated filter: every condition must hold. */
export interface CompiledItemFilter {
  readonly conditions: readonly ItemCondition[];
  matches(value: JsonObject): boolean;
  /** As `matches`, for a value as it is stored: most texts that do not match are told apart without being parsed. */
  matchesText(text: string): boolean;
  /** As `matchesText`: at once, or in steps for a text that is long. */
  matching(text: string): boolean | Generator<void, boolean, void>;
}

/**
 * - Keys are equal to JSON values as wholes: objects whatever the order of their keys, arrays item by item.
 * - `$gt $gte $lt $lte` compare two numbers, or two strings by code point; anything else does not match.
 * - A key that is missing matches `$ne`, `$nin` and `$exists: false` only; a key that is `null` is not missing.
 *
 * @throws InvalidArgumentError for an unknown operator, an operand of the wrong kind, or one that is not plain JSON
 */
export function compileItemFilter(filter: unknown, name = "filter", intake: Intake = new Intake()): CompiledItemFilter {
  const given = Object.entries(plainObject(filter, name));
  checkConditions(given.length, name);
  intake.addNames(given.length, name);
  const conditions = given
    .flatMap(([key, comparison]) => conditionsOf(key, comparison, name, intake))
    .sort((a, b) => compareCodePoints(a.key, b.key));
  const parts = conditions.flatMap(partsOf);
  const mayMatch = (text: string): boolean => parts.every((part) => text.includes(part));
  const matches = (value: JsonObject): boolean => conditions.every((condition) => meets(value, condition));
  return {
    conditions,
    matches,
    matchesText: (text) => mayMatch(text) && matches(JSON.parse(text) as JsonObject),
    matching(text) {
      if (!mayMatch(text)) return false;
      return isLongMetadata(text) ? matchingInSteps(text, matches) : matches(JSON.parse(text) as JsonObject);
    },
  };
}

/** Adds what matches, and goes on after what does not: at once, or in steps for a text that is long. */
export function ifMatching(
  filter: CompiledItemFilter | null,
  text: string,
  add: () => boolean,
): boolean | Generator<void, boolean, void> {
  const matching = filter === null || filter.matching(text);
  if (typeof matching === "boolean") return matching ? add() : true;
  return (function* () {
    return (yield* matching) ? add() : true;
  })();
}

function* matchingInSteps(text: string, matches: (value: JsonObject) => boolean): Generator<void, boolean, void> {
  return matches((yield* decodeMetadataInSteps(text)) as JsonObject);
}

/** What stands in every stored text that meets a condition: equal scalars have one text, as all texts come from `JSON.stringify`. */
function partsOf({ key, operator, operand }: ItemCondition): string[] {
  if (operator === "$ne" || operator === "$nin" || (operator === "$exists" && !operand)) return [];
  const isScalar = operand === null || typeof operand !== "object";
  return [`${JSON.stringify(key)}:${operator === "$eq" && isScalar ? JSON.stringify(operand) : ""}`];
}

function conditionsOf(key: string, comparison: unknown, name: string, intake: Intake): ItemCondition[] {
  storableText(key, `a key of ${name}`);
  const place = `${name}.${quoteIdentifier(key)}`;
  if (comparison === null || typeof comparison !== "object") {
    return [{ key, operator: "$eq", operand: jsonScalar(comparison, place) }];
  }
  const given = Object.entries(plainObject(comparison, place)).filter(([operator, operand]) => {
    if (!(OPERATORS as readonly string[]).includes(operator)) {
      throw new InvalidArgumentError(
        `${place} has no operator ${quoteIdentifier(operator)}; the known ones are ${OPERATORS.join(", ")}`,
      );
    }
    return operand !== undefined;
  });
  if (given.length === 0) throw new InvalidArgumentError(`${place} must have an operator`);
  return given.map(([operator, operand]) =>
    condition(key, operator as ItemCondition["operator"], operand, place, intake),
  );
}

function condition(
  key: string,
  operator: ItemCondition["operator"],
  operand: unknown,
  place: string,
  intake: Intake,
): ItemCondition {
  switch (operator) {
    case "$eq":
    case "$ne":
      return { key, operator, operand: jsonOperand(operand, operator, place, intake) };
    case "$in":
    case "$nin":
      listOf(operand, `${place}.${operator}`, MAX_IDENTIFIERS);
      return { key, operator, operand: jsonOperand(operand, operator, place, intake) as readonly JsonValue[] };
    case "$exists":
      return { key, operator, operand: boolean(operand, `${place}.${operator}`) };
    default:
      return { key, operator, operand: ordered(operand, `${place}.${operator}`) };
  }
}

function ordered(operand: unknown, name: string): string | number {
  if (typeof operand !== "string" && typeof operand !== "number") {
    throw new InvalidArgumentError(`${name} must be a string or a number, not ${kindOf(operand)}`);
  }
  return jsonScalar(operand, name) as string | number;
}

/** A copy: what the caller does to its filter afterwards changes no listing. */
function jsonOperand(operand: unknown, operator: string, place: string, intake: Intake): JsonValue {
  if (operand === null || typeof operand !== "object") return jsonScalar(operand, `${place}.${operator}`);
  return decodeMetadata(encodeMetadata({ [operator]: operand }, place, intake))[operator] as JsonValue;
}

function meets(item: JsonObject, { key, operator, operand }: ItemCondition): boolean {
  const value = Object.hasOwn(item, key) ? item[key] : undefined;
  if (operator === "$exists") return (value !== undefined) === operand;
  if (value === undefined) return operator === "$ne" || operator === "$nin";
  switch (operator) {
    case "$eq":
      return equalJson(value, operand);
    case "$ne":
      return !equalJson(value, operand);
    case "$in":
      return operand.some((each) => equalJson(value, each));
    case "$nin":
      return !operand.some((each) => equalJson(value, each));
    default: {
      const order = compareOrdered(value, operand);
      if (order === undefined) return false;
      if (operator === "$gt") return order > 0;
      if (operator === "$gte") return order >= 0;
      return operator === "$lt" ? order < 0 : order <= 0;
    }
  }
}

function compareOrdered(value: JsonValue, operand: string | number): number | undefined {
  if (typeof value === "number" && typeof operand === "number") return value - operand;
  if (typeof value === "string" && typeof operand === "string") return compareCodePoints(value, operand);
  return undefined;
}

function equalJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((each, i) => equalJson(each, b[i]));
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equalJson(left[key] as JsonValue, right[key] as JsonValue))
  );
}
