/** Items: putting, expiring and ordering them (M1, M3). */
import { ConflictError } from "../contract/errors.js";
import type { Item } from "../contract/item-storage.js";
import type { JsonObject } from "../contract/json.js";
import type { ItemListing, ItemStep } from "./driver/items.js";
import type { StoredItem } from "./driver/stored.js";
import { compareCodePoints } from "./identifiers.js";
import { decodeMetadata, encodeObject } from "./metadata.js";
import { compareNamespaces } from "./namespaces.js";

/** Most bytes of an item's encoded value: 16 MiB. */
export const MAX_ITEM_BYTES: number = 16 * 1024 * 1024;

/** The value of an item, a plain JSON object, as it is stored. */
export function encodeItemValue(value: unknown, name = "value"): string {
  return encodeObject(value, name, MAX_ITEM_BYTES);
}

type PutStep = Omit<Extract<ItemStep, { readonly kind: "put" }>, "vectors">;

/** Whether the item is gone for readers (M3). */
export function isItemExpired(item: { readonly expiresAt: number | null }, now: number): boolean {
  return item.expiresAt !== null && now >= item.expiresAt;
}

/**
 * The item after a put. An expired one counts as absent: the item begins anew at version 1.
 * @throws ConflictError when `expectedVersion` is not the stored one
 */
export function putStored(existing: Omit<StoredItem, "value"> | undefined, step: PutStep, now: number): StoredItem {
  const before = existing !== undefined && !isItemExpired(existing, now) ? existing : undefined;
  assertItemVersion(before, step.expectedVersion);
  return {
    namespace: step.namespace,
    key: step.key,
    value: step.value,
    version: (before?.version ?? 0) + 1,
    createdAt: before?.createdAt ?? now,
    updatedAt: Math.max(before?.updatedAt ?? now, now),
    ttlMs: step.ttlMs,
    expiresAt: step.ttlMs === null ? null : now + step.ttlMs,
  };
}

/**
 * Whether a delete has something to delete; an expired item counts as absent.
 * @throws ConflictError when `expectedVersion` is not the stored one; 0 expects that nothing is there
 */
export function isDeletable(
  existing: Omit<StoredItem, "value"> | undefined,
  expectedVersion: number | null,
  now: number,
): boolean {
  const before = existing !== undefined && !isItemExpired(existing, now) ? existing : undefined;
  assertItemVersion(before, expectedVersion);
  return before !== undefined;
}

/** The item after a read that starts its time to live anew; the very same object if it does not expire. */
export function refreshStored<Each extends StoredItem>(item: Each, now: number): Each {
  return item.ttlMs === null ? item : { ...item, expiresAt: now + item.ttlMs };
}

/** What decides where an item stands in a listing. */
export type ItemPlace = Pick<StoredItem, "namespace" | "key" | "createdAt" | "updatedAt">;

/** The order of a listing: by time or by key, ties by namespace and key, all in the listing's direction. */
export function itemOrder({
  orderBy,
  direction,
}: Pick<ItemListing, "orderBy" | "direction">): (a: ItemPlace, b: ItemPlace) => number {
  const sign = direction === "asc" ? 1 : -1;
  return (a, b) => {
    const byTime = orderBy === "key" ? 0 : a[orderBy] - b[orderBy];
    return sign * (byTime || compareNamespaces(a.namespace, b.namespace) || compareCodePoints(a.key, b.key));
  };
}

/** Where a page ended, as the listing's `after` names it. */
export function itemPosition(item: ItemPlace, orderBy: ItemListing["orderBy"]): NonNullable<ItemListing["after"]> {
  return { time: orderBy === "key" ? 0 : item[orderBy], namespace: item.namespace, key: item.key };
}

/** Whether the item comes after the position where the page before ended. */
export function isAfter(
  item: ItemPlace,
  { after, orderBy, direction }: Pick<ItemListing, "after" | "orderBy" | "direction">,
): boolean {
  if (after === null) return true;
  const position = { namespace: after.namespace, key: after.key, createdAt: after.time, updatedAt: after.time };
  return itemOrder({ orderBy, direction })(item, position) > 0;
}

export function toItem(stored: StoredItem): Item {
  return toItemWith(stored, decodeMetadata(stored.value));
}

/** The item with its value, which is decoded already. */
export function toItemWith(stored: StoredItem, value: JsonObject): Item {
  return {
    namespace: [...stored.namespace],
    key: stored.key,
    value,
    version: stored.version,
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
    ...(stored.expiresAt === null ? {} : { expiresAt: new Date(stored.expiresAt) }),
  };
}

/** @throws ConflictError when the item is there with another version than the expected one, or not there (0) */
export function assertItemVersion(
  stored: Pick<StoredItem, "version"> | undefined,
  expectedVersion: number | null,
): void {
  if (expectedVersion === null) return;
  const version = stored?.version ?? 0;
  if (version === expectedVersion) return;
  const found = stored === undefined ? "the item is not there" : `the item is at version ${version}`;
  const expected = expectedVersion === 0 ? "it is expected to be absent" : `version ${expectedVersion} is expected`;
  throw new ConflictError(`${found}, and ${expected}`);
}
