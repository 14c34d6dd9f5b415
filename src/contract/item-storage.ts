/** Items: long-term memory, what agents keep across threads (M1-M6). */
import type { CallOptions, Page, PageQuery } from "./call.js";
import type { JsonObject, JsonScalar, JsonValue } from "./json.js";

/** A list of labels, each an identifier; a prefix matches whole labels only (M1). */
export type ItemNamespace = readonly string[];

/** A stored item. */
export interface Item {
  readonly namespace: string[];
  readonly key: string;
  /** A plain JSON object. */
  readonly value: JsonObject;
  /** From 1, one more for each put. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Gone for readers from this instant (M3). */
  readonly expiresAt?: Date;
  /** How near the item is to the vector of the search that found it (M5). */
  readonly score?: number;
}

/** 1 to 16,000 finite numbers, kept as 32-bit floats (M4). */
export type Vector = Float32Array | readonly number[];

/**
 * How two vectors are compared; a greater score is always nearer (M5).
 *
 * - `cosine`: the cosine of the angle between them, 1 to -1; 0 with a vector of length 0.
 * - `dot`: their dot product.
 * - `euclidean`: the distance between them, negated: 0 or less.
 */
export type VectorDistance = "cosine" | "dot" | "euclidean";

/** What a search ranks items by: the best of an item's vectors counts (M5). */
export interface Similarity {
  /** Has as many dimensions as the vectors below the prefix's first label. */
  readonly vector: Vector;
  /** Default `cosine`. */
  readonly distance?: VectorDistance | undefined;
  /** Only items with this score or more. */
  readonly minScore?: number | undefined;
  /** Items without vectors: left out (`omit`, the default), or `last`, by namespace and key and without a score. Not with `minScore`. */
  readonly withoutVectors?: "omit" | "last" | undefined;
}

/** Comparisons of one top-level key. Order exists between two numbers or two strings (by code point), else nothing compares. */
export interface ItemComparison {
  readonly $eq?: JsonValue | undefined;
  readonly $ne?: JsonValue | undefined;
  readonly $gt?: string | number | undefined;
  readonly $gte?: string | number | undefined;
  readonly $lt?: string | number | undefined;
  readonly $lte?: string | number | undefined;
  readonly $in?: readonly JsonValue[] | undefined;
  readonly $nin?: readonly JsonValue[] | undefined;
  readonly $exists?: boolean | undefined;
}

/** Every key must match; a scalar means `$eq` (M2). */
export type ItemFilter = { readonly [key: string]: JsonScalar | ItemComparison };

export interface PutItemOptions extends CallOptions {
  /** The item expires this many milliseconds after the put, or after a read that refreshes it. Default: never. */
  readonly ttlMs?: number | undefined;
  /** Compare-and-set: the stored version, 0 for absent. */
  readonly expectedVersion?: number | undefined;
  /** Rejects with `ConflictError` if the item is there. */
  readonly ifAbsent?: boolean | undefined;
  /** Vectors that a search by similarity finds the item by, at most 1,000. Default: none; those of the value before are gone (M4). */
  readonly vectors?: readonly Vector[] | undefined;
}

/** A change of top-level keys of a value, without reading it first (M6). A key stands in one of the three only. */
export interface ItemChange {
  /** Sets these keys, each to the whole of what is given. */
  readonly merge?: JsonObject | undefined;
  /** Removes these keys; one that is not there is no fault. */
  readonly unset?: readonly string[] | undefined;
  /** Adds to numbers; a key that is not there counts as 0. */
  readonly increment?: { readonly [key: string]: number } | undefined;
}

export interface UpdateItemOptions extends CallOptions {
  /** The time to live begins anew with this. Default: it goes on as it is. */
  readonly ttlMs?: number | undefined;
  /** Compare-and-set: the stored version, 0 for absent. */
  readonly expectedVersion?: number | undefined;
  /** Rejects with `ConflictError` if the item is not there. Default: an item that is not there begins as `{}`. */
  readonly ifPresent?: boolean | undefined;
  /** Take the place of the item's vectors; `[]` removes them. Default: they stay as they are (M4). */
  readonly vectors?: readonly Vector[] | undefined;
}

export interface GetItemOptions extends CallOptions {
  /** Starts the item's time to live anew. Default `false` (M3). */
  readonly refreshTtl?: boolean | undefined;
}

export interface DeleteItemOptions extends CallOptions {
  /** Compare-and-set: the stored version, 0 for absent. */
  readonly expectedVersion?: number | undefined;
}

