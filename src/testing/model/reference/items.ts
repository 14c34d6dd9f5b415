/** Items in the reference model (M1-M3). */
import type { Page } from "../../../contract/call.js";
import type {
  Item,
  ItemChange,
  ItemOperation,
  ItemQuery,
  ItemResult,
  NamespaceQuery,
  Similarity,
  Vector,
  VectorDistance,
} from "../../../contract/item-storage.js";
import type { JsonObject } from "../../../contract/json.js";
import type { ModelVerbs } from "../verbs.js";
import { matchesFilter } from "./item-filter.js";
import { pageAfter } from "./pages.js";
import type { ModelItem, TenantState } from "./state.js";
import { byCodePoint, copy, Refusal } from "./state.js";

type Place = Pick<ModelItem, "namespace" | "key" | "createdAt" | "updatedAt">;

type ItemVerbs = ModelVerbs<
  | "putItem"
  | "updateItem"
  | "getItem"
  | "deleteItem"
  | "batchItems"
  | "searchItems"
  | "countItems"
  | "listNamespaces"
  | "deleteItems"
>;

export function itemVerbs(state: TenantState): ItemVerbs {
  const verbs: ItemVerbs = {
    putItem(namespace, key, value, { ttlMs, expectedVersion, ifAbsent = false, vectors = [] } = {}) {
      const now = state.now();
      const kept = fitting(state, namespace, vectors);
      const stored = state.items.get(itemKey(namespace, key));
      const expected = ifAbsent ? 0 : expectedVersion;
      if (expected !== undefined && expected !== (stored?.version ?? 0)) throw new Refusal("CONFLICT");
      const item: ModelItem = {
        namespace: [...namespace],
        key,
        value: copy(value),
        version: (stored?.version ?? 0) + 1,
        createdAt: stored?.createdAt ?? now,
        updatedAt: Math.max(stored?.updatedAt ?? now, now),
        ttlMs,
        expiresAt: ttlMs === undefined ? undefined : now + ttlMs,
        vectors: kept,
      };
      declareDimension(state, item);
      state.items.set(itemKey(namespace, key), item);
      return present(item);
    },

    updateItem(namespace, key, change, { ttlMs, expectedVersion, ifPresent = false, vectors } = {}) {
      const now = state.now();
      const brought = fitting(state, namespace, vectors ?? []);
      const stored = state.items.get(itemKey(namespace, key));
      const expected = expectedVersion ?? stored?.version ?? 0;
      if ((stored === undefined && ifPresent) || expected !== (stored?.version ?? 0)) throw new Refusal("CONFLICT");
      const item: ModelItem = {
        namespace: [...namespace],
        key,
        value: changed(stored?.value ?? {}, change),
        version: (stored?.version ?? 0) + 1,
        createdAt: stored?.createdAt ?? now,
        updatedAt: Math.max(stored?.updatedAt ?? now, now),
        ttlMs: ttlMs ?? stored?.ttlMs,
        expiresAt: ttlMs === undefined ? stored?.expiresAt : now + ttlMs,
        vectors: vectors === undefined ? (stored?.vectors ?? []) : brought,
      };
      declareDimension(state, item);
      state.items.set(itemKey(namespace, key), item);
      return present(item);
    },

    getItem(namespace, key, { refreshTtl = false } = {}) {
      const stored = state.items.get(itemKey(namespace, key));
      if (stored === undefined) return undefined;
      if (!refreshTtl || stored.ttlMs === undefined) return present(stored);
      const refreshed = { ...stored, expiresAt: state.now() + stored.ttlMs };
      state.items.set(itemKey(namespace, key), refreshed);
      return present(refreshed);
    },

    deleteItem(namespace, key, { expectedVersion } = {}) {
      const stored = state.items.get(itemKey(namespace, key));
      if (expectedVersion !== undefined && expectedVersion !== (stored?.version ?? 0)) throw new Refusal("CONFLICT");
      return state.items.delete(itemKey(namespace, key));
    },

    batchItems(operations) {
      const before = new Map(state.items);
      const dimensions = new Map(state.dimensions);
      try {
        return operations.map((operation) => runStep(verbs, operation));
      } catch (error) {
        state.items = before;
        state.dimensions = dimensions;
        throw error;
      }
    },

    searchItems(prefix, query = {}) {
      const { filter = {}, orderBy = "updatedAt", limit = 10, offset = 0, cursor } = query;
      if (query.similarTo !== undefined) return nearest(state, prefix, query, query.similarTo);
      const sign = (query.direction ?? (orderBy === "key" ? "asc" : "desc")) === "asc" ? 1 : -1;
      const found = [...state.items.values()].filter(
        (item) => startsWith(item.namespace, prefix) && matchesFilter(item.value, filter),
      );
      const byTime = (a: Place, b: Place): number => (orderBy === "key" ? 0 : a[orderBy] - b[orderBy]);
      return pageAfter<Place, ModelItem, Item>(found, {
        compare: (a, b) => sign * (byTime(a, b) || byLabels(a.namespace, b.namespace) || byCodePoint(a.key, b.key)),
        place: ({ namespace, key, createdAt, updatedAt }) => ({ namespace, key, createdAt, updatedAt }),
        present,
        limit,
        offset,
        cursor,
      });
    },

    countItems(prefix, { filter = {} } = {}) {
      const found = [...state.items.values()].filter(
        (item) => startsWith(item.namespace, prefix) && matchesFilter(item.value, filter),
      );
      return found.length;
    },

    listNamespaces(query = {}) {
      return pageOfNamespaces(
        [...state.items.values()].map((item) => item.namespace),
        query,
      );
    },

    deleteItems(prefix) {
      const found = [...state.items].filter(([, item]) => startsWith(item.namespace, prefix));
      for (const [key] of found) state.items.delete(key);
      if (prefix.length === 1) state.dimensions.delete(rootOf(prefix));
      return found.length;
    },
  };
  return verbs;
}

