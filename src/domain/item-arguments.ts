/** Items: what callers may put, get, delete and look for (M1-M3). */
import { InvalidArgumentError } from "../contract/errors.js";
import type {
  CountItemsOptions,
  DeleteItemOptions,
  GetItemOptions,
  ItemChange,
  ItemOperation,
  ItemQuery,
  NamespaceQuery,
  PutItemOptions,
  UpdateItemOptions,
} from "../contract/item-storage.js";
import type { JsonObject } from "../contract/json.js";
import { boolean, finiteNumber, integer, knownFields, MAX_PAGE_LIMIT, oneOf, ttl } from "./arguments.js";
import { decodeCursor, notACursor, queryDigest } from "./cursors.js";
import type { ItemCount, ItemListing, ItemStep, NamespaceListing, NearestListing } from "./driver/items.js";
import { identifier } from "./identifiers.js";
import { Intake } from "./intake.js";
import { CHANGE_FIELDS, parseChange, type TakeMerge } from "./item-changes.js";
import { compileItemFilter } from "./item-filter.js";
import { MAX_NAMESPACE_LABELS, parseNamespace } from "./namespaces.js";
import { parseVector, parseVectors } from "./vectors.js";

/** Most items that `offset` passes over: each of them is looked at for every page. */
export const MAX_OFFSET = 100_000;

export const PUT_FIELDS = ["ttlMs", "expectedVersion", "ifAbsent", "vectors"] as const;
export const UPDATE_FIELDS = ["ttlMs", "expectedVersion", "ifPresent", "vectors"] as const;
export const GET_FIELDS = ["refreshTtl"] as const;
export const DELETE_FIELDS = ["expectedVersion"] as const;
export const SEARCH_FIELDS = ["filter", "similarTo", "orderBy", "direction", "limit", "offset", "cursor"] as const;
export const COUNT_FIELDS = ["filter"] as const;
const SIMILARITY_FIELDS = ["vector", "distance", "minScore", "withoutVectors"] as const;
export const NAMESPACE_FIELDS = ["prefix", "suffix", "maxDepth", "limit", "cursor"] as const;

type Step<Kind extends ItemStep["kind"]> = Extract<ItemStep, { readonly kind: Kind }>;

/** A listing with the digest that its cursors carry. */
export interface Digested<Listing> {
  readonly listing: Listing;
  readonly digest: string;
}

/** A step to run; a listing brings the digest for the cursor of the page that comes of it. */
export type ParsedStep<Value = string, Merge = JsonObject> =
  | ParsedPut<Value>
  | ParsedUpdate<Merge>
  | Step<"get" | "delete" | "count">
  | (Step<"search" | "nearest" | "namespaces"> & { readonly digest: string });

/** A put whose value is encoded as `Value`. */
export type ParsedPut<Value = string> = Omit<Step<"put">, "value"> & { readonly value: Value };

/** An update whose change is read as `Merge`. */
export type ParsedUpdate<Merge = JsonObject> = Omit<Step<"update">, "merge"> & { readonly merge: Merge };

/** Encodes the value of an item. @throws InvalidArgumentError */
export type EncodeValue<Value> = (value: unknown, name: string, intake?: Intake) => Value;

/** A search by the order of items, or by similarity. */
export type ParsedSearch = Extract<ParsedStep, { readonly kind: "search" | "nearest" }>;

/** `prefix` leads the names in errors: `""`, or the place of an operation in a batch. */
export function parsePut<Value = string>(
  namespace: unknown,
  key: unknown,
  value: unknown,
  options: Partial<PutItemOptions>,
  encode: EncodeValue<Value>,
  prefix = "",
  intake: Intake = new Intake(),
): ParsedPut<Value> {
  const { ttlMs, expectedVersion, ifAbsent } = options;
  const absent = ifAbsent !== undefined && boolean(ifAbsent, `${prefix}ifAbsent`);
  const version = itemVersion(expectedVersion, prefix);
  if (absent && version !== null && version !== 0) {
    throw new InvalidArgumentError(`${prefix}ifAbsent contradicts an expectedVersion above 0`);
  }
  return {
    kind: "put",
    ...itemKey(namespace, key, prefix),
    value: encode(value, `${prefix}value`, intake),
    ttlMs: ttlMs === undefined ? null : ttl(ttlMs, `${prefix}ttlMs`),
    expectedVersion: absent ? 0 : version,
    vectors: options.vectors === undefined ? null : parseVectors(options.vectors, `${prefix}vectors`, intake),
  };
}

