/** One number for what a store has of a unit, so that two stores are compared in constant memory. */
import { createHash } from "node:crypto";
import type { StorageRecord } from "../../contract/records.js";

/** Equal for equal records in the same order, whatever order a store keeps the keys of metadata in. */
export async function digestOf(records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>): Promise<string> {
  const hash = createHash("sha256");
  for await (const record of records) hash.update(`${canonicalText(record)}\n`);
  return hash.digest("base64");
}

/** JSON with the keys of every object in order of code units. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    // No prototype: a key `__proto__` is one like any other.
    const sorted: { [name: string]: unknown } = Object.create(null);
    for (const name of Object.keys(each).sort()) sorted[name] = (each as { readonly [name: string]: unknown })[name];
    return sorted;
  });
}