/** Of a search by similarity: an item without vectors stands below every score (M5). */
interface ScoredPlace {
  readonly score: number;
  readonly namespace: readonly string[];
  readonly key: string;
}

function nearest(
  state: TenantState,
  prefix: readonly string[],
  { filter = {}, limit = 10, offset = 0, cursor }: ItemQuery,
  { vector, distance = "cosine", minScore, withoutVectors = "omit" }: Similarity,
): Page<Item> {
  if (prefix.length > 0) fitting(state, prefix, [vector]);
  const found = [...state.items.values()]
    .filter((item) => startsWith(item.namespace, prefix) && matchesFilter(item.value, filter))
    .filter(({ vectors: [first] }) =>
      first === undefined ? withoutVectors === "last" : first.length === vector.length,
    )
    .map((item) => ({
      ...item,
      score: Math.max(UNSCORED, ...item.vectors.map((each) => scoreOf([...vector], each, distance))),
    }))
    .filter(({ score }) => minScore === undefined || score >= minScore);
  return pageAfter<ScoredPlace, ScoredPlace & ModelItem, Item>(found, {
    compare: (a, b) => b.score - a.score || byLabels(a.namespace, b.namespace) || byCodePoint(a.key, b.key),
    place: ({ score, namespace, key }) => ({ score, namespace, key }),
    present: (item) => ({ ...present(item), ...(item.score === UNSCORED ? {} : { score: item.score }) }),
    limit,
    offset,
    cursor,
  });
}

/** Less than any score, and still a number that a cursor can hold. */
const UNSCORED = -Number.MAX_VALUE;

function scoreOf(a: readonly number[], b: readonly number[], distance: VectorDistance): number {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
  const dot = sum(a.map((each, i) => each * (b[i] as number)));
  if (distance === "dot") return dot + 0;
  if (distance === "euclidean") return 0 - Math.sqrt(sum(a.map((each, i) => (each - (b[i] as number)) ** 2)));
  const lengths = Math.sqrt(sum(a.map((each) => each ** 2))) * Math.sqrt(sum(b.map((each) => each ** 2)));
  return lengths === 0 ? 0 : dot / lengths + 0;
}

