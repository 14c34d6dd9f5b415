// The store and the cache of LangGraph stand where LangGraph's own do, and their own verbs are typed as the contract's.
import type { Embeddings } from "@langchain/core/embeddings";
import type { BaseCache, BaseStore, Item as LangGraphItem } from "@langchain/langgraph-checkpoint";
import { expectTypeOf, test } from "vitest";
import type { Item, Page, StorageBackend } from "waystone";
import { type StoreIndex, type StoreItem, WaystoneCache, WaystoneStore } from "waystone/langgraph";

declare const storage: StorageBackend;
declare const embeddings: Embeddings;
const store = new WaystoneStore(storage);

test("they stand where LangGraph's own do", () => {
  expectTypeOf<WaystoneStore>().toExtend<BaseStore>();
  expectTypeOf<WaystoneCache>().toExtend<BaseCache>();
  expectTypeOf(new WaystoneCache<string>(storage)).toExtend<BaseCache<string>>();
  expectTypeOf<StoreItem>().toExtend<LangGraphItem>();
});

test("inherited verbs give LangGraph's items with their version", () => {
  expectTypeOf(store.get(["n"], "k")).toEqualTypeOf<Promise<StoreItem | null>>();
  expectTypeOf(store.put(["n"], "k", { v: 1 })).toEqualTypeOf<Promise<void>>();
  expectTypeOf(store.batch([{ namespace: ["n"], key: "k", value: null }])).toExtend<Promise<unknown[]>>();
});

test("own verbs give the contract's", () => {
  expectTypeOf(store.putItem(["n"], "k", { v: 1 }, { ifAbsent: true, ttl: 1 })).toEqualTypeOf<Promise<Item>>();
  expectTypeOf(store.updateItem(["n"], "k", { increment: { v: 1 } })).toEqualTypeOf<Promise<Item>>();
  expectTypeOf(store.searchPage([], { filter: { v: { $gt: 1 } } })).toEqualTypeOf<Promise<Page<Item>>>();
  expectTypeOf(store.countItems([])).toEqualTypeOf<Promise<number>>();
  expectTypeOf(store.deleteItems(["n"])).toEqualTypeOf<Promise<number>>();
  // @ts-expect-error: a value is plain JSON
  store.putItem(["n"], "k", { at: new Date() });
  // @ts-expect-error: there is no such option
  store.putItem(["n"], "k", {}, { ttlMs: 1 });
});

test("an index takes a function, or Embeddings of LangChain", () => {
  expectTypeOf<{ dims: 2; embed: typeof embeddings }>().toExtend<StoreIndex>();
  expectTypeOf<{ dims: 2; embed: (texts: string[]) => Promise<Float32Array[]> }>().toExtend<StoreIndex>();
  expectTypeOf<{ dims: 2; embed: (text: string) => Promise<number[]> }>().not.toExtend<StoreIndex>();
  expectTypeOf<{ dims: 2 }>().not.toExtend<StoreIndex>();
});
