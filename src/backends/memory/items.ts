/** Items of the memory backend (M1-M3). */

import type { Call } from "../../domain/driver/call.js";
import type { ItemCount, ItemListing, ItemStep, ItemStepResult, NamespaceListing } from "../../domain/driver/items.js";
import type { ItemDriver } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredItem, StoredVectors } from "../../domain/driver/stored.js";
import { UpdatedValues, updatingStored } from "../../domain/item-changes.js";
import { ifMatching } from "../../domain/item-filter.js";
import { isAfter, isDeletable, isItemExpired, itemOrder, putStored, refreshStored } from "../../domain/items.js";
import { isLongMetadata } from "../../domain/metadata.js";
import { compareNamespaces, endsWithLabels, rootOf, startsWithLabels } from "../../domain/namespaces.js";
import { type ComparableVectors, comparableVectors } from "../../domain/nearest.js";
import { EACH_STEP, inSlices, runAtOnce, Slices } from "../../domain/slices.js";
import { assertDimensions } from "../../domain/vectors.js";
import { alone } from "./alone.js";
import { type ItemKey, type KeptItem, type NewItem, startOf } from "./kept-items.js";
import { nearestItems } from "./nearest-items.js";
import { FirstRows, LeastRows } from "./pages.js";
import type { MemoryStore, Tenant } from "./state.js";
import { enter } from "./state.js";

export function itemVerbs(store: MemoryStore): ItemDriver {
  return {
    async runItemSteps(call, steps) {
      const { tenant, now } = enter(store, call);
      const [only] = steps;
      if (steps.length === 1 && only !== undefined && !isSearch(only) && !isLongUpdate(tenant, only)) {
        return [runAtOnce(runStep(tenant, only, now, []))];
      }
      return alone(tenant, () => runSteps(call, tenant, steps, now));
    },

    async searchItems(call, listing) {
      const { tenant, now } = enter(store, call);
      const search = itemSearch(tenant, listing, now);
      await inSlices(call, search.rows, search.take, slicesFor(call, [listing]));
      return search.page();
    },

    async searchNearest(call, listing) {
      const { tenant, now } = enter(store, call);
      return nearestItems(tenant, listing, now, slicesFor(call, [listing]));
    },

    async countItems(call, count) {
      const { tenant, now } = enter(store, call);
      const search = itemCount(tenant, count, now);
      await inSlices(call, search.rows, search.take, slicesFor(call, [count]));
      return search.page();
    },

    async listNamespaces(call, listing) {
      const { tenant, now } = enter(store, call);
      const search = namespaceSearch(tenant, listing, now);
      await inSlices(call, search.rows, search.take);
      return search.page();
    },

    async deleteItems(call, prefix) {
      const { tenant, now } = enter(store, call);
      const removed = tenant.items.deleteBelow(prefix);
      const [root] = prefix;
      if (root !== undefined && prefix.length === 1) tenant.dimensions.delete(root);
      // They are gone already; counting them may take a while.
      let count = 0;
      const slices = new Slices(call);
      for (const rows of removed) {
        for (const item of rows) if (!isItemExpired(item, now)) count += 1;
        if (slices.over()) await slices.pause();
      }
      return count;
    },
  };
}

type SearchStep = Extract<ItemStep, { readonly kind: "search" | "nearest" | "count" | "namespaces" }>;

const SEARCHES: ReadonlySet<ItemStep["kind"]> = new Set<SearchStep["kind"]>([
  "search",
  "nearest",
  "count",
  "namespaces",
]);

function isSearch(step: ItemStep): step is SearchStep {
  return SEARCHES.has(step.kind);
}

/** A filter, and an update, reads values of up to a megabyte in one step each; other steps are short. */
function slicesFor(call: Call, searches: readonly Pick<ItemCount, "filter">[], updates = false): Slices {
  return updates || searches.some(({ filter }) => filter !== null)
    ? new Slices(call, EACH_STEP, true)
    : new Slices(call);
}