/** One dimension below a first label (M4). */
function fitting(
  state: TenantState,
  namespace: readonly string[],
  vectors: readonly Vector[],
): readonly (readonly number[])[] {
  const fixed = state.dimensions.get(rootOf(namespace));
  for (const vector of vectors) {
    if (fixed !== undefined && vector.length !== fixed) throw new Refusal("INVALID_ARGUMENT");
  }
  return vectors.map((vector) => Array.from(vector, Math.fround));
}

function declareDimension(state: TenantState, item: ModelItem): void {
  for (const [root, dimension] of dimensionsOf([item])) state.dimensions.set(root, dimension);
}

/** What the vectors of these items have declared. */
export function dimensionsOf(items: Iterable<ModelItem>): Map<string, number> {
  const dimensions = new Map<string, number>();
  for (const { namespace, vectors } of items) {
    if (vectors[0] !== undefined) dimensions.set(rootOf(namespace), vectors[0].length);
  }
  return dimensions;
}

function rootOf(namespace: readonly string[]): string {
  return namespace[0] as string;
}

function runStep(verbs: ItemVerbs, operation: ItemOperation): ItemResult {
  if ("put" in operation) {
    const { namespace, key, value, ...options } = operation.put;
    return verbs.putItem(namespace, key, value, options);
  }
  if ("update" in operation) {
    const { namespace, key, merge, unset, increment, ...options } = operation.update;
    return verbs.updateItem(namespace, key, { merge, unset, increment }, options);
  }
  if ("get" in operation) {
    const { namespace, key, ...options } = operation.get;
    return verbs.getItem(namespace, key, options);
  }
  if ("delete" in operation) {
    const { namespace, key, ...options } = operation.delete;
    return verbs.deleteItem(namespace, key, options);
  }
  if ("search" in operation) {
    const { prefix, ...query }: { prefix: readonly string[] } & ItemQuery = operation.search;
    return verbs.searchItems(prefix, query);
  }
  if ("count" in operation) {
    const { prefix, ...options } = operation.count;
    return verbs.countItems(prefix, options);
  }
  return verbs.listNamespaces(operation.listNamespaces);
}

function pageOfNamespaces(namespaces: readonly (readonly string[])[], query: NamespaceQuery): Page<string[]> {
  const { prefix = [], suffix = [], maxDepth, limit = 100, cursor } = query;
  const cut = namespaces
    .filter((namespace) => startsWith(namespace, prefix) && startsWith(namespace.toReversed(), suffix.toReversed()))
    .map((namespace) => namespace.slice(0, maxDepth));
  const distinct = new Map(cut.map((namespace) => [JSON.stringify(namespace), namespace]));
  return pageAfter<readonly string[], readonly string[], string[]>([...distinct.values()], {
    compare: byLabels,
    place: (namespace) => namespace,
    present: (namespace) => [...namespace],
    limit,
    cursor,
  });
}

function changed(value: JsonObject, { merge = {}, unset = [], increment = {} }: ItemChange): JsonObject {
  const entries = new Map(Object.entries({ ...value, ...copy(merge) }));
  for (const key of unset) entries.delete(key);
  for (const [key, by] of Object.entries(increment)) {
    const before = entries.has(key) ? entries.get(key) : 0;
    if (typeof before !== "number") throw new Refusal("CONFLICT");
    entries.set(key, before + by);
  }
  return Object.fromEntries(entries);
}

function itemKey(namespace: readonly string[], key: string): string {
  return JSON.stringify([namespace, key]);
}

/** Whole labels only (M1). */
function startsWith(namespace: readonly string[], prefix: readonly string[]): boolean {
  return prefix.every((label, i) => namespace[i] === label);
}

/** A prefix stands before what it begins. */
function byLabels(a: readonly string[], b: readonly string[]): number {
  const differing = a.findIndex((label, i) => label !== b[i]);
  const [x, y] = [a[differing], b[differing]];
  return x === undefined || y === undefined ? a.length - b.length : byCodePoint(x, y);
}

function present({ namespace, key, value, version, createdAt, updatedAt, expiresAt }: ModelItem): Item {
  return {
    namespace: [...namespace],
    key,
    value: copy(value),
    version,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
  };
}
