/** Search by similarity (M5), in steps of a few milliseconds, all on one moment of the store. */
import type { NearestListing, ScoredItem } from "../../domain/driver/items.js";
import type { Rows, StoredItem } from "../../domain/driver/stored.js";
import { ifMatching } from "../../domain/item-filter.js";
import { isItemExpired } from "../../domain/items.js";
import { type Candidate, Ranking } from "../../domain/nearest.js";
import type { Connection } from "./connection/connection.js";
import {
  bytesBeyond,
  type ItemPlaceRow,
  namespaceBytes,
  namespaceLabels,
  placeAt,
  placesAfter,
  wholeItemAt,
} from "./item-rows.js";
import { placeScan, type Search, STEP_MS, type Taking } from "./item-search.js";
import { assertDimensionsFit, findVectors, toVectors, vectorsAfter } from "./item-vectors.js";
import type { VectorView } from "./vector-cache.js";

/** Items below a prefix up to which their vectors are read from the file for each search. */
const FEW_ITEMS = 256;

/** Rows read at once. */
const ROWS_AT_ONCE = 50;

/** Vectors compared between two looks at the time. */
const VECTORS_PER_LOOK = 256;

/** The prefix has so few items that a search needs no cache. */
export function hasFewItems(db: Connection, tenant: number, prefix: readonly string[]): boolean {
  const start = { namespace: namespaceBytes(prefix), key: "" };
  return placesAfter(db, tenant, start, bytesBeyond(prefix), FEW_ITEMS + 1).length <= FEW_ITEMS;
}

/** Vectors of an item at one change of them. */
interface Found extends Candidate {
  readonly item: number;
  readonly change: number;
}

/** A part of the work: goes on until `end`, `true` when it is done. */
type Part = (db: Connection, end: number) => boolean;

/**
 * @param view what the cache held before this moment of the store began; `null` to read all vectors from the file
 * @throws InvalidArgumentError (M4)
 */
export function nearestSearch(
  tenant: number,
  listing: NearestListing,
  now: number,
  view: VectorView | null,
): Search<Rows<ScoredItem>> {
  const ranking = new Ranking<Found>(listing);
  const page = new ScoredPage(listing);
  const parts: Part[] = [
    ...(view === null
      ? [readAll(tenant, listing, ranking)]
      : [readNew(tenant, listing, ranking, view.upTo), compareAll(ranking, view)]),
    pickBest(listing, ranking, page, now),
    ...(listing.unscored ? [addUnscored(tenant, listing, page, now)] : []),
  ];
  let begun = false;
  return {
    step(db) {
      if (!begun && listing.prefix.length > 0) {
        assertDimensionsFit(db, tenant, { namespace: listing.prefix }, listing.vector.length);
      }
      begun = true;
      const end = performance.now() + STEP_MS;
      for (let part = parts[0]; part !== undefined; part = parts[0]) {
        if (!part(db, end)) return false;
        parts.shift();
      }
      return true;
    },
    page: () => page.page(),
  };
}

function readAll(tenant: number, listing: NearestListing, ranking: Ranking<Found>): Part {
  const places = placeScan(tenant, listing, "asc", null);
  const take = (db: Connection, { id, key, namespace, vectors: change }: ItemPlaceRow): boolean => {
    const vectors = change === null ? undefined : findVectors(db, change);
    if (change !== null && vectors !== undefined) {
      ranking.add({ item: id, change, namespace: namespaceLabels(namespace), key }, vectors);
    }
    return true;
  };
  return (db, end) => places.step(db, end, take);
}

/** Reads what has come after the view was taken, also in this very transaction. */
function readNew(tenant: number, { prefix }: NearestListing, ranking: Ranking<Found>, upTo: number): Part {
  const start = Buffer.from(namespaceBytes(prefix));
  let position = upTo;
  return (db, end) => {
    do {
      const rows = vectorsAfter(db, tenant, position, ROWS_AT_ONCE);
      for (const row of rows) {
        const { change, item, key, namespace } = row;
        position = change;
        if (start.compare(namespace, 0, Math.min(start.length, namespace.length)) !== 0) continue;
        ranking.add({ item, change, namespace: namespaceLabels(namespace), key }, toVectors(row));
      }
      if (rows.length < ROWS_AT_ONCE) return true;
    } while (performance.now() < end);
    return false;
  };
}

function compareAll(ranking: Ranking<Found>, { parts }: VectorView): Part {
  let part = 0;
  let row = 0;
  return (_db, end) => {
    for (; part < parts.length; part++, row = 0) {
      const vectors = parts[part] as VectorView["parts"][number];
      while (row < vectors.rows) {
        row = ranking.addRows(vectors, row, row + VECTORS_PER_LOOK);
        if (performance.now() >= end) return false;
      }
    }
    return true;
  };
}

/** The best are looked at in the store: they may have been replaced, deleted, or have expired. */
function pickBest({ filter }: NearestListing, ranking: Ranking<Found>, page: ScoredPage, now: number): Part {
  /** A long item that is being looked at. */
  let offering: Taking = true;
  return (db, end) => {
    for (;;) {
      while (typeof offering !== "boolean") {
        const { done, value } = offering.next();
        if (done) offering = value;
        else if (performance.now() >= end) return false;
      }
      if (!offering) return true;
      const best = ranking.next();
      if (best === undefined) return true;
      const { item: id, change } = best.candidate;
      const place = placeAt(db, id);
      if (place !== undefined && place.vectors === change && !isItemExpired(place, now)) {
        offering = page.offer(db, id, best.score, filter);
      }
      if (performance.now() >= end && offering === true) return false;
    }
  };
}

function addUnscored(tenant: number, listing: NearestListing, page: ScoredPage, now: number): Part {
  const { after, filter } = listing;
  const places = placeScan(tenant, listing, "asc", after === null || after.score !== null ? null : after);
  const take = (db: Connection, row: ItemPlaceRow): Taking =>
    row.vectors !== null || isItemExpired(row, now) || page.offer(db, row.id, null, filter);
  return (db, end) => page.isFull || places.step(db, end, take);
}

/** The page being filled from the best downwards. */
class ScoredPage {
  readonly #limit: number;
  readonly #rows: ScoredItem[] = [];
  #toPass: number;
  #more = false;

  constructor({ limit, offset }: NearestListing) {
    this.#limit = limit;
    this.#toPass = offset;
  }

  /** It has its rows, and it is known that there are more. */
  get isFull(): boolean {
    return this.#more;
  }

  /** `false` when the page wants no more; a long item takes several steps. */
  offer(db: Connection, id: number, score: number | null, filter: NearestListing["filter"]): Taking {
    if (filter === null && this.#toPass > 0) {
      this.#toPass -= 1;
      return true;
    }
    return this.#offerItem(db, id, score, filter);
  }

  *#offerItem(
    db: Connection,
    id: number,
    score: number | null,
    filter: NearestListing["filter"],
  ): Generator<void, boolean, void> {
    const item = yield* wholeItemAt(db, id);
    if (item === undefined) return true;
    const goesOn = ifMatching(filter, item.value, () => this.#take(item, score));
    return typeof goesOn === "boolean" ? goesOn : yield* goesOn;
  }

  #take(item: StoredItem, score: number | null): boolean {
    if (this.#toPass > 0) this.#toPass -= 1;
    else if (this.#rows.length === this.#limit) this.#more = true;
    else this.#rows.push({ item, score });
    return !this.#more;
  }

  page(): Rows<ScoredItem> {
    return { rows: this.#rows, more: this.#more };
  }
}
