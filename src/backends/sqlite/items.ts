/** Items of the SQLite backend (M1-M3). */
import { UnsupportedError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import type { ItemStep, ItemStepResult } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import { updateStored } from "../../domain/item-changes.js";
import { isDeletable, isItemExpired, putStored, refreshStored } from "../../domain/items.js";
import type { Connection } from "./connection/connection.js";
import { deleteItem, deleteSome, findItem, putItem, sweepExpiredItems } from "./item-rows.js";
import { itemCount, itemSearch, namespaceSearch, type Search } from "./item-search.js";
import type { OpenFile } from "./store.js";

/** Steps carried out, or items deleted, between two looks at the time. */
const STEPS_AT_ONCE = 20;

export function itemVerbs(file: () => OpenFile): ItemDriver {
  return {
    runItemSteps(call, steps) {
      const writes = steps.filter((step) => !isRead(step));
      if (writes.length === 0) return readSteps(file(), call, steps);
      // A search may take long: it must not hold up those who share a transaction.
      const searches = steps.some((step) => SEARCHES.has(step.kind));
      const rows = searches ? Number.POSITIVE_INFINITY : steps.length;
      // What an update writes depends on the item, and is not known before it is read.
      const characters = steps.reduce((sum, step) => sum + (step.kind === "put" ? step.value.length : 0), 0);
      return file().writeSized(call, { rows, characters }, function* (tx, tenant) {
        const now = file().now();
        const results: ItemStepResult[] = [];
        for (const step of steps) {
          results.push(yield* runStep(tx, tenant, step, now));
          if (results.length % STEPS_AT_ONCE === 0) yield;
        }
        return results;
      });
    },

    searchItems: (call, listing) => readSearch(file(), call, (tenant) => itemSearch(tenant, listing, file().now())),

    countItems: (call, count) => readSearch(file(), call, (tenant) => itemCount(tenant, count, file().now())),

    listNamespaces: (call, listing) =>
      readSearch(file(), call, (tenant) => namespaceSearch(tenant, listing, file().now())),

    async deleteItems(call, prefix) {
      const count = await file().writeInSlices(call, function* (tx, tenant) {
        const now = file().now();
        let live = 0;
        for (;;) {
          const deleted = deleteSome(tx, tenant, prefix, STEPS_AT_ONCE);
          live += deleted.filter((expiresAt) => !isItemExpired({ expiresAt }, now)).length;
          if (deleted.length < STEPS_AT_ONCE) return live;
          yield;
        }
      });
      if (count > 0) file().maintenance.wake();
      return count;
    },
  };
}

const SEARCHES: ReadonlySet<ItemStep["kind"]> = new Set(["search", "nearest", "count", "namespaces"]);

function isRead(step: ItemStep): boolean {
  return SEARCHES.has(step.kind) || (step.kind === "get" && !step.refreshTtl);
}

function* runStep(tx: Connection, tenant: number, step: ItemStep, now: number): Generator<void, ItemStepResult, void> {
  switch (step.kind) {
    case "put": {
      const item = putStored(findItem(tx, tenant, step.namespace, step.key), step, now);
      putItem(tx, tenant, item);
      // Each item that will expire takes two that have expired with it: they never become many.
      if (item.ttlMs !== null) sweepExpiredItems(tx, tenant, now, 2);
      return { kind: "put", item };
    }
    case "update": {
      const item = updateStored(findItem(tx, tenant, step.namespace, step.key), step, now);
      putItem(tx, tenant, item);
      if (item.ttlMs !== null) sweepExpiredItems(tx, tenant, now, 2);
      return { kind: "update", item };
    }
    case "get": {
      const stored = findItem(tx, tenant, step.namespace, step.key);
      if (stored === undefined || isItemExpired(stored, now)) return { kind: "get", item: undefined };
      const item = step.refreshTtl ? refreshStored(stored, now) : stored;
      if (item !== stored) putItem(tx, tenant, item);
      return { kind: "get", item };
    }
    case "delete": {
      const deleted = isDeletable(findItem(tx, tenant, step.namespace, step.key), step.expectedVersion, now);
      if (deleted) deleteItem(tx, tenant, step.namespace, step.key);
      return { kind: "delete", deleted };
    }
    case "search":
      return { kind: "search", rows: yield* runSearch(tx, itemSearch(tenant, step.listing, now)) };
    case "count":
      return { kind: "count", count: yield* runSearch(tx, itemCount(tenant, step.count, now)) };
    case "nearest":
      throw new UnsupportedError("the SQLite backend does not compare vectors");
    case "namespaces":
      return { kind: "namespaces", rows: yield* runSearch(tx, namespaceSearch(tenant, step.listing, now)) };
  }
}

function* runSearch<Page>(db: Connection, search: Search<Page>): Generator<void, Page, void> {
  while (!search.step(db)) yield;
  return search.page();
}

/** Steps that change nothing; each is a short read by itself. */
async function readSteps(file: OpenFile, call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]> {
  const [only] = steps;
  const now = file.now();
  if (steps.length === 1 && only?.kind === "get") {
    const { namespace, key } = only;
    const item = await file.read(call, (db, tenant) => findItem(db, tenant, namespace, key));
    return [{ kind: "get", item: item === undefined || isItemExpired(item, now) ? undefined : item }];
  }
  return file.scan(call, async (read, tenant) => {
    const results: ItemStepResult[] = [];
    for (const step of steps) {
      let pieces: Generator<void, ItemStepResult, void> | undefined;
      let piece: IteratorResult<void, ItemStepResult>;
      do {
        piece = await read((db) => {
          pieces ??= runStep(db, tenant, step, now);
          return pieces.next();
        });
      } while (!piece.done);
      results.push(piece.value);
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
