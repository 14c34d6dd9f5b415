/** What a store can be told. */
import type { CallOptions } from "../../../contract/call.js";
import type { ItemQuery, PutItemOptions, UpdateItemOptions } from "../../../contract/item-storage.js";
import { minutes } from "./arguments.js";
import { type IndexedFields, type StoreIndex, TextIndex } from "./text-index.js";

/** How long items live, in minutes as everywhere in LangGraph. */
export interface StoreTtl {
  /** Minutes to live of an item that is put without a `ttl` of its own. Default: for ever. */
  readonly defaultTtl?: number | undefined;
  /** Whether `get` and `search` start the time of what they find anew. Default `true`. */
  readonly refreshOnRead?: boolean | undefined;
}

export interface WaystoneStoreOptions {
  /** Items that expire. Default: only those that are put with a `ttl`, and reading them refreshes nothing. */
  readonly ttl?: StoreTtl | undefined;
  /** Search by meaning. Default: none; a `query` is passed over then, as LangGraph's own store does. */
  readonly index?: StoreIndex | undefined;
}

/** The options in the terms of the storage. */
export interface StoreSettings {
  readonly defaultTtlMs: number | undefined;
  readonly refreshOnRead: boolean;
  readonly index: TextIndex | undefined;
}

/** @throws InvalidArgumentError */
export function settingsOf({ ttl, index }: WaystoneStoreOptions): StoreSettings {
  return {
    defaultTtlMs: ttl?.defaultTtl === undefined ? undefined : minutes(ttl.defaultTtl, "ttl.defaultTtl"),
    refreshOnRead: ttl !== undefined && (ttl.refreshOnRead ?? true),
    index: index === undefined ? undefined : new TextIndex(index),
  };
}

/** Milliseconds of a put: its own minutes, else the default. @throws InvalidArgumentError */
export function ttlMsOf(ttl: number | undefined, { defaultTtlMs }: StoreSettings): number | undefined {
  return ttl === undefined ? defaultTtlMs : minutes(ttl, "ttl");
}

/** A filter of LangGraph: values to equal, or operators `$eq $ne $gt $gte $lt $lte $in $nin $exists`. */
export type StoreFilter = Readonly<Record<string, unknown>>;

export interface StoreSearchOptions {
  readonly filter?: StoreFilter | undefined;
  /** Default 10. */
  readonly limit?: number | undefined;
  /** Default 0. */
  readonly offset?: number | undefined;
  /** Ranks by nearness to this text, in a store that has an `index`; others pass it over, as LangGraph's do. */
  readonly query?: string | undefined;
}

/** What `searchPage` takes: `limit` 1 to 1,000, default 10. */
export interface StoreSearchPageQuery
  extends Pick<ItemQuery, "orderBy" | "direction" | "limit" | "cursor">,
    CallOptions {
  readonly filter?: StoreFilter | undefined;
  /** Ranks by nearness to this text, in a store that has an `index`; not with `orderBy` or `direction`. */
  readonly query?: string | undefined;
}

export interface CountStoreItemsOptions extends CallOptions {
  readonly filter?: StoreFilter | undefined;
}

export interface PutStoreItemOptions extends Pick<PutItemOptions, "expectedVersion" | "ifAbsent">, CallOptions {
  /** Minutes to live. Default: the store's `ttl.defaultTtl`. */
  readonly ttl?: number | undefined;
  /** Paths to embed, `false` for none. Default: the store's `index.fields`. */
  readonly index?: IndexedFields | undefined;
}

export interface UpdateStoreItemOptions extends Pick<UpdateItemOptions, "expectedVersion" | "ifPresent">, CallOptions {
  /** Minutes to live, which begin anew. Default: the time goes on as it is. */
  readonly ttl?: number | undefined;
  /** Paths to embed anew in a store that has an `index`, `false` to leave the vectors as they are. Default: the store's `index.fields`. */
  readonly index?: IndexedFields | undefined;
}