export function parseUpdate<Merge>(
  namespace: unknown,
  key: unknown,
  change: Partial<ItemChange>,
  options: Partial<UpdateItemOptions>,
  takeMerge: TakeMerge<Merge>,
  prefix = "",
  intake: Intake = new Intake(),
): ParsedUpdate<Merge> {
  const { ttlMs, expectedVersion, ifPresent, vectors } = options;
  const present = ifPresent !== undefined && boolean(ifPresent, `${prefix}ifPresent`);
  const version = itemVersion(expectedVersion, prefix);
  if (present && version === 0)
    throw new InvalidArgumentError(`${prefix}ifPresent contradicts an expectedVersion of 0`);
  return {
    kind: "update",
    ...itemKey(namespace, key, prefix),
    ...parseChange(change, prefix, takeMerge, intake),
    mergesMuch: false,
    ttlMs: ttlMs === undefined ? null : ttl(ttlMs, `${prefix}ttlMs`),
    expectedVersion: version,
    ifPresent: present,
    vectors: vectors === undefined ? "keep" : parseVectors(vectors, `${prefix}vectors`, intake),
  };
}

export function parseGet(namespace: unknown, key: unknown, options: Partial<GetItemOptions>, prefix = ""): Step<"get"> {
  const { refreshTtl } = options;
  return {
    kind: "get",
    ...itemKey(namespace, key, prefix),
    refreshTtl: refreshTtl !== undefined && boolean(refreshTtl, `${prefix}refreshTtl`),
  };
}

export function parseDelete(
  namespace: unknown,
  key: unknown,
  options: Partial<DeleteItemOptions>,
  prefix = "",
): Step<"delete"> {
  return {
    kind: "delete",
    ...itemKey(namespace, key, prefix),
    expectedVersion: itemVersion(options.expectedVersion, prefix),
  };
}

export function parseSearch(
  namespacePrefix: unknown,
  query: Partial<ItemQuery>,
  prefix = "",
  intake: Intake = new Intake(),
): ParsedSearch {
  const offset = query.offset === undefined ? 0 : integer(query.offset, `${prefix}offset`, { min: 0, max: MAX_OFFSET });
  if (offset > 0 && query.cursor !== undefined) {
    throw new InvalidArgumentError(`${prefix}offset contradicts a cursor, which is a place by itself`);
  }
  const asked = {
    prefix: searchPrefix(namespacePrefix, prefix),
    filter: query.filter === undefined ? null : compileItemFilter(query.filter, `${prefix}filter`, intake),
  };
  const page = { limit: limitOf(query.limit, 10, prefix), offset };
  if (query.similarTo !== undefined) {
    for (const field of ["orderBy", "direction"] as const) {
      if (query[field] === undefined) continue;
      throw new InvalidArgumentError(`${prefix}${field} contradicts similarTo, which ranks by score`);
    }
    const nearest = { ...asked, ...parseSimilarity(query.similarTo, `${prefix}similarTo`, intake) };
    const digest = queryDigest("searchItems", {
      ...nearest,
      filter: asked.filter?.conditions ?? null,
      vector: [...nearest.vector],
    });
    return { kind: "nearest", listing: { ...nearest, ...page, after: nearestCursor(query.cursor, digest) }, digest };
  }
  const orderBy =
    query.orderBy === undefined
      ? "updatedAt"
      : oneOf(query.orderBy, `${prefix}orderBy`, ["key", "createdAt", "updatedAt"]);
  const direction =
    query.direction === undefined
      ? orderBy === "key"
        ? "asc"
        : "desc"
      : oneOf(query.direction, `${prefix}direction`, ["asc", "desc"]);
  const listing = { ...asked, orderBy, direction } as const;
  const digest = queryDigest("searchItems", { ...listing, filter: asked.filter?.conditions ?? null });
  return { kind: "search", listing: { ...listing, ...page, after: itemCursor(query.cursor, digest) }, digest };
}

function parseSimilarity(
  value: unknown,
  name: string,
  intake: Intake,
): Pick<NearestListing, "vector" | "distance" | "minScore" | "unscored"> {
  const { vector, distance, minScore, withoutVectors } = knownFields(value, name, SIMILARITY_FIELDS);
  const unscored =
    withoutVectors !== undefined && oneOf(withoutVectors, `${name}.withoutVectors`, ["omit", "last"]) === "last";
  if (unscored && minScore !== undefined) {
    throw new InvalidArgumentError(`${name}.withoutVectors contradicts minScore: such items have no score`);
  }
  return {
    vector: parseVector(vector, `${name}.vector`, intake),
    distance: distance === undefined ? "cosine" : oneOf(distance, `${name}.distance`, ["cosine", "dot", "euclidean"]),
    minScore: minScore === undefined ? null : finiteNumber(minScore, `${name}.minScore`),
    unscored,
  };
}

export function parseCount(
  namespacePrefix: unknown,
  options: Partial<CountItemsOptions>,
  prefix = "",
  intake: Intake = new Intake(),
): ItemCount {
  return {
    prefix: searchPrefix(namespacePrefix, prefix),
    filter: options.filter === undefined ? null : compileItemFilter(options.filter, `${prefix}filter`, intake),
  };
}

