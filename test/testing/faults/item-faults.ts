// Faults of items.
import type { JsonObject } from "../../../src/contract/json.js";
import type { ItemListing, ItemStepResult } from "../../../src/domain/driver/items.js";
import type { Rows, StoredItem } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, ofEveryTenant, storageFault } from "./fault.js";

export const ITEM_FAULTS: readonly Fault[] = [
  driverFault("a namespace prefix is compared as text", ["M1"], (driver) => ({
    searchItems: async (call, listing): Promise<Rows<StoredItem>> => {
      const { rows } = await driver.searchItems(call, { ...listing, prefix: [], limit: 10_000 });
      const found = rows.filter(({ namespace }) => namespace.join("/").startsWith(listing.prefix.join("/")));
      return { rows: found.slice(0, listing.limit), more: found.length > listing.limit };
    },
  })),

  driverFault("deleteItems deletes every item whose first label is the prefix's", ["M1"], (driver) => ({
    deleteItems: (call, prefix) => driver.deleteItems(call, prefix.slice(0, 1)),
  })),

  driverFault("deleting an absent item takes any expected version", ["M1"], (driver) => ({
    runItemSteps: async (call, steps) => {
      const lenient = steps.map(async (step) => {
        if (step.kind !== "delete" || step.expectedVersion === null) return step;
        const { namespace, key } = step;
        const [found] = await driver.runItemSteps(call, [{ kind: "get", namespace, key, refreshTtl: false }]);
        const isThere = found?.kind === "get" && found.item !== undefined;
        return isThere ? step : { ...step, expectedVersion: null };
      });
      return driver.runItemSteps(call, await Promise.all(lenient));
    },
  })),

  driverFault("a namespace suffix is ignored", ["M1"], (driver) => ({
    listNamespaces: (call, listing) => driver.listNamespaces(call, { ...listing, suffix: [] }),
  })),

  driverFault("searchItems ignores the filter", ["M2"], (driver) => ({
    searchItems: (call, listing) => driver.searchItems(call, { ...listing, filter: null }),
  })),

  driverFault("an item without the key matches $eq null", ["M2"], (driver) => ({
    searchItems: (call, listing) => driver.searchItems(call, { ...listing, filter: withNulls(listing.filter) }),
  })),

  driverFault("an item that has run out is still found", ["M3"], (driver) => ({
    runItemSteps: (call, steps) =>
      driver.runItemSteps(
        call,
        steps.map((step) => (step.kind === "put" ? { ...step, ttlMs: null } : step)),
      ),
  })),

  driverFault("every read refreshes an item", ["M3"], (driver) => ({
    runItemSteps: (call, steps) =>
      driver.runItemSteps(
        call,
        steps.map((step) => (step.kind === "get" ? { ...step, refreshTtl: true } : step)),
      ),
  })),

  driverFault("a batch of items is carried out step by step", ["M3"], (driver) => ({
    runItemSteps: async (call, steps) => {
      const results: ItemStepResult[] = [];
      for (const step of steps) results.push(...(await driver.runItemSteps(call, [step])));
      return results;
    },
  })),

  driverFault("the reads of a batch come before its writes", ["M3"], (driver) => ({
    runItemSteps: async (call, steps) => {
      const reads = await driver.runItemSteps(
        call,
        steps.map((step) => (step.kind === "get" ? step : NOTHING)),
      );
      const all = await driver.runItemSteps(call, steps);
      return all.map((result, i) => (result.kind === "get" ? (reads[i] ?? result) : result));
    },
  })),

  storageFault("expectedVersion of an item is ignored", ["M1", "M2", "M3"], (storage) => ({
    putItem: (namespace, key, value, { expectedVersion: _ignored, ...options } = {}) =>
      storage.putItem(namespace, key, value, options),
  })),

  storageFault("ifAbsent is ignored", ["M1", "M2", "M3"], (storage) => ({
    putItem: (namespace, key, value, { ifAbsent: _ignored, ...options } = {}) =>
      storage.putItem(namespace, key, value, options),
  })),

  driverFault("items are found for every tenant", ["I2"], (driver, _clock, tenants) => ({
    searchItems: async (call, listing) => {
      const rows = await ofEveryTenant(tenants, call, async (each) => (await driver.searchItems(each, listing)).rows);
      return { rows: rows.slice(0, listing.limit), more: rows.length > listing.limit };
    },
  })),

  storageFault("updateItem replaces the whole value", ["M6"], (storage) => ({
    updateItem: (namespace, key, { merge = {} }, options) => storage.putItem(namespace, key, merge, options),
  })),

  driverFault("updateItem starts the time to live anew", ["M6"], (driver) => ({
    runItemSteps: async (call, steps) => {
      const results = await driver.runItemSteps(call, steps);
      const refreshed = steps.flatMap((step) =>
        step.kind === "update" ? [{ ...step, kind: "get", refreshTtl: true } as const] : [],
      );
      if (refreshed.length === 0) return results;
      const [item] = await driver.runItemSteps(call, refreshed);
      return results.map((each) =>
        each.kind === "update" && item?.kind === "get" && item.item ? { ...each, item: item.item } : each,
      );
    },
  })),

  driverFault("countItems counts what the filter leaves out", ["M2"], (driver) => ({
    countItems: (call, count) => driver.countItems(call, { ...count, filter: null }),
  })),

  driverFault("offset is ignored", ["M1"], (driver) => ({
    searchItems: (call, listing) => driver.searchItems(call, { ...listing, offset: 0 }),
  })),

  driverFault("a page of items begins with the last one of the page before", ["M1", "M2", "M3"], (driver) => ({
    searchItems: async (call, listing) => {
      const { rows } = await driver.searchItems(call, { ...listing, after: null, limit: 10_000 });
      const { after } = listing;
      const from = after === null ? 0 : rows.findIndex((each) => each.key === after.key);
      return { rows: rows.slice(from, from + listing.limit), more: rows.length > from + listing.limit };
    },
  })),
];

const NOTHING = { kind: "get", namespace: ["nothing"], key: "nothing", refreshTtl: false } as const;

function withNulls(filter: ItemListing["filter"]): ItemListing["filter"] {
  if (filter === null) return null;
  const asked = Object.fromEntries(filter.conditions.map(({ key }) => [key, null]));
  const matches = (value: JsonObject): boolean => filter.matches({ ...asked, ...value });
  return {
    ...filter,
    matches,
    matchesText: (text) => matches(JSON.parse(text) as JsonObject),
    matching: (text) => matches(JSON.parse(text) as JsonObject),
  };
}
