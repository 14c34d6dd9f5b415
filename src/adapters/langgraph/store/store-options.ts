/** What a store can be told. */
import type { CallOptions } from "../../../contract/call.js";
import type { ItemQuery, PutItemOptions } from "../../../contract/item-storage.js";
import { minutes } from "./arguments.js";

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
}

/** The options in the terms of the storage. */
export interface StoreSettings {
  readonly defaultTtlMs: number | undefined;
  readonly refreshOnRead: boolean;
}

/** @throws InvalidArgumentError */
export function settingsOf({ ttl }: WaystoneStoreOptions): StoreSettings {
  return {
    defaultTtlMs: ttl?.defaultTtl === undefined ? undefined : minutes(ttl.defaultTtl, "ttl.defaultTtl"),
    refreshOnRead: ttl !== undefined && (ttl.refreshOnRead ?? true),
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
}

export interface PutStoreItemOptions extends Pick<PutItemOptions, "expectedVersion" | "ifAbsent">, CallOptions {
  /** Minutes to live. Default: the store's `ttl.defaultTtl`. */
  readonly ttl?: number | undefined;
}
