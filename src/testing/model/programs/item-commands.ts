/** Commands on items. */
import type {
  ItemChange,
  ItemComparison,
  ItemFilter,
  ItemOperation,
  ItemQuery,
  NamespaceQuery,
  UpdateItemOptions,
} from "../../../contract/item-storage.js";
import type { JsonValue } from "../../../contract/json.js";
import type { Command } from "./command.js";
import { call } from "./command.js";
import type { Draw, Weighted } from "./draw.js";
import * as pool from "./pools.js";

type Put = Extract<ItemOperation, { put: unknown }>["put"];
type Query = Omit<ItemQuery, "cursor" | "signal" | "timeoutMs">;
type Update = Pick<UpdateItemOptions, "ttlMs" | "expectedVersion" | "ifPresent" | "vectors">;

export function itemCommands(draw: Draw, tenant: string, timed: boolean): Weighted<Command> {
  const namespace = pool.itemNamespace(draw);
  const key = pool.itemKey(draw);
  return [
    [
      15,
      () => {
        const { value, namespace: _namespace, key: _key, ...options } = put(draw, timed);
        return call(tenant, "putItem", namespace, key, value, options);
      },
    ],
    [5, () => call(tenant, "updateItem", namespace, key, change(draw), updateOptions(draw, timed))],
    [3, () => call(tenant, "getItem", namespace, key, refresh(draw, timed))],
    [
      3,
      () =>
        call(tenant, "deleteItem", namespace, key, draw.some({ expectedVersion: [40, () => draw.pick([1, 2, 3, 0])] })),
    ],
    [4, () => call(tenant, "batchItems", batch(draw, timed))],
    [7, () => call(tenant, "searchItems", pool.itemPrefix(draw), query(draw))],
    [
      2,
      () =>
        call(
          tenant,
          "countItems",
          pool.itemPrefix(draw),
          draw.some({ filter: [draw.cast.itemFilters ? 60 : 0, () => filter(draw)] }),
        ),
    ],
    [4, () => call(tenant, "listNamespaces", namespaceQuery(draw))],
    [1, () => call(tenant, "deleteItems", namespace)],
  ];
}

function put(draw: Draw, timed: boolean): Put {
  return {
    namespace: pool.itemNamespace(draw),
    key: pool.itemKey(draw),
    value: pool.itemValue(draw),
    ...draw.some({
      ttlMs: [timed ? draw.cast.mortality : 0, () => pool.ttlMs(draw)],
      expectedVersion: [20, () => draw.below(3)],
      ...vectors(draw, 50),
    }),
    // Not both: they would be two words for one condition.
    ...(draw.chance(15) ? { ifAbsent: true, expectedVersion: undefined } : {}),
  };
}

/** Keys are drawn apart: one that stood in two parts would be a malformed change. */
function change(draw: Draw): ItemChange {
  const keys = [...new Set(draw.list(1, 3, () => pool.metadataKey(draw)))];
  const part = new Map(keys.map((key) => [key, draw.pick(["merge", "unset", "increment"])]));
  const of = (wanted: string): string[] => keys.filter((key) => part.get(key) === wanted);
  return {
    merge: Object.fromEntries(of("merge").map((key) => [key, pool.jsonValue(draw)])),
    unset: of("unset"),
    increment: Object.fromEntries(of("increment").map((key) => [key, draw.pick([1, -1, 0.5])])),
  };
}

function updateOptions(draw: Draw, timed: boolean): Update {
  return draw.some<Update>({
    ttlMs: [timed ? draw.cast.mortality / 2 : 0, () => pool.ttlMs(draw)],
    expectedVersion: [15, () => 1 + draw.below(3)],
    ifPresent: [30, () => true],
    ...vectors(draw, 20),
  });
}

/** For stores that keep them. */
function vectors(draw: Draw, percent: number): { vectors: readonly [percent: number, draw: () => number[][]] } {
  const all = (): number[][] => {
    const [first, ...rest] = draw.list(0, 2, () => pool.vector(draw));
    // Vectors of one item that differ in their dimension would be malformed.
    return first === undefined ? [] : [first, ...rest.filter(({ length }) => length === first.length)];
  };
  return { vectors: [draw.cast.vectors ? percent : 0, all] };
}

function refresh(draw: Draw, timed: boolean): { refreshTtl?: boolean } {
  return draw.some({ refreshTtl: [timed ? 40 : 0, () => true] });
}

function batch(draw: Draw, timed: boolean): ItemOperation[] {
  const steps = draw.list(0, 4, () => step(draw, timed));
  return draw.cast.batchesAcrossLabels ? steps : belowOneLabel(steps);
}