export function parseNamespaceQuery(query: Partial<NamespaceQuery>, prefix = ""): Digested<NamespaceListing> {
  const labels = (value: unknown, name: string): string[] =>
    value === undefined ? [] : parseNamespace(value, `${prefix}${name}`, { allowEmpty: true });
  const asked = {
    prefix: labels(query.prefix, "prefix"),
    suffix: labels(query.suffix, "suffix"),
    maxDepth:
      query.maxDepth === undefined
        ? null
        : integer(query.maxDepth, `${prefix}maxDepth`, { min: 1, max: MAX_NAMESPACE_LABELS }),
  };
  const digest = queryDigest("listNamespaces", asked);
  return {
    listing: { ...asked, limit: limitOf(query.limit, 100, prefix), after: namespaceCursor(query.cursor, digest) },
    digest,
  };
}

const OPERATION_VERBS = [
  "put",
  "update",
  "get",
  "delete",
  "search",
  "count",
  "listNamespaces",
] as const satisfies readonly OperationVerb[];

/** One operation of a batch: exactly one of the verbs. `intake` is that of all operations. */
export function parseOperation<Value, Merge>(
  value: unknown,
  name: string,
  encode: EncodeValue<Value>,
  takeMerge: TakeMerge<Merge>,
  intake: Intake = new Intake(),
): ParsedStep<Value, Merge> {
  const operation = knownFields(value, name, OPERATION_VERBS);
  const given = Object.entries(operation).filter(([, fields]) => fields !== undefined);
  const [verb, fields] = given[0] ?? [];
  if (verb === undefined || given.length !== 1) {
    throw new InvalidArgumentError(`${name} must be exactly one of ${OPERATION_VERBS.join(", ")}`);
  }
  const place = `${name}.${verb}`;
  const prefix = `${place}.`;
  switch (verb as OperationVerb) {
    case "put": {
      const put = knownFields(fields, place, ["namespace", "key", "value", ...PUT_FIELDS]);
      return parsePut(put.namespace, put.key, put.value, put, encode, prefix, intake);
    }
    case "update": {
      const update = knownFields(fields, place, ["namespace", "key", ...CHANGE_FIELDS, ...UPDATE_FIELDS]);
      return parseUpdate(update.namespace, update.key, update, update, takeMerge, prefix, intake);
    }
    case "get": {
      const get = knownFields(fields, place, ["namespace", "key", ...GET_FIELDS]);
      return parseGet(get.namespace, get.key, get, prefix);
    }
    case "delete": {
      const remove = knownFields(fields, place, ["namespace", "key", ...DELETE_FIELDS]);
      return parseDelete(remove.namespace, remove.key, remove, prefix);
    }
    case "search": {
      const search = knownFields(fields, place, ["prefix", ...SEARCH_FIELDS]);
      return parseSearch(search.prefix, search, prefix, intake);
    }
    case "count": {
      const count = knownFields(fields, place, ["prefix", ...COUNT_FIELDS]);
      return { kind: "count", count: parseCount(count.prefix, count, prefix, intake) };
    }
    case "listNamespaces":
      return {
        kind: "namespaces",
        ...parseNamespaceQuery(knownFields(fields, place, NAMESPACE_FIELDS), prefix),
      };
  }
}

type OperationVerb = ItemOperation extends infer Operation
  ? Operation extends unknown
    ? keyof Operation
    : never
  : never;

function itemKey(namespace: unknown, key: unknown, prefix: string): { namespace: string[]; key: string } {
  return {
    namespace: parseNamespace(namespace, `${prefix}namespace`, { allowEmpty: false }),
    key: identifier(key, `${prefix}key`),
  };
}

function searchPrefix(value: unknown, prefix: string): string[] {
  return parseNamespace(value, prefix === "" ? "namespacePrefix" : `${prefix}prefix`, { allowEmpty: true });
}

function itemVersion(value: unknown, prefix: string): number | null {
  return value === undefined ? null : integer(value, `${prefix}expectedVersion`, { min: 0 });
}

function limitOf(value: unknown, otherwise: number, prefix: string): number {
  return value === undefined ? otherwise : integer(value, `${prefix}limit`, { min: 1, max: MAX_PAGE_LIMIT });
}

function itemCursor(cursor: unknown, digest: string): ItemListing["after"] {
  if (cursor === undefined) return null;
  const position = decodeCursor(cursor, digest);
  if (!Array.isArray(position) || position.length !== 3) throw notACursor();
  return { time: integer(position[0], "cursor"), ...itemKey(position[1], position[2], "cursor.") };
}

function nearestCursor(cursor: unknown, digest: string): NearestListing["after"] {
  if (cursor === undefined) return null;
  const position = decodeCursor(cursor, digest);
  if (!Array.isArray(position) || position.length !== 3) throw notACursor();
  const score = position[0] === null ? null : finiteNumber(position[0], "cursor");
  return { score, ...itemKey(position[1], position[2], "cursor.") };
}

function namespaceCursor(cursor: unknown, digest: string): readonly string[] | null {
  return cursor === undefined ? null : parseNamespace(decodeCursor(cursor, digest), "cursor", { allowEmpty: false });
}
