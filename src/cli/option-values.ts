/** What the text of an option means. A text that means nothing is refused by name. */
import { InvalidArgumentError } from "commander";
import type { JsonScalar } from "../contract/json.js";

/** An instant that an option names: in itself, or by its age. */
export interface InstantOption {
  readonly at: Date;
  /** It was given as an age, so the same words name another instant later. */
  readonly relative: boolean;
}

const UNITS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** A whole number from `min` on. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${min}.`);
    }
    return value;
  };
}

/** A number of at least 0. */
export function amount(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !Number.isFinite(value)) {
    throw new InvalidArgumentError("It must be a number of at least 0.");
  }
  return value;
}

/** `500ms`, `30s`, `5m`, `2h`, `7d`, `2w`, in milliseconds. */
export function duration(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text);
  const unit = Object.hasOwn(UNITS, parts?.[2] ?? "") ? UNITS[parts?.[2] ?? ""] : undefined;
  if (unit === undefined)
    throw new InvalidArgumentError("It must be a duration, such as 500ms, 30s, 5m, 2h, 7d or 2w.");
  return Math.round(Number(parts?.[1]) * unit);
}

/** An age (`2h`) before now, a day (`2026-01-31`, in UTC) or an instant with its zone (`2026-01-31T10:00:00Z`). */
export function instant(text: string): InstantOption {
  if (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) {
    const at = new Date(text);
    if (!Number.isNaN(at.getTime())) return { at, relative: false };
  }
  let age: number;
  try {
    age = duration(text);
  } catch {
    throw new InvalidArgumentError(
      "It must be an age (2h, 7d), a day (2026-01-31) or an instant (2026-01-31T10:00:00Z).",
    );
  }
  const at = new Date(Date.now() - age);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError("It lies before all dates.");
  return { at, relative: true };
}

/** Collects `key=value` pairs: a value that is a JSON scalar is that scalar, any other is a text. */
export function metadataPair(
  text: string,
  pairs: { readonly [key: string]: JsonScalar } = {},
): { readonly [key: string]: JsonScalar } {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("It must be key=value.");
  const key = text.slice(0, equals);
  return Object.fromEntries([...Object.entries(pairs), [key, scalarOf(text.slice(equals + 1))]]);
}

/** Collects what is given several times. */
export function several(text: string, list: readonly string[] = []): readonly string[] {
  return [...list, text];
}

/** As `several`, each one of a closed list of words. */
export function severalOf(words: readonly string[]): (text: string, list?: readonly string[]) => readonly string[] {
  return (text, list) => {
    if (!words.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${words.join(", ")}.`);
    return several(text, list);
  };
}

function scalarOf(text: string): JsonScalar {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value as JsonScalar;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return text;
}
