/** What clauses assert. A failure says what was expected and what came. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { Page } from "../contract/call.js";
import { isStorageError, type StorageError, type StorageErrorCode } from "../contract/errors.js";
import type { ItemFilter } from "../contract/item-storage.js";
import type { MetadataFilter } from "../contract/json.js";
import type { ExportFilter, StorageRecord } from "../contract/records.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import type { StorageSupport } from "./storage-factory.js";

/** Deep equality: types, prototypes, `-0` and the order of maps and sets count. */
export function equal(actual: unknown, expected: unknown, what?: string): void {
  try {
    assert.deepStrictEqual(actual, expected);
  } catch (error) {
    throw what === undefined ? error : new assert.AssertionError({ message: `${what}: ${(error as Error).message}` });
  }
}

/** That a condition holds. */
export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) throw new assert.AssertionError({ message: what });
}

/** The value, which must be there. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new assert.AssertionError({ message: `${what} is undefined` });
  return value;
}

/** That the call rejects with a storage error of this code; returns the error. */
export async function rejects(
  code: StorageErrorCode,
  call: Promise<unknown> | (() => Promise<unknown>),
  what = "the call",
): Promise<StorageError> {
  let result: unknown;
  try {
    result = await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (!isStorageError(error)) {
      throw new assert.AssertionError({ message: `${what} rejects with ${String(error)}, which is no storage error` });
    }
    if (error.code !== code) {
      throw new assert.AssertionError({
        message: `${what} rejects with ${error.code} and not with ${code}: ${error.message}`,
      });
    }
    equal(error.outcome, "not-applied", `${what} rejects with ${code}, and its outcome`);
    return error;
  }
  throw new assert.AssertionError({ message: `${what} resolves to ${label(result)} and must reject with ${code}` });
}

/** That the call is refused as a bad argument. */
export function refused(call: Promise<unknown> | (() => Promise<unknown>), what?: string): Promise<StorageError> {
  return rejects("INVALID_ARGUMENT", call, what);
}

/** All records that the storage exports. */
export async function recordsOf(storage: StorageBackend, filter?: ExportFilter): Promise<StorageRecord[]> {
  const records: StorageRecord[] = [];
  for await (const record of storage.exportRecords(filter)) records.push(record);
  return records;
}

/** That an action leaves every record of the storage as it was. */
export async function unchanged<T>(storage: StorageBackend, action: () => Promise<T>): Promise<T> {
  const before = await recordsOf(storage);
  const result = await action();
  equal(await recordsOf(storage), before, "the records after a call that must change nothing");
  return result;
}

/** All items of a paged listing, in order. No cursor may come twice, and no cursor may lead to nothing. */
export async function itemsOf<T>(list: (cursor: string | undefined) => Promise<Page<T>>, limit?: number): Promise<T[]> {
  const items: T[] = [];
  const cursors = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    if (limit !== undefined) ok(page.items.length <= limit, `a page of limit ${limit} has ${page.items.length} items`);
    if (cursor !== undefined) ok(page.items.length > 0, "a cursor leads to an empty page");
    items.push(...page.items);
    cursor = page.nextCursor;
    if (cursor !== undefined) {
      ok(!cursors.has(cursor), "a listing gives the same cursor twice");
      cursors.add(cursor);
    }
  } while (cursor !== undefined);
  return items;
}

/** The results of calls that were made at once: how many succeeded, and the codes of the others. */
export async function settle<T>(calls: readonly Promise<T>[]): Promise<{ values: T[]; codes: string[] }> {
  const values: T[] = [];
  const codes: string[] = [];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "fulfilled") values.push(result.value);
    else codes.push(isStorageError(result.reason) ? result.reason.code : String(result.reason));
  }
  return { values, codes };
}

/** `count` results of a function of the index, from 0. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A value in one short line, for messages. */
export function label(value: unknown): string {
  const text = inspect(value, {
    depth: 4,
    breakLength: Number.POSITIVE_INFINITY,
    maxStringLength: 60,
    maxArrayLength: 6,
  });
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** A filter by metadata, for a store that has them: elsewhere the query goes without. */
export function metadataIn(support: StorageSupport, metadata: MetadataFilter): { readonly metadata?: MetadataFilter } {
  return support.metadataFilters === false ? {} : { metadata };
}

/** A filter of items, for a store that has them: elsewhere the query goes without. */
export function filterIn(support: StorageSupport, filter: ItemFilter): { readonly filter?: ItemFilter } {
  return support.itemFilters === false ? {} : { filter };
}

/** What an expression is in this realm, which need not be the one of `runInThisContext`: the kit may run in a context itself. */
export function madeHere(code: string): unknown {
  return new Function(`return ${code}`)();
}