/** A batch, which takes effect when all of its steps are done. */
async function runSteps(
  call: Call,
  tenant: Tenant,
  steps: readonly ItemStep[],
  now: number,
): Promise<ItemStepResult[]> {
  call.sent = false;
  const searches = steps.flatMap((step) => {
    if (step.kind === "count") return [step.count];
    return step.kind === "search" || step.kind === "nearest" ? [step.listing] : [];
  });
  const updates = steps.some(({ kind }) => kind === "update");
  const slices = slicesFor(call, searches, updates);
  const undo: (() => void)[] = [];
  try {
    const results: ItemStepResult[] = [];
    const updated = new UpdatedValues();
    for (const step of steps) {
      const result = isSearch(step)
        ? await runSearch(call, tenant, step, now, slices)
        : await slices.run(runStep(tenant, step, now, undo));
      if (result.kind === "update") updated.add(result.item);
      results.push(result);
      if (slices.over()) await slices.next();
    }
    call.sent = true;
    return results;
  } catch (error) {
    for (const each of undo.reverse()) {
      each();
      if (slices.over()) await slices.pause();
    }
    throw error;
  }
}

/** Whether a step changes a value that is long, or becomes long. */
function isLongUpdate(tenant: Tenant, step: ItemStep): boolean {
  return step.kind === "update" && (step.mergesMuch || isLongMetadata(tenant.items.get(step)?.value ?? ""));
}

/** One step of a batch; how to take it back is added to `undo`. It pauses before it changes anything, and for a long value alone. */
function* runStep(
  tenant: Tenant,
  step: Exclude<ItemStep, SearchStep>,
  now: number,
  undo: (() => void)[],
): Generator<void, ItemStepResult, void> {
  switch (step.kind) {
    case "put": {
      const stored = tenant.items.get(step);
      assertFit(tenant, step, step.vectors);
      const item = { ...putStored(stored, step, now), vectors: keptVectors(step.vectors) };
      setItem(tenant, step, stored, item, undo);
      sweepSome(tenant, now);
      return { kind: "put", item };
    }
    case "update": {
      const stored = tenant.items.get(step);
      const vectors = step.vectors === "keep" ? null : step.vectors;
      assertFit(tenant, step, vectors);
      const before = stored === undefined || isItemExpired(stored, now) ? null : stored.vectors;
      const item = {
        ...(yield* updatingStored(stored, step, now)),
        vectors: step.vectors === "keep" ? before : keptVectors(vectors),
      };
      setItem(tenant, step, stored, item, undo);
      sweepSome(tenant, now);
      return { kind: "update", item };
    }
    case "get": {
      const stored = tenant.items.get(step);
      if (stored === undefined || isItemExpired(stored, now)) return { kind: "get", item: undefined };
      const item = step.refreshTtl ? refreshStored(stored, now) : stored;
      setItem(tenant, step, stored, item, undo);
      return { kind: "get", item };
    }
    case "delete": {
      const stored = tenant.items.get(step);
      const deleted = isDeletable(stored, step.expectedVersion, now);
      if (deleted) setItem(tenant, step, stored, undefined, undo);
      return { kind: "delete", deleted };
    }
  }
}

/** @throws InvalidArgumentError for vectors that do not fit those below their first label (M4) */
function assertFit(tenant: Tenant, place: ItemKey, vectors: StoredVectors | null): void {
  const root = rootOf(place);
  if (vectors !== null) assertDimensions(root, tenant.dimensions.get(root), vectors.dimensions);
}

function keptVectors(vectors: StoredVectors | null): ComparableVectors | null {
  return vectors === null ? null : comparableVectors(vectors);
}

function setItem(
  tenant: Tenant,
  place: ItemKey,
  from: KeptItem | undefined,
  to: NewItem | undefined,
  undo: (() => void)[],
): void {
  if (from === to) return;
  changeItem(tenant, place, to);
  undo.push(() => changeItem(tenant, place, from));
  const root = rootOf(place);
  if (to === undefined || to.vectors === null || tenant.dimensions.has(root)) return;
  tenant.dimensions.set(root, to.vectors.dimensions);
  undo.push(() => tenant.dimensions.delete(root));
}

