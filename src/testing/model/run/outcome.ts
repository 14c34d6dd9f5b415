/** Outcomes of calls, in the form in which a store's and the model's are compared. */
import { isDeepStrictEqual } from "node:util";
import { isStorageError } from "../../../contract/errors.js";
import { show } from "../programs/command.js";
import { Refusal } from "../reference/state.js";

/** What a call gave, or the code that it was refused with. */
export type Outcome = { readonly value: unknown } | { readonly refusal: string };

/** How results are compared. */
export interface Comparison {
  /** Times are those of the clock that the model sees too. */
  readonly times: boolean;
}

/** What the store did. A refusal must say that nothing was changed, and by whom it was refused (F1). */
export async function outcomeOfStore(operation: string, backend: string, run: () => unknown): Promise<Outcome> {
  try {
    return { value: await run() };
  } catch (error) {
    if (!isStorageError(error)) return { refusal: `an error that is no StorageError: ${show(error)}` };
    const wrong = [
      error.outcome === "not-applied" ? "" : ` with outcome ${error.outcome}`,
      error.operation === operation ? "" : ` with operation ${error.operation}`,
      error.backend === backend ? "" : ` with backend ${error.backend}`,
    ];
    return { refusal: error.code + wrong.join("") };
  }
}

/** What the model says. */
export function outcomeOfModel(run: () => unknown): Outcome {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof Refusal) return { refusal: error.code };
    throw error;
  }
}

/** A result without what only the store can know; the stored values themselves stay as they are. */
export function comparable(value: unknown, { times }: Comparison): unknown {
  const walk = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(walk);
    if (each === null || typeof each !== "object" || Object.getPrototypeOf(each) !== Object.prototype) return each;
    const fields = Object.entries(each).filter(([name]) => name !== "etag" && (times || !TIMES.has(name)));
    return Object.fromEntries(fields.map(([name, field]) => [name, replaced(name, field) ?? walk(field)]));
  };
  return walk(value);
}

const TIMES = new Set(["createdAt", "updatedAt", "expiresAt", "acquiredAt", "timestamp"]);

/** Sizes, tokens and cursors are the store's own: that they are there and make sense is all that is compared. */
function replaced(name: string, field: unknown): unknown {
  if (name === "sizeBytes" || name === "removedBytes") return isCount(field) ? "bytes" : undefined;
  if (name === "token") return isCount(field) ? "token" : undefined;
  if (name === "nextCursor") return typeof field === "string" && field !== "" ? "more" : undefined;
  // Whole, so that a value of the user that has such a field is left alone.
  return STORED_VALUES.has(name) ? field : undefined;
}

const STORED_VALUES = new Set(["data", "content", "context", "value", "metadata"]);

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Where two comparable values differ first, `undefined` if they are equal. */
export function firstDifference(expected: unknown, actual: unknown, path = "$"): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined;
  for (const [key, left, right] of parts(expected, actual)) {
    const inner = firstDifference(left, right, `${path}${key}`);
    if (inner !== undefined) return inner;
  }
  return `${path}\n    model: ${shorten(show(expected))}\n    store: ${shorten(show(actual))}`;
}

/** The parts of two values of the same shape. */
function parts(a: unknown, b: unknown): (readonly [key: string, left: unknown, right: unknown])[] {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length ? a.map((left: unknown, i) => [`[${i}]`, left, b[i]]) : [];
  }
  if (!isPlain(a) || !isPlain(b)) return [];
  const sameKeys = isDeepStrictEqual(Object.keys(a).sort(), Object.keys(b).sort());
  return sameKeys ? Object.keys(a).map((key) => [`.${key}`, a[key], b[key]]) : [];
}

function isPlain(value: unknown): value is { readonly [key: string]: unknown } {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}

function shorten(text: string): string {
  return text.length <= 1_500 ? text : `${text.slice(0, 1_500)}… (${text.length} characters)`;
}

/** Changes what a call was given or gave back, as any caller may: nothing stored may change with it. */
export function scribbleOn(value: unknown): void {
  if (value === null || typeof value !== "object" || Object.isFrozen(value)) return;
  if (value instanceof Date) value.setTime(0);
  else if (value instanceof Map || value instanceof Set) value.clear();
  else if (ArrayBuffer.isView(value)) new Uint8Array(value.buffer, value.byteOffset, value.byteLength).fill(7);
  else if (Array.isArray(value)) {
    value.forEach(scribbleOn);
    value.push("scribble");
  } else if (isPlain(value)) {
    Object.values(value).forEach(scribbleOn);
    Reflect.defineProperty(value, "scribble", { value: true, enumerable: true, configurable: true });
  }
}
