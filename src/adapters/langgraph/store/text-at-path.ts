/** The texts of a value that are embedded, by the paths of LangGraph. */
import type { JsonObject, JsonValue } from "../../../contract/json.js";

/**
 * The texts at a path.
 *
 * - `$` is the whole value, `title` and `meta.title` are keys, `parts[0]` and `parts[-1]` items of an array, `parts[*].text` each
 *   of them, `*` every item or value, `{title,meta.author}` several keys.
 * - A string, number or boolean is its own text, an array or object its indented JSON; `null` and what is not there have none.
 */
export function textsAtPath(value: JsonObject, path: string): string[] {
  if (path === "$" || path === "") return [jsonText(value)];
  return valuesAt(value, tokensOf(path)).flatMap(textOf);
}

/** `chapters[*].content` is `chapters`, `[*]`, `content`. */
export function tokensOf(path: string): string[] {
  return [...path.matchAll(/\[[^\]]*\]?|\{[^}]*\}?|[^.[{]+/g)].map(([token]) => token);
}

function valuesAt(value: JsonValue | undefined, tokens: readonly string[]): JsonValue[] {
  const [token, ...rest] = tokens;
  if (value === undefined) return [];
  if (token === undefined) return [value];
  return childrenAt(value, token).flatMap((child) => valuesAt(child, rest));
}

function childrenAt(value: JsonValue, token: string): (JsonValue | undefined)[] {
  if (token.startsWith("[")) return isArray(value) ? itemsAt(value, token.slice(1, -1)) : [];
  if (token.startsWith("{")) {
    const fields = token.slice(1, -1).split(",");
    return fields.flatMap((field) => valuesAt(value, tokensOf(field.trim())));
  }
  if (token === "*") return typeof value === "object" && value !== null ? Object.values(value) : [];
  const isKeyed = typeof value === "object" && value !== null && !isArray(value) && Object.hasOwn(value, token);
  return isKeyed ? [(value as JsonObject)[token]] : [];
}

function itemsAt(array: readonly JsonValue[], index: string): (JsonValue | undefined)[] {
  if (index === "*") return [...array];
  return /^-?\d+$/.test(index) ? [array.at(Number(index))] : [];
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function textOf(value: JsonValue): string[] {
  if (value === null) return [];
  return [typeof value === "object" ? jsonText(value) : String(value)];
}

function jsonText(value: JsonValue): string {
  return JSON.stringify(value, null, 2);
}