export interface ItemQuery extends PageQuery {
  readonly filter?: ItemFilter | undefined;
  /** Ranks items by how near their vectors are, the nearest first, ties by namespace and key. Not with `orderBy` or `direction` (M5). */
  readonly similarTo?: Similarity | undefined;
  /** Default `updatedAt`. Ties by namespace and key, in the same direction. */
  readonly orderBy?: "key" | "createdAt" | "updatedAt" | undefined;
  /** Default `desc` for times, `asc` for `key` (by namespace, then key). */
  readonly direction?: "asc" | "desc" | undefined;
  /** Default 10. */
  readonly limit?: number | undefined;
  /** Passes over so many items first, at most 100,000. Not with `cursor`, which costs less. Default 0. */
  readonly offset?: number | undefined;
}

export interface CountItemsOptions extends CallOptions {
  readonly filter?: ItemFilter | undefined;
}

export interface NamespaceQuery extends PageQuery {
  readonly prefix?: ItemNamespace | undefined;
  readonly suffix?: ItemNamespace | undefined;
  /** Cuts namespaces to this many labels and gives each once. */
  readonly maxDepth?: number | undefined;
  /** Default 100. */
  readonly limit?: number | undefined;
}

/** One step of a batch. */
export type ItemOperation =
  | {
      readonly put: Omit<PutItemOptions, keyof CallOptions> & {
        readonly namespace: ItemNamespace;
        readonly key: string;
        readonly value: JsonObject;
      };
    }
  | {
      readonly update: Omit<UpdateItemOptions, keyof CallOptions> &
        ItemChange & { readonly namespace: ItemNamespace; readonly key: string };
    }
  | {
      readonly get: Omit<GetItemOptions, keyof CallOptions> & {
        readonly namespace: ItemNamespace;
        readonly key: string;
      };
    }
  | {
      readonly delete: Omit<DeleteItemOptions, keyof CallOptions> & {
        readonly namespace: ItemNamespace;
        readonly key: string;
      };
    }
  | { readonly search: Omit<ItemQuery, keyof CallOptions> & { readonly prefix: ItemNamespace } }
  | { readonly count: Omit<CountItemsOptions, keyof CallOptions> & { readonly prefix: ItemNamespace } }
  | { readonly listNamespaces: Omit<NamespaceQuery, keyof CallOptions> };

/** What each step gives: the item put, updated or found, whether it was deleted, a count, or a page. */
export type ItemResult = Item | undefined | boolean | number | Page<Item> | Page<string[]>;

/** Items of namespaces. */
export interface ItemStorage {
  /**
   * Stores an item.
   * @throws ConflictError (`expectedVersion`, `ifAbsent`), InvalidArgumentError, UnsupportedError (`vectors`, F6)
   */
  putItem(namespace: ItemNamespace, key: string, value: JsonObject, options?: PutItemOptions): Promise<Item>;

  /**
   * Changes keys of an item's value in one round trip, and returns the whole item (M6).
   * @throws ConflictError (`expectedVersion`, `ifPresent`, `increment` of what is no number), InvalidArgumentError, UnsupportedError
   */
  updateItem(namespace: ItemNamespace, key: string, change: ItemChange, options?: UpdateItemOptions): Promise<Item>;

  getItem(namespace: ItemNamespace, key: string, options?: GetItemOptions): Promise<Item | undefined>;

  /** `false` if it was not there. @throws ConflictError (`expectedVersion`) */
  deleteItem(namespace: ItemNamespace, key: string, options?: DeleteItemOptions): Promise<boolean>;

  /** Carries out the steps, at most 2,000 a call, in order, all or none, in one round trip; each sees the earlier ones (M3). */
  batchItems(operations: readonly ItemOperation[], options?: CallOptions): Promise<ItemResult[]>;

  /** One page of the items below a prefix; `[]` is every item of the tenant (M1, M2, M5). @throws UnsupportedError (`similarTo`, F6) */
  searchItems(namespacePrefix: ItemNamespace, query?: ItemQuery): Promise<Page<Item>>;

  /** How many items are below a prefix and match (M2). */
  countItems(namespacePrefix: ItemNamespace, options?: CountItemsOptions): Promise<number>;

  /** One page of the namespaces that hold items, by label and code point. */
  listNamespaces(query?: NamespaceQuery): Promise<Page<string[]>>;

  /** Deletes every item below a prefix and returns how many. An empty prefix is refused. */
  deleteItems(namespacePrefix: ItemNamespace, options?: CallOptions): Promise<number>;
}
