/**
 * Searching items and listing namespaces (M1, M2), in steps of a few milliseconds, so that a search can be part of a batch as
 * well as a read of its own.
 */
import type { JsonObject } from "../../contract/json.js";
import type { ItemListing, NamespaceListing } from "../../domain/driver/items.js";
import type { Rows, StoredItem } from "../../domain/driver/stored.js";
import { isAfter, isItemExpired, itemOrder } from "../../domain/items.js";
import { endsWithLabels } from "../../domain/namespaces.js";
import type { Connection } from "./connection/connection.js";
import {
  bytesBeyond,
  type ItemPlaceRow,
  itemAt,
  namespaceBytes,
  namespaceLabels,
  nextNamespace,
  placesAfter,
  placesBefore,
} from "./item-rows.js";

/** How long a step may take, in milliseconds. */
const STEP_MS = 3;

/** Places read at once. */
const PLACES_AT_ONCE = 100;

/** A search on its way. */
export interface Search<Row> {
  /** Goes on for a few milliseconds; `true` when the page is complete. */
  step(db: Connection): boolean;
  page(): Rows<Row>;
}

/**
 * Reads the places below the prefix once. In the order of keys it stops when the page is full; by time it keeps the best ones,
 * `limit` and one more, so that memory does not grow with what it passes by.
 */
export function itemSearch(tenant: number, listing: ItemListing, now: number): Search<StoredItem> {
  const { prefix, filter, orderBy, direction, limit, after } = listing;
  const byKey = orderBy === "key";
  const forward = !byKey || direction === "asc";
  const order = itemOrder(listing);
  const best: StoredItem[] = [];
  const first = namespaceBytes(prefix);
  const beyond = bytesBeyond(prefix);
  // No key is empty: `""` stands before all items of a namespace.
  let position: Pick<ItemPlaceRow, "namespace" | "key"> = { namespace: forward ? first : beyond, key: "" };
  if (byKey && after !== null) position = { namespace: namespaceBytes(after.namespace), key: after.key };

  const look = (db: Connection, row: ItemPlaceRow): void => {
    if (isItemExpired(row, now)) return;
    const place = { ...row, namespace: namespaceLabels(row.namespace) };
    const worst = best[limit];
    if (!isAfter(place, listing) || (worst !== undefined && order(place, worst) > 0)) return;
    const item = itemAt(db, row.id);
    if (item === undefined) return;
    if (filter !== null && !filter.matches(JSON.parse(item.value) as JsonObject)) return;
    insertInOrder(best, item, order);
    if (best.length > limit + 1) best.pop();
  };

  return {
    step(db) {
      const end = performance.now() + STEP_MS;
      while (performance.now() < end) {
        const rows = forward
          ? placesAfter(db, tenant, position, beyond, PLACES_AT_ONCE)
          : placesBefore(db, tenant, position, first, PLACES_AT_ONCE);
        for (const row of rows) {
          look(db, row);
          position = row;
          if (byKey && best.length > limit) return true;
          if (performance.now() >= end) break;
        }
        if (rows.length === 0) return true;
      }
      return false;
    },
    page: () => ({ rows: best.slice(0, limit), more: best.length > limit }),
  };
}

/** Jumps from namespace to namespace: the time depends on how many there are, not on their items. */
export function namespaceSearch(tenant: number, listing: NamespaceListing, now: number): Search<string[]> {
  const { prefix, suffix, maxDepth, limit, after } = listing;
  const found: string[][] = [];
  const end = bytesBeyond(prefix);
  /** Where the next one begins that is another one after the cut. */
  const next = (cut: readonly string[]): Uint8Array =>
    cut.length === maxDepth ? bytesBeyond(cut) : Buffer.concat([namespaceBytes(cut), Buffer.of(0)]);
  let from = after === null ? namespaceBytes(prefix) : next(after);

  return {
    step(db) {
      const stop = performance.now() + STEP_MS;
      while (performance.now() < stop) {
        const bytes = nextNamespace(db, tenant, from, end);
        if (bytes === undefined) return true;
        const labels = namespaceLabels(bytes);
        if (endsWithLabels(labels, suffix) && hasLiveItem(db, tenant, bytes, now)) {
          const cut = maxDepth === null ? labels : labels.slice(0, maxDepth);
          found.push(cut);
          if (found.length > limit) return true;
          from = next(cut);
        } else {
          from = Buffer.concat([bytes, Buffer.of(0)]);
        }
      }
      return false;
    },
    page: () => ({ rows: found.slice(0, limit), more: found.length > limit }),
  };
}

function hasLiveItem(db: Connection, tenant: number, namespace: Uint8Array, now: number): boolean {
  const end = Buffer.concat([namespace, Buffer.of(0)]);
  for (let key = ""; ; ) {
    const rows = placesAfter(db, tenant, { namespace, key }, end, PLACES_AT_ONCE);
    if (rows.some((row) => !isItemExpired(row, now))) return true;
    const last = rows.at(-1);
    if (last === undefined) return false;
    key = last.key;
  }
}

function insertInOrder(list: StoredItem[], item: StoredItem, order: ReturnType<typeof itemOrder>): void {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (order(list[middle] as StoredItem, item) <= 0) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, item);
}
