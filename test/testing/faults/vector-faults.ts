// Faults of the vectors of items, and of searches by similarity.
import { InvalidArgumentError } from "../../../src/contract/errors.js";
import type { Call } from "../../../src/domain/driver/call.js";
import type { ItemStep, NearestListing, ScoredItem } from "../../../src/domain/driver/items.js";
import type { StorageDriver } from "../../../src/domain/driver/storage-driver.js";
import type { Rows, StoredVectors } from "../../../src/domain/driver/stored.js";
import { driverFault, type Fault, ofEveryTenant } from "./fault.js";

type Search = NonNullable<StorageDriver["searchNearest"]>;

/** A fault of a search, in a batch too. */
function nearestFault(
  name: string,
  promises: readonly string[],
  change: (
    search: Search,
    call: Call,
    listing: NearestListing,
    tenants: ReadonlySet<string>,
  ) => Promise<Rows<ScoredItem>>,
): Fault {
  return driverFault(name, promises, (driver, _clock, tenants) => ({
    searchNearest: (call, listing) => {
      if (driver.searchNearest === undefined) throw new TypeError("the driver has no search by similarity");
      return change(driver.searchNearest, call, listing, tenants);
    },
  }));
}

/** A fault of what the steps bring. */
function stepFault(name: string, promises: readonly string[], change: (step: ItemStep) => ItemStep): Fault {
  return driverFault(name, promises, (driver) => ({
    runItemSteps: (call, steps) => driver.runItemSteps(call, steps.map(change)),
  }));
}

export const VECTOR_FAULTS: readonly Fault[] = [
  nearestFault("every search by similarity takes the cosine", ["M5"], (search, call, listing) =>
    search(call, { ...listing, distance: "cosine" }),
  ),

  nearestFault("the Euclidean distance is not negated", ["M5"], async (search, call, listing) => {
    const found = await search(call, listing);
    if (listing.distance !== "euclidean") return found;
    return { ...found, rows: found.rows.map(({ item, score }) => ({ item, score: score === null ? null : -score })) };
  }),

  nearestFault("the filter chooses from the nearest alone", ["M5"], async (search, call, listing) => {
    const { rows, more } = await search(call, { ...listing, filter: null });
    const found = rows.filter(({ item }) => listing.filter?.matches(JSON.parse(item.value)) ?? true);
    return { rows: found, more };
  }),

  nearestFault("the prefix of a search by similarity is its first label", ["M5"], (search, call, listing) =>
    search(call, { ...listing, prefix: listing.prefix.slice(0, 1) }),
  ),

  nearestFault("equal scores stand in the order of their keys turned round", ["M5"], async (search, call, listing) => {
    const { rows, more } = await search(call, listing);
    const turned = rows.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0) || (a.item.key < b.item.key ? 1 : -1));
    return { rows: turned, more };
  }),

  nearestFault("a page of equal scores begins behind all of them", ["M5"], (search, call, listing) => {
    const { after } = listing;
    return search(call, { ...listing, after: after === null ? null : { ...after, namespace: ["\u{10FFFF}"] } });
  }),

  nearestFault("the last item of a page comes again on the next one", ["M5"], async (search, call, listing) => {
    const { after } = listing;
    if (after?.score == null) return search(call, listing);
    const all = await search(call, { ...listing, after: null, limit: 1_000 });
    const last = all.rows.findIndex(({ item }) => item.key === after.key);
    return { rows: all.rows.slice(last, last + listing.limit), more: all.rows.length > last + listing.limit };
  }),

  nearestFault("minScore is ignored", ["M5"], (search, call, listing) => search(call, { ...listing, minScore: null })),

  nearestFault("items without vectors always come last", ["M5"], (search, call, listing) =>
    search(call, { ...listing, unscored: listing.minScore === null }),
  ),

  stepFault("only the first vector of an item is kept", ["M5"], (step) =>
    step.kind === "put" ? { ...step, vectors: firstOf(step.vectors) } : step,
  ),

  stepFault("a put without vectors leaves the old ones", ["M4"], (step) =>
    step.kind === "put" && step.vectors === null && step.expectedVersion === null && step.ttlMs === null
      ? {
          ...step,
          kind: "update",
          merge: JSON.parse(step.value),
          mergesMuch: false,
          unset: [],
          increment: [],
          ifPresent: false,
          vectors: "keep",
        }
      : step,
  ),

  stepFault("updateItem removes the vectors", ["M4"], (step) =>
    step.kind === "update" ? { ...step, vectors: step.vectors === "keep" ? null : step.vectors } : step,
  ),

  driverFault("a compare-and-set writes its vectors after its value", ["M4"], (driver) => ({
    runItemSteps: async (call, steps) => {
      if (!steps.some((step) => step.kind === "update" && step.expectedVersion !== null)) {
        return driver.runItemSteps(call, steps);
      }
      const results = await driver.runItemSteps(
        call,
        steps.map((step) => (step.kind === "update" ? { ...step, vectors: "keep" } : step)),
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
      const later = steps.flatMap((step): ItemStep[] =>
        step.kind === "update" && step.vectors !== "keep"
          ? [{ ...step, merge: {}, unset: [], increment: [], ttlMs: null, expectedVersion: null }]
          : [],
      );
      if (later.length > 0) await driver.runItemSteps(call, later);
      return results;
    },
  })),

  driverFault("vectors of another dimension are cut to fit", ["M4"], (driver) => ({
    runItemSteps: async (call, steps) => {
      try {
        return await driver.runItemSteps(call, steps);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        const fit = steps.map((step) => (step.kind === "put" ? { ...step, vectors: cutTo(2, step.vectors) } : step));
        return driver.runItemSteps(call, fit);
      }
    },
  })),

  nearestFault("vectors are found for every tenant", ["I2"], async (search, call, listing, tenants) => {
    const rows = await ofEveryTenant(
      tenants,
      call,
      async (each) => (await search(each, { ...listing, prefix: [] })).rows,
    );
    return { rows: rows.slice(0, listing.limit), more: rows.length > listing.limit };
  }),

  stepFault("an item with vectors never runs out", ["M3"], (step) =>
    step.kind === "put" && step.vectors !== null ? { ...step, ttlMs: null } : step,
  ),

  driverFault("an export leaves the vectors out", ["P1"], (driver) => ({
    exportRecords: async function* (call, filter) {
      for await (const record of driver.exportRecords(call, filter)) {
        if (record.kind !== "item") yield record;
        else {
          const { vectors: _vectors, ...others } = record;
          yield others;
        }
      }
    },
  })),
];

function firstOf(vectors: StoredVectors | null): StoredVectors | null {
  return vectors === null ? null : { ...vectors, values: vectors.values.slice(0, vectors.dimensions) };
}

/** Each vector with zeros, or without its last numbers. */
function cutTo(dimensions: number, vectors: StoredVectors | null): StoredVectors | null {
  if (vectors === null) return null;
  const count = vectors.values.length / vectors.dimensions;
  const values = new Float32Array(count * dimensions);
  for (let i = 0; i < count; i++) {
    const from = i * vectors.dimensions;
    values.set(vectors.values.subarray(from, from + Math.min(dimensions, vectors.dimensions)), i * dimensions);
  }
  return { dimensions, values };
}