/** The steps that stay below the first label of the first one. */
function belowOneLabel(steps: readonly ItemOperation[]): ItemOperation[] {
  const roots = steps.map((each) => {
    const [step] = Object.values(each) as {
      readonly namespace?: readonly string[];
      readonly prefix?: readonly string[];
    }[];
    return (step?.namespace ?? step?.prefix ?? [])[0];
  });
  const root = roots.find((each) => each !== undefined);
  return steps.filter((_, i) => roots[i] !== undefined && roots[i] === root);
}

function step(draw: Draw, timed: boolean): ItemOperation {
  const place = { namespace: pool.itemNamespace(draw), key: pool.itemKey(draw) };
  return draw.weighted<ItemOperation>([
    [4, () => ({ put: put(draw, timed) })],
    [2, () => ({ update: { ...place, ...change(draw), ...updateOptions(draw, timed) } })],
    [2, () => ({ get: { ...place, ...refresh(draw, timed) } })],
    [2, () => ({ delete: { ...place, ...draw.some({ expectedVersion: [30, () => 1 + draw.below(3)] }) } })],
    [1, () => ({ search: { prefix: pool.itemPrefix(draw), ...query(draw) } })],
    [
      1,
      () => ({
        count: {
          prefix: pool.itemPrefix(draw),
          ...draw.some({ filter: [draw.cast.itemFilters ? 60 : 0, () => filter(draw)] }),
        },
      }),
    ],
    [1, () => ({ listNamespaces: namespaceQuery(draw) })],
  ]);
}

function query(draw: Draw): Query {
  if (draw.cast.vectors && draw.chance(40)) return nearestQuery(draw);
  return draw.some<Query>({
    filter: [draw.cast.itemFilters ? 35 : 0, () => filter(draw)],
    orderBy: [60, () => draw.pick(["key", "createdAt", "updatedAt"])],
    direction: [40, () => draw.pick(["asc", "desc"])],
    limit: [50, () => 1 + draw.below(3)],
    offset: [20, () => draw.below(3)],
    similarTo: [0, () => undefined],
  });
}

function nearestQuery(draw: Draw): Query {
  const bound = draw.pick(["none", "minScore", "withoutVectors"]);
  return {
    similarTo: {
      vector: pool.vector(draw),
      ...draw.some({ distance: [60, () => draw.pick(["cosine", "dot", "euclidean"] as const)] }),
      ...(bound === "minScore" ? { minScore: draw.pick([-1, 0, 1]) } : {}),
      ...(bound === "withoutVectors" ? { withoutVectors: "last" } : {}),
    },
    ...draw.some({
      filter: [draw.cast.itemFilters ? 35 : 0, () => filter(draw)],
      limit: [50, () => 1 + draw.below(3)],
      offset: [20, () => draw.below(3)],
    }),
  };
}

function filter(draw: Draw): ItemFilter {
  const conditions = draw.list(1, 2, () => [
    pool.metadataKey(draw),
    draw.chance(75) ? comparison(draw) : pool.scalar(draw),
  ]);
  return Object.fromEntries(conditions) as ItemFilter;
}

function comparison(draw: Draw): ItemComparison {
  const json = (): JsonValue => pool.jsonValue(draw);
  const ordered = (): string | number => draw.pick([1, 2, "1", "", 1.5, "\u{1F600}", "\uFF5E"]);
  const several = (): ItemComparison => ({ $gte: ordered(), $ne: json() });
  return draw.weighted<ItemComparison>([
    [1, () => ({ $eq: json() })],
    [1, () => ({ $ne: json() })],
    [1, () => ({ $gt: ordered() })],
    [1, () => ({ $gte: ordered() })],
    [1, () => ({ $lt: ordered() })],
    [1, () => ({ $lte: ordered() })],
    [1, () => ({ $in: draw.list(0, 2, json) })],
    [1, () => ({ $nin: draw.list(0, 2, json) })],
    [1, () => ({ $exists: draw.chance(50) })],
    [1, several],
  ]);
}

function namespaceQuery(draw: Draw): Omit<NamespaceQuery, "cursor" | "signal" | "timeoutMs"> {
  return draw.some<Omit<NamespaceQuery, "cursor" | "signal" | "timeoutMs">>({
    prefix: [40, () => pool.itemPrefix(draw)],
    suffix: [25, () => pool.itemNamespace(draw).slice(-1)],
    maxDepth: [40, () => 1 + draw.below(2)],
    limit: [50, () => 1 + draw.below(3)],
  });
}
