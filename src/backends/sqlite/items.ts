/** Items of the SQLite backend (M1-M6). */

import { isLong } from "../../domain/codec/long-text.js";
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult, NearestListing } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import { UpdatedValues, updatingStored } from "../../domain/item-changes.js";
import { isDeletable, isItemExpired, putStored, refreshStored } from "../../domain/items.js";
import { isLongMetadata } from "../../domain/metadata.js";
import type { Connection } from "./connection/connection.js";
import { inSteps } from "./connection/snapshots.js";
import { deleteItem, findItem, findItemHead, putExpiry, putItem, sweepExpiredItems, wholeItem } from "./item-rows.js";
import { itemCount, itemSearch, namespaceSearch, type Search, STEP_MS } from "./item-search.js";
import { assertDimensionsFit } from "./item-vectors.js";
import { type CutText, longTexts } from "./long-text.js";
import { storeIfLong, storeTexts, type TextInPieces } from "./long-text-rows.js";
import { hasFewItems, nearestSearch } from "./nearest-search.js";
import { Portion } from "./portion.js";
import type { OpenFile } from "./store.js";
import type { VectorView } from "./vector-cache.js";

/** Steps carried out between two looks at the time. */
const STEPS_AT_ONCE = 20;

export function itemVerbs(file: () => OpenFile): ItemDriver {
  return {
    async runItemSteps(call, steps) {
      const writes = steps.filter((step) => !isRead(step));
      const view = await viewFor(file(), call, steps);
      if (writes.length === 0) return readSteps(file(), call, steps, view);
      if (writes.every(isRefresh)) {
        const results = await readSteps(file(), call, steps.map(withoutRefresh), view);
        if (!results.some(hasTtl)) return results;
      }
      // A search may take long: it must not hold up those who share a transaction.
      const searches = steps.some((step) => SEARCHES.has(step.kind));
      const rows = searches ? Number.POSITIVE_INFINITY : steps.length;
      // Before the transaction: others need not wait for it.
      const puts = steps.filter((step) => step.kind === "put");
      const long = puts.some(({ value }) => isLong(value)) ? await longTexts(call, puts, ({ value }) => [value]) : NONE;
      // What an update writes depends on the item, and is not known before it is read.
      const characters = steps.reduce((sum, step) => sum + (step.kind === "put" ? step.value.length : 0), 0);
      const work = (pauses: boolean) =>
        function* (tx: Connection, tenant: number): Generator<void, ItemStepResult[], void> {
          const now = file().now();
          const texts = yield* storeTexts(tx, long);
          const results: ItemStepResult[] = [];
          const portion = new Portion(STEPS_AT_ONCE);
          const updated = new UpdatedValues();
          for (const step of steps) {
            const result = yield* runStep(tx, tenant, step, now, view, pauses, texts.get(step as PutStep));
            if (result.kind === "update") updated.add(result.item);
            results.push(result);
            if (portion.isFull(charactersOf(result))) yield;
          }
          return results;
        };
      try {
        return await file().writeSized(call, { rows, characters }, work(false));
      } catch (error) {
        if (error !== LONG_UPDATE) throw error;
        return file().writeInSlices(call, work(true));
      }
    },

    searchItems: (call, listing) => readSearch(file(), call, (tenant) => itemSearch(tenant, listing, file().now())),

    async searchNearest(call, listing) {
      const view = await viewFor(file(), call, [{ kind: "nearest", listing }]);
      return readSearch(file(), call, (tenant) => nearestSearch(tenant, listing, file().now(), view(listing)));
    },

    countItems: (call, count) => readSearch(file(), call, (tenant) => itemCount(tenant, count, file().now())),

    listNamespaces: (call, listing) =>
      readSearch(file(), call, (tenant) => namespaceSearch(tenant, listing, file().now())),

    async deleteItems(call, prefix) {
      const count = await file().writeLong(call, "deleteItems", { prefix, now: file().now() });
      if (count > 0) file().maintenance.wake();
      return count;
    },
  };
}

/** Thrown where an update is about a value that is too long for a transaction without a pause. */
const LONG_UPDATE: unique symbol = Symbol("long update");

type PutStep = Extract<ItemStep, { readonly kind: "put" }>;

const NONE: ReadonlyMap<PutStep, CutText> = new Map();

const SEARCHES: ReadonlySet<ItemStep["kind"]> = new Set(["search", "nearest", "count", "namespaces"]);

function isRead(step: ItemStep): boolean {
  return SEARCHES.has(step.kind) || (step.kind === "get" && !step.refreshTtl);
}

/** A read that writes if the item has a time to live, which most have not. */
function isRefresh(step: ItemStep): boolean {
  return step.kind === "get" && step.refreshTtl;
}

function withoutRefresh(step: ItemStep): ItemStep {
  return step.kind === "get" ? { ...step, refreshTtl: false } : step;
}

/** Characters of the values that a step reads and writes. */
function charactersOf(result: ItemStepResult): number {
  switch (result.kind) {
    case "put":
    case "get":
      return result.item?.value.length ?? 0;
    case "update":
      // It is read, changed and written.
      return 2 * result.item.value.length;
    default:
      return 0;
  }
}

function hasTtl(result: ItemStepResult): boolean {
  return result.kind === "get" && result.item !== undefined && result.item.ttlMs !== null;
}

