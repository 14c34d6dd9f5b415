/** How large the content of a message is, for budgets in bytes. */
import { types } from "node:util";
import type { MessageContent } from "../contract/conversation-storage.js";
import { isError } from "../contract/errors.js";

/** What a value counts that is neither text nor binary, in bytes. */
const SCALAR_BYTES = 8;

/**
 * Bytes of a content: texts and the keys of parts count their UTF-8, binary data its length, and every other scalar 8.
 * It says what a model or a wire has to carry, not what a store takes.
 */
export function contentBytes(content: MessageContent): number {
  return bytesOf(content);
}

function bytesOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return SCALAR_BYTES;
  if (ArrayBuffer.isView(value) || types.isArrayBuffer(value)) return value.byteLength;
  if (types.isDate(value)) return SCALAR_BYTES;
  if (value instanceof URL || types.isRegExp(value)) return Buffer.byteLength(String(value));
  if (isError(value)) return Buffer.byteLength(`${value.name}${value.message}${value.stack ?? ""}`);
  if (Array.isArray(value) || types.isSet(value)) return sum(value, bytesOf);
  if (types.isMap(value)) return sum(value, ([key, item]) => bytesOf(key) + bytesOf(item));
  return sum(Object.entries(value), ([key, item]) => Buffer.byteLength(key) + bytesOf(item));
}

function sum<T>(items: Iterable<T>, bytes: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += bytes(item);
  return total;
}
