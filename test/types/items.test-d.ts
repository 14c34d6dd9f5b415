// Items are plain JSON objects; a batch is a list of steps, each exactly one verb.
import { expectTypeOf, test } from "vitest";
import type { Item, ItemFilter, ItemOperation, ItemResult, JsonObject, Page, StorageBackend } from "waystone";

declare const storage: StorageBackend;

test("a value is a JSON object", () => {
  expectTypeOf<{ a: 1; b: [null, "x"] }>().toExtend<JsonObject>();
  expectTypeOf<{ a: Date }>().not.toExtend<JsonObject>();
  expectTypeOf<{ a: bigint }>().not.toExtend<JsonObject>();
  expectTypeOf<string>().not.toExtend<JsonObject>();
  expectTypeOf<string[]>().not.toExtend<JsonObject>();
});

test("a step is one of the seven verbs with its fields", () => {
  expectTypeOf<{ put: { namespace: ["n"]; key: "k"; value: { a: 1 }; ifAbsent: true } }>().toExtend<ItemOperation>();
  expectTypeOf<{ get: { namespace: ["n"]; key: "k" } }>().toExtend<ItemOperation>();
  expectTypeOf<{ delete: { namespace: ["n"]; key: "k"; expectedVersion: 2 } }>().toExtend<ItemOperation>();
  expectTypeOf<{ search: { prefix: []; filter: { a: { $gt: 1 } } } }>().toExtend<ItemOperation>();
  expectTypeOf<{
    update: { namespace: ["n"]; key: "k"; merge: { a: 1 }; unset: ["b"]; increment: { c: 2 } };
  }>().toExtend<ItemOperation>();
  expectTypeOf<{ search: { prefix: []; similarTo: { vector: [1, 2] }; offset: 3 } }>().toExtend<ItemOperation>();
  expectTypeOf<{ count: { prefix: ["n"] } }>().toExtend<ItemOperation>();
  expectTypeOf<{ listNamespaces: { maxDepth: 1 } }>().toExtend<ItemOperation>();
  expectTypeOf<{ put: { namespace: ["n"]; key: "k" } }>().not.toExtend<ItemOperation>();
  expectTypeOf<{ replace: { namespace: ["n"]; key: "k" } }>().not.toExtend<ItemOperation>();
});

test("a result is what one of the verbs gives", () => {
  expectTypeOf<ItemResult>().toEqualTypeOf<Item | undefined | boolean | number | Page<Item> | Page<string[]>>();
  expectTypeOf(storage.batchItems([])).toEqualTypeOf<Promise<ItemResult[]>>();
});

test("a filter has scalars and known operators", () => {
  expectTypeOf<{ age: 3; name: { $in: ["ada", null] }; gone: { $exists: false } }>().toExtend<ItemFilter>();
  expectTypeOf<{ age: { $gt: Date } }>().not.toExtend<ItemFilter>();
  // @ts-expect-error: there is no such operator
  storage.searchItems([], { filter: { name: { $regex: "^a" } } });
});
