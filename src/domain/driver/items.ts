/** Steps and listings of items, validated. */
import type { VectorDistance } from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import type { CompiledItemFilter } from "../item-filter.js";
import type { Rows, StoredItem, StoredVectors } from "./stored.js";

export interface ItemListing {
  readonly prefix: readonly string[];
  /** A predicate over the parsed value and its plain description for stores that filter themselves; `null` for none (M2). */
  readonly filter: CompiledItemFilter | null;
  readonly orderBy: "key" | "createdAt" | "updatedAt";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  /** Items of the order to pass over; 0 when `after` is given. */
  readonly offset: number;
  /** Where the page before ended; `time` is 0 when the order is by key. Ties by namespace, then key, label by label. */
  readonly after: { readonly time: number; readonly namespace: readonly string[]; readonly key: string } | null;
}

/** A search by similarity (M5). `domain/nearest.ts` ranks for stores that compare vectors in the process. */
export interface NearestListing {
  readonly prefix: readonly string[];
  readonly filter: CompiledItemFilter | null;
  readonly vector: Float32Array;
  readonly distance: VectorDistance;
  readonly minScore: number | null;
  /** Items that have no vectors come last, without a score; else they are left out. */
  readonly unscored: boolean;
  readonly limit: number;
  readonly offset: number;
  /** Where the page before ended: by score downwards, `null` below all numbers, ties by namespace, then key. */
  readonly after: NearestPosition | null;
}

export interface NearestPosition {
  readonly score: number | null;
  readonly namespace: readonly string[];
  readonly key: string;
}

export interface ItemCount {
  readonly prefix: readonly string[];
  readonly filter: CompiledItemFilter | null;
}

/** An item with its score; `null` for one without vectors. */
export interface ScoredItem {
  readonly item: StoredItem;
  readonly score: number | null;
}

export interface NamespaceListing {
  readonly prefix: readonly string[];
  readonly suffix: readonly string[];
  /** `null` for whole namespaces; else they are cut to this many labels and each stands once. */
  readonly maxDepth: number | null;
  readonly limit: number;
  /** The last namespace (as cut) of the page before. */
  readonly after: readonly string[] | null;
}

export type ItemStep =
  | {
      readonly kind: "put";
      readonly namespace: readonly string[];
      readonly key: string;
      readonly value: string;
      readonly ttlMs: number | null;
      /** 0: must be absent; `null`: no condition. Otherwise `ConflictError`. */
      readonly expectedVersion: number | null;
      /** Take the place of the item's vectors; `null`: it has none from now on. */
      readonly vectors: StoredVectors | null;
    }
  | {
      readonly kind: "update";
      readonly namespace: readonly string[];
      readonly key: string;
      /** `updateStored` in `domain/items.ts` is their meaning. */
      readonly merge: JsonObject;
      /** What is merged is so much that the value is made in steps. */
      readonly mergesMuch: boolean;
      readonly unset: readonly string[];
      readonly increment: readonly (readonly [key: string, by: number])[];
      /** `null`: the time to live goes on. */
      readonly ttlMs: number | null;
      readonly expectedVersion: number | null;
      readonly ifPresent: boolean;
      /** `keep`: the item's vectors stay; `null`: it has none from now on. */
      readonly vectors: StoredVectors | null | "keep";
    }
  | { readonly kind: "get"; readonly namespace: readonly string[]; readonly key: string; readonly refreshTtl: boolean }
  | {
      readonly kind: "delete";
      readonly namespace: readonly string[];
      readonly key: string;
      readonly expectedVersion: number | null;
    }
  | { readonly kind: "search"; readonly listing: ItemListing }
  | { readonly kind: "nearest"; readonly listing: NearestListing }
  | { readonly kind: "count"; readonly count: ItemCount }
  | { readonly kind: "namespaces"; readonly listing: NamespaceListing };

export type ItemStepResult =
  | { readonly kind: "put"; readonly item: StoredItem }
  | { readonly kind: "update"; readonly item: StoredItem }
  | { readonly kind: "get"; readonly item: StoredItem | undefined }
  | { readonly kind: "delete"; readonly deleted: boolean }
  | { readonly kind: "search"; readonly rows: Rows<StoredItem> }
  | { readonly kind: "nearest"; readonly rows: Rows<ScoredItem> }
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "namespaces"; readonly rows: Rows<string[]> };