function changeItem(tenant: Tenant, place: ItemKey, to: NewItem | undefined): void {
  if (to === undefined) tenant.items.delete(place);
  else tenant.items.put(to);
}

/** Rows are taken, one after the other, until `take` wants no more; then `page` is what the search gives. */
interface Search<Page> {
  readonly rows: Iterable<StoredItem>;
  take(item: StoredItem): boolean | Generator<void, boolean, void>;
  page(): Page;
}

async function runSearch(
  call: Call,
  tenant: Tenant,
  step: SearchStep,
  now: number,
  slices: Slices,
): Promise<ItemStepResult> {
  const run = async <Page>({ rows, take, page }: Search<Page>): Promise<Page> => {
    await inSlices(call, rows, take, slices);
    return page();
  };
  switch (step.kind) {
    case "search":
      return { kind: "search", rows: await run(itemSearch(tenant, step.listing, now)) };
    case "nearest":
      return { kind: "nearest", rows: await nearestItems(tenant, step.listing, now, slices) };
    case "count":
      return { kind: "count", count: await run(itemCount(tenant, step.count, now)) };
    case "namespaces":
      return { kind: "namespaces", rows: await run(namespaceSearch(tenant, step.listing, now)) };
  }
}

/** Reads what lies below the prefix, once; in the order of the items themselves it stops when the page is full. */
function itemSearch(tenant: Tenant, listing: ItemListing, now: number): Search<Rows<StoredItem>> {
  const { prefix, orderBy, direction, limit, offset, after } = listing;
  const inOrder = orderBy === "key" && direction === "asc";
  const page = inOrder
    ? new FirstRows<StoredItem>(offset + limit)
    : new LeastRows<StoredItem>(offset + limit, itemOrder(listing));
  return {
    rows: tenant.items.scan("asc", inOrder && after !== null ? after : startOf(prefix)),
    take: (item) => {
      if (!startsWithLabels(item.namespace, prefix)) return false;
      if (isItemExpired(item, now) || !isAfter(item, listing)) return true;
      return ifMatching(listing.filter, item.value, () => page.add(item));
    },
    page: () => {
      const { rows, more } = page.page();
      return { rows: rows.slice(offset), more };
    },
  };
}

function itemCount(tenant: Tenant, count: ItemCount, now: number): Search<number> {
  let found = 0;
  return {
    rows: tenant.items.scan("asc", startOf(count.prefix)),
    take: (item) => {
      if (!startsWithLabels(item.namespace, count.prefix)) return false;
      if (isItemExpired(item, now)) return true;
      return ifMatching(count.filter, item.value, () => {
        found += 1;
        return true;
      });
    },
    page: () => found,
  };
}

/** Namespaces come in their order, cut ones too, so that equal ones follow each other. */
function namespaceSearch(tenant: Tenant, listing: NamespaceListing, now: number): Search<Rows<string[]>> {
  const { prefix, suffix, maxDepth, limit, after } = listing;
  const page = new FirstRows<string[]>(limit);
  let last = after;
  const isListed = (item: StoredItem): boolean => !isItemExpired(item, now) && endsWithLabels(item.namespace, suffix);
  return {
    rows: tenant.items.scan("asc", startOf(after ?? prefix)),
    take: (item) => {
      if (!startsWithLabels(item.namespace, prefix)) return false;
      const namespace = item.namespace.slice(0, maxDepth ?? item.namespace.length);
      if ((last !== null && compareNamespaces(namespace, last) === 0) || !isListed(item)) return true;
      last = namespace;
      return page.add(namespace);
    },
    page: () => page.page(),
  };
}

/** Each put looks at the next two items of an endless round: expired ones never become many, and no call waits for all of them. */
function sweepSome(tenant: Tenant, now: number): void {
  for (let looks = 0; looks < 2; looks++) {
    const item = tenant.items.next(tenant.sweptTo);
    tenant.sweptTo = item ?? null;
    if (item !== undefined && isItemExpired(item, now)) tenant.items.delete(item);
  }
}
