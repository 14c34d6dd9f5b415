/**
 * Searching items and listing namespaces (M1, M2), in steps of a few milliseconds, so that a search can be part of a batch as
 * well as a read of its own.
 */
import type { ItemCount, ItemListing, NamespaceListing } from "../../domain/driver/items.js";
import type { Rows, StoredItem } from "../../domain/driver/stored.js";
import { ifMatching } from "../../domain/item-filter.js";
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
  type ScannedRow,
  type ScanOf,
  wholeItem,
} from "./item-rows.js";
import { isInPieces } from "./long-text-rows.js";

/** How long a step may take, in milliseconds. */
export const STEP_MS = 3;

/** Places read at once. */
const PLACES_AT_ONCE = 100;

/** A search on its way. */
export interface Search<Page> {
  /** Goes on for a few milliseconds; `true` when the page is complete. */
  step(db: Connection): boolean;
  page(): Page;
}

/**
 * Reads the places below the prefix once. In the order of keys it stops when the page is full; by time it keeps the best ones,
 * as many as the page and its offset need and one more. Values of items that are not in the page are read for a filter alone,
 * short ones with their places, and not kept.
 */
export function itemSearch(tenant: number, listing: ItemListing, now: number): Search<Rows<StoredItem>> {
  const { orderBy, direction, limit, offset, after } = listing;
  const wanted = offset + limit;
  const byKey = orderBy === "key";
  const order = itemOrder(listing);
  const best: FoundPlace[] = [];
  const items: StoredItem[] = [];
  const of = scanOf(listing);
  const places = placeScan(tenant, listing, byKey ? direction : "asc", byKey ? after : null, of);
  let scanned = false;
  let next = offset;
  /** An item that is being read in pieces. */
  let reading: ReturnType<typeof wholeItem> | undefined;

  /** `false` when the page wants no more. */
  const take = (db: Connection, row: ScannedRow): Taking => {
    if (isItemExpired(row, now)) return true;
    const place = { ...row, namespace: row.item?.namespace ?? namespaceLabels(row.namespace) };
    const worst = best[wanted];
    if (!isAfter(place, listing) || (worst !== undefined && order(place, worst) > 0)) return true;
    return ifRowMatches(db, listing, row, () => {
      insertInOrder(best, place, order);
      if (best.length > wanted + 1) best.pop();
      return !byKey || best.length <= wanted;
    });
  };

  return {
    step(db) {
      const end = performance.now() + STEP_MS;
      scanned ||= places.step(db, end, take);
      if (!scanned) return false;
      for (; next < Math.min(best.length, wanted); next++) {
        if (performance.now() >= end) return false;
        const { id, item = itemAt(db, id) } = best[next] as FoundPlace;
        if (item === undefined) continue;
        reading ??= wholeItem(db, item);
        let piece = reading.next();
        while (!piece.done && performance.now() < end) piece = reading.next();
        if (!piece.done) return false;
        reading = undefined;
        if (piece.value !== undefined) items.push(piece.value);
      }
      return true;
    },
    page: () => ({ rows: items, more: best.length > wanted }),
  };
}

/** Counts the items below a prefix that match. */
export function itemCount(tenant: number, count: ItemCount, now: number): Search<number> {
  const places = placeScan(tenant, count, "asc", null, scanOf(count));
  let found = 0;
  const take = (db: Connection, row: ScannedRow): Taking => {
    if (isItemExpired(row, now)) return true;
    return ifRowMatches(db, count, row, () => {
      found += 1;
      return true;
    });
  };
  return { step: (db) => places.step(db, performance.now() + STEP_MS, take), page: () => found };
}

/** A filter looks at values. */
function scanOf({ filter }: Pick<ItemListing, "filter">): ScanOf {
  return filter === null ? "places" : "values";
}

type FoundPlace = Omit<ScannedRow, "namespace"> & { readonly namespace: readonly string[] };

/** Hands on the places below a prefix, piece by piece. */
export function placeScan(
  tenant: number,
  { prefix }: Pick<ItemListing, "prefix">,
  direction: ItemListing["direction"],
  after: { readonly namespace: readonly string[]; readonly key: string } | null,
  of: ScanOf = "places",
): { step(db: Connection, end: number, take: (db: Connection, row: ScannedRow) => Taking): boolean } {
  const forward = direction === "asc";
  const first = namespaceBytes(prefix);
  const beyond = bytesBeyond(prefix);
  // No key is empty: `""` stands before all items of a namespace.
  let position: Pick<ItemPlaceRow, "namespace" | "key"> =
    after === null
      ? { namespace: forward ? first : beyond, key: "" }
      : { namespace: namespaceBytes(after.namespace), key: after.key };
  /** What is left to do for the row at `position`. */
  let taking: Taking = true;
  /** Goes on with it; `undefined` when the time is over. */
  const taken = (end: number): boolean | undefined => {
    while (typeof taking !== "boolean") {
      const { done, value } = taking.next();
      if (done) taking = value;
      else if (performance.now() >= end) return undefined;
    }
    return taking;
  };
  return {
    step(db, end, take) {
      const before = taken(end);
      if (before !== true) return before === false;
      while (performance.now() < end) {
        const rows = forward
          ? placesAfter(db, tenant, position, beyond, PLACES_AT_ONCE, of)
          : placesBefore(db, tenant, position, first, PLACES_AT_ONCE, of);
        for (const row of rows) {
          position = row;
          taking = take(db, row);
          const goesOn = taken(end);
          if (goesOn !== true) return goesOn === false;
          if (performance.now() >= end) break;
        }
        if (rows.length === 0) return true;
      }
      return false;
    },
  };
}

/** Whether a scan goes on after a row; a long value takes several steps. */
export type Taking = boolean | Generator<void, boolean, void>;

/** Adds an item that matches, and goes on after one that does not. */
function ifRowMatches(
  db: Connection,
  { filter }: Pick<ItemListing, "filter">,
  row: ScannedRow,
  add: () => boolean,
): Taking {
  if (filter === null) return add();
  const { id, item = itemAt(db, id) } = row;
  if (item !== undefined && isInPieces(item, item.value)) {
    return (function* () {
      const whole = yield* wholeItem(db, item);
      const goesOn = whole === undefined || ifMatching(filter, whole.value, add);
      return typeof goesOn === "boolean" ? goesOn : yield* goesOn;
    })();
  }
  return item === undefined || ifMatching(filter, item.value, add);
}

/** Jumps from namespace to namespace: the time depends on how many there are, not on their items. */
export function namespaceSearch(tenant: number, listing: NamespaceListing, now: number): Search<Rows<string[]>> {
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

function insertInOrder(list: FoundPlace[], item: FoundPlace, order: ReturnType<typeof itemOrder>): void {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (order(list[middle] as FoundPlace, item) <= 0) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, item);
}
