/** Items over shards (M1-M3, M6): those below one first label are in one shard; what begins above asks all of them. */
import { UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import type { ItemStep, ItemStepResult, NamespaceListing } from "../../../domain/driver/items.js";
import type { ItemDriver } from "../../../domain/driver/storage-driver.js";
import type { Rows, StoredItem } from "../../../domain/driver/stored.js";
import { itemOrder, itemPosition } from "../../../domain/items.js";
import { compareNamespaces } from "../../../domain/namespaces.js";
import { isWrite } from "../items.js";
import { mergePages } from "./merge.js";
import type { Shards } from "./shards.js";

export function shardedItemVerbs(shards: Shards, inner: ItemDriver): ItemDriver {
  /** The call to the one shard of a prefix; `undefined` above the first labels. */
  const below = (call: Call, [root]: readonly string[]): Call | undefined =>
    root === undefined ? undefined : shards.to(call, root);

  const verbs: ItemDriver = {
    async runItemSteps(call, steps) {
      assertOneLabel(steps);
      const byRoot = new Map<string | undefined, number[]>();
      for (const [at, step] of steps.entries()) {
        const root = rootOf(step);
        byRoot.set(root, [...(byRoot.get(root) ?? []), at]);
      }
      const results: ItemStepResult[] = [];
      // What writes goes first: if it is refused, all is.
      const groups = [...byRoot].sort(([, a], [, b]) => writes(steps, b) - writes(steps, a));
      for (const [root, places] of groups) {
        if (root === undefined) {
          for (const at of places) results[at] = await readAll(call, steps[at] as ItemStep);
          continue;
        }
        const found = await inner.runItemSteps(
          shards.to(call, root),
          places.map((at) => steps[at] as ItemStep),
        );
        for (const [i, at] of places.entries()) results[at] = found[i] as ItemStepResult;
      }
      return results;
    },

    async searchItems(call, listing) {
      const one = below(call, listing.prefix);
      if (one !== undefined) return inner.searchItems(one, listing);
      const { offset, limit, orderBy } = listing;
      const sources = shards.all(call).map((each) => (last: StoredItem | null, step: number) => {
        const after = last === null ? listing.after : itemPosition(last, orderBy);
        return inner.searchItems(each, { ...listing, offset: 0, limit: step, after });
      });
      const { rows, more } = await mergePages(sources, itemOrder(listing), offset + limit);
      return { rows: rows.slice(offset), more };
    },

    async countItems(call, count) {
      const one = below(call, count.prefix);
      if (one !== undefined) return inner.countItems(one, count);
      return sum(await shards.ask(call, (each) => inner.countItems(each, count)));
    },

    listNamespaces(call, listing) {
      const one = below(call, listing.prefix);
      return one === undefined ? listAllNamespaces(shards, inner, call, listing) : inner.listNamespaces(one, listing);
    },

    async deleteItems(call, prefix) {
      const one = below(call, prefix);
      if (one !== undefined) return inner.deleteItems(one, prefix);
      return sum(await shards.walk(call, (each) => inner.deleteItems(each, prefix)));
    },
  };

  const readAll = async (call: Call, step: ItemStep): Promise<ItemStepResult> => {
    switch (step.kind) {
      case "search":
        return { kind: "search", rows: await verbs.searchItems(call, step.listing) };
      case "count":
        return { kind: "count", count: await verbs.countItems(call, step.count) };
      case "namespaces":
        return { kind: "namespaces", rows: await verbs.listNamespaces(call, step.listing) };
      default:
        throw new UnsupportedError("the Redis backend does not compare vectors");
    }
  };
  return verbs;
}

/** Cut or whole, a namespace is in one shard: shards give different ones. */
function listAllNamespaces(
  shards: Shards,
  inner: ItemDriver,
  call: Call,
  listing: NamespaceListing,
): Promise<Rows<string[]>> {
  const sources = shards
    .all(call)
    .map(
      (each) => (last: string[] | null, step: number) =>
        inner.listNamespaces(each, { ...listing, limit: step, after: last ?? listing.after }),
    );
  return mergePages(sources, compareNamespaces, listing.limit);
}

/** The first label below which a step is; `undefined` for one that begins above. */
function rootOf(step: ItemStep): string | undefined {
  if ("namespace" in step) return step.namespace[0];
  return step.kind === "count" ? step.count.prefix[0] : step.listing.prefix[0];
}

function writes(steps: readonly ItemStep[], places: readonly number[]): number {
  return places.some((at) => isWrite(steps[at] as ItemStep)) ? 1 : 0;
}

/** @throws UnsupportedError for a batch that could not be one step */
function assertOneLabel(steps: readonly ItemStep[]): void {
  const written = new Set(steps.filter(isWrite).map(rootOf));
  const aboveAll = steps.some((step) => rootOf(step) === undefined);
  if (written.size > 1 || (written.size === 1 && aboveAll)) {
    throw new UnsupportedError(
      "a batch that writes stays below one first label of namespaces where a tenant is spread over shards",
    );
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
