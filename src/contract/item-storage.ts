/** Items: long-term memory, what agents keep across threads (M1-M3). */
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
}

export interface GetItemOptions extends CallOptions {
  /** Starts the item's time to live anew. Default `false` (M3). */
  readonly refreshTtl?: boolean | undefined;
}

export interface DeleteItemOptions extends CallOptions {
  readonly expectedVersion?: number | undefined;
}

export interface ItemQuery extends PageQuery {
  readonly filter?: ItemFilter | undefined;
  /** Default `updatedAt`. Ties by namespace and key, in the same direction. */
  readonly orderBy?: "key" | "createdAt" | "updatedAt" | undefined;
  /** Default `desc` for times, `asc` for `key` (by namespace, then key). */
  readonly direction?: "asc" | "desc" | undefined;
  /** Default 10. */
  readonly limit?: number | undefined;
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
  | { readonly listNamespaces: Omit<NamespaceQuery, keyof CallOptions> };

/** What each step gives: the item put or found, whether it was deleted, or a page. */
export type ItemResult = Item | undefined | boolean | Page<Item> | Page<string[]>;

/** Items of namespaces. */
export interface ItemStorage {
  /** Stores an item. @throws ConflictError (`expectedVersion`, `ifAbsent`), InvalidArgumentError */
  putItem(namespace: ItemNamespace, key: string, value: JsonObject, options?: PutItemOptions): Promise<Item>;

  getItem(namespace: ItemNamespace, key: string, options?: GetItemOptions): Promise<Item | undefined>;

  /** `false` if it was not there. @throws ConflictError (`expectedVersion`) */
  deleteItem(namespace: ItemNamespace, key: string, options?: DeleteItemOptions): Promise<boolean>;

  /** Carries out the steps in order, all or none, in one round trip; each sees the earlier ones (M3). */
  batchItems(operations: readonly ItemOperation[], options?: CallOptions): Promise<ItemResult[]>;

  /** One page of the items below a prefix; `[]` is every item of the tenant (M1, M2). */
  searchItems(namespacePrefix: ItemNamespace, query?: ItemQuery): Promise<Page<Item>>;

  /** One page of the namespaces that hold items, by label and code point. */
  listNamespaces(query?: NamespaceQuery): Promise<Page<string[]>>;

  /** Deletes every item below a prefix and returns how many. An empty prefix is refused. */
  deleteItems(namespacePrefix: ItemNamespace, options?: CallOptions): Promise<number>;
}
