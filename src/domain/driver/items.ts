/** Steps and listings of items, validated. */
import type { CompiledItemFilter } from "../item-filter.js";
import type { Rows, StoredItem } from "./stored.js";

export interface ItemListing {
  readonly prefix: readonly string[];
  /** A predicate over the parsed value and its plain description for stores that filter themselves; `null` for none (M2). */
  readonly filter: CompiledItemFilter | null;
  readonly orderBy: "key" | "createdAt" | "updatedAt";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  /** Where the page before ended; `time` is 0 when the order is by key. Ties by namespace, then key, label by label. */
  readonly after: { readonly time: number; readonly namespace: readonly string[]; readonly key: string } | null;
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
    }
  | { readonly kind: "get"; readonly namespace: readonly string[]; readonly key: string; readonly refreshTtl: boolean }
  | {
      readonly kind: "delete";
      readonly namespace: readonly string[];
      readonly key: string;
      readonly expectedVersion: number | null;
    }
  | { readonly kind: "search"; readonly listing: ItemListing }
  | { readonly kind: "namespaces"; readonly listing: NamespaceListing };

export type ItemStepResult =
  | { readonly kind: "put"; readonly item: StoredItem }
  | { readonly kind: "get"; readonly item: StoredItem | undefined }
  | { readonly kind: "delete"; readonly deleted: boolean }
  | { readonly kind: "search"; readonly rows: Rows<StoredItem> }
  | { readonly kind: "namespaces"; readonly rows: Rows<string[]> };