function* runStep(
  tx: Connection,
  tenant: number,
  step: ItemStep,
  now: number,
  view: ViewOf,
  pauses = true,
  text?: TextInPieces | undefined,
): Generator<void, ItemStepResult, void> {
  switch (step.kind) {
    case "put": {
      if (step.vectors !== null) assertDimensionsFit(tx, tenant, step, step.vectors.dimensions);
      const stored = findItemHead(tx, tenant, step.namespace, step.key);
      const item = putStored(stored, step, now);
      putItem(tx, tenant, stored, item, step.vectors, text);
      // Each item that will expire takes two that have expired with it: they never become many.
      if (item.ttlMs !== null) sweepExpiredItems(tx, tenant, now, 2);
      return { kind: "put", item };
    }
    case "update": {
      const { vectors } = step;
      if (vectors !== null && vectors !== "keep") assertDimensionsFit(tx, tenant, step, vectors.dimensions);
      const found = findItem(tx, tenant, step.namespace, step.key);
      const isLongAlready = found !== undefined && (found.long !== null || isLongMetadata(found.value));
      if (!pauses && (step.mergesMuch || isLongAlready)) throw LONG_UPDATE;
      const stored = found && (yield* wholeItem(tx, found));
      const item = yield* updatingStored(stored, step, now);
      if (!pauses && isLong(item.value)) throw LONG_UPDATE;
      // An expired item leaves nothing to the one that begins in its place.
      const isGone = stored !== undefined && isItemExpired(stored, now);
      const long = yield* storeIfLong(tx, item.value);
      putItem(tx, tenant, stored, item, vectors === "keep" && isGone ? null : vectors, long);
      if (item.ttlMs !== null) sweepExpiredItems(tx, tenant, now, 2);
      return { kind: "update", item };
    }
    case "get": {
      const stored = findItem(tx, tenant, step.namespace, step.key);
      if (stored === undefined || isItemExpired(stored, now)) return { kind: "get", item: undefined };
      const whole = yield* wholeItem(tx, stored);
      if (whole === undefined) return { kind: "get", item: undefined };
      const item = step.refreshTtl ? refreshStored(whole, now) : whole;
      if (item !== whole) putExpiry(tx, item.id, item.expiresAt);
      return { kind: "get", item };
    }
    case "delete": {
      const deleted = isDeletable(findItemHead(tx, tenant, step.namespace, step.key), step.expectedVersion, now);
      if (deleted) deleteItem(tx, tenant, step.namespace, step.key);
      return { kind: "delete", deleted };
    }
    case "search":
      return { kind: "search", rows: yield* runSearch(tx, itemSearch(tenant, step.listing, now)) };
    case "count":
      return { kind: "count", count: yield* runSearch(tx, itemCount(tenant, step.count, now)) };
    case "nearest":
      return {
        kind: "nearest",
        rows: yield* runSearch(tx, nearestSearch(tenant, step.listing, now, view(step.listing))),
      };
    case "namespaces":
      return { kind: "namespaces", rows: yield* runSearch(tx, namespaceSearch(tenant, step.listing, now)) };
  }
}

/** What the cache of vectors had of a prefix before the steps began; `null` where it is not needed, or too small. */
type ViewOf = (listing: NearestListing) => VectorView | null;

/** Reads vectors into the cache for searches by similarity, unless they are about few items. */
async function viewFor(file: OpenFile, call: Call, steps: readonly ItemStep[]): Promise<ViewOf> {
  const listings = steps.flatMap((step) => (step.kind === "nearest" ? [step.listing] : []));
  if (listings.length === 0) return () => null;
  const cached = await file.read(call, (db, tenant) => {
    if (listings.every(({ prefix }) => hasFewItems(db, tenant, prefix))) return null;
    return { tenant, all: file.vectors.read(db, tenant, performance.now() + STEP_MS) };
  });
  if (cached === null) return () => null;
  let { all } = cached;
  if (all === false) {
    all = await file.scan(call, async (read, tenant) => {
      for (;;) {
        const done = await read((db) => file.vectors.read(db, tenant, performance.now() + STEP_MS));
        if (done !== false) return done;
      }
    });
  }
  if (all === null) return () => null;
  const views = new Map(listings.map((listing) => [listing, file.vectors.view(cached.tenant, listing.prefix)]));
  return (listing) => views.get(listing) ?? null;
}

function* runSearch<Page>(db: Connection, search: Search<Page>): Generator<void, Page, void> {
  while (!search.step(db)) yield;
  return search.page();
}

/** Steps that change nothing; each is a short read by itself. */
async function readSteps(
  file: OpenFile,
  call: Call,
  steps: readonly ItemStep[],
  view: ViewOf,
): Promise<ItemStepResult[]> {
  const [only] = steps;
  const now = file.now();
  if (steps.length === 1 && only?.kind === "get") {
    const { namespace, key } = only;
    const item = await file.readInSteps(call, function* (db, tenant) {
      const found = findItem(db, tenant, namespace, key);
      return found && (yield* wholeItem(db, found));
    });
    return [{ kind: "get", item: item === undefined || isItemExpired(item, now) ? undefined : item }];
  }
  return file.scan(call, async (read, tenant) => {
    const results: ItemStepResult[] = [];
    for (const step of steps) {
      results.push(await inSteps(read, (db) => runStep(db, tenant, step, now, view)));
    }
    return results;
  });
}

/** The first step may be enough; a longer search goes on in a long read. */
async function readSearch<Page>(file: OpenFile, call: Call, search: (tenant: number) => Search<Page>): Promise<Page> {
  const first = await file.read(call, (db, tenant) => {
    const short = search(tenant);
    return short.step(db) ? { page: short.page() } : undefined;
  });
  if (first !== undefined) return first.page;
  return file.scan(call, async (read, tenant) => {
    const long = search(tenant);
    while (!(await read((db) => long.step(db))));
    return long.page();
  });
}
