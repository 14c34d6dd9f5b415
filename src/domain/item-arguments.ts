/** Items: what callers may put, get, delete and look for (M1-M3). */
import { InvalidArgumentError } from "../contract/errors.js";
import type {
  DeleteItemOptions,
  GetItemOptions,
  ItemOperation,
  ItemQuery,
  NamespaceQuery,
  PutItemOptions,
} from "../contract/item-storage.js";
import { boolean, integer, knownFields, MAX_PAGE_LIMIT, oneOf, ttl } from "./arguments.js";
import { decodeCursor, notACursor, queryDigest } from "./cursors.js";
import type { ItemListing, ItemStep, NamespaceListing } from "./driver/items.js";
import { identifier } from "./identifiers.js";
import { compileItemFilter } from "./item-filter.js";
import { encodeItemValue } from "./items.js";
import { MAX_NAMESPACE_LABELS, parseNamespace } from "./namespaces.js";

export const PUT_FIELDS = ["ttlMs", "expectedVersion", "ifAbsent"] as const;
export const GET_FIELDS = ["refreshTtl"] as const;
export const DELETE_FIELDS = ["expectedVersion"] as const;
export const SEARCH_FIELDS = ["filter", "orderBy", "direction", "limit", "cursor"] as const;
export const NAMESPACE_FIELDS = ["prefix", "suffix", "maxDepth", "limit", "cursor"] as const;

type Step<Kind extends ItemStep["kind"]> = Extract<ItemStep, { readonly kind: Kind }>;

/** A listing with the digest that its cursors carry. */
export interface Digested<Listing> {
  readonly listing: Listing;
  readonly digest: string;
}

/** A step to run; a listing brings the digest for the cursor of the page that comes of it. */
export type ParsedStep = Step<"put" | "get" | "delete"> | (Step<"search" | "namespaces"> & { readonly digest: string });

/** `prefix` leads the names in errors: `""`, or the place of an operation in a batch. */
export function parsePut(
  namespace: unknown,
  key: unknown,
  value: unknown,
  options: Partial<PutItemOptions>,
  prefix = "",
): Step<"put"> {
  const { ttlMs, expectedVersion, ifAbsent } = options;
  const absent = ifAbsent !== undefined && boolean(ifAbsent, `${prefix}ifAbsent`);
  const version = itemVersion(expectedVersion, prefix);
  if (absent && version !== null && version !== 0) {
    throw new InvalidArgumentError(`${prefix}ifAbsent contradicts an expectedVersion above 0`);
  }
  return {
    kind: "put",
    ...itemKey(namespace, key, prefix),
    value: encodeItemValue(value, `${prefix}value`),
    ttlMs: ttlMs === undefined ? null : ttl(ttlMs, `${prefix}ttlMs`),
    expectedVersion: absent ? 0 : version,
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

export function parseSearch(namespacePrefix: unknown, query: Partial<ItemQuery>, prefix = ""): Digested<ItemListing> {
  const orderBy =
    query.orderBy === undefined
      ? "updatedAt"
      : oneOf(query.orderBy, `${prefix}orderBy`, ["key", "createdAt", "updatedAt"]);
  const asked = {
    prefix: parseNamespace(namespacePrefix, prefix === "" ? "namespacePrefix" : `${prefix}prefix`, {
      allowEmpty: true,
    }),
    filter: query.filter === undefined ? null : compileItemFilter(query.filter, `${prefix}filter`),
    orderBy,
    direction:
      query.direction === undefined
        ? orderBy === "key"
          ? "asc"
          : "desc"
        : oneOf(query.direction, `${prefix}direction`, ["asc", "desc"]),
  } as const;
  const digest = queryDigest("searchItems", { ...asked, filter: asked.filter?.conditions ?? null });
  return {
    listing: { ...asked, limit: limitOf(query.limit, 10, prefix), after: itemCursor(query.cursor, digest) },
    digest,
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

/** One operation of a batch: exactly one of the verbs. */
export function parseOperation(value: unknown, name: string): ParsedStep {
  const operation = knownFields(value, name, ["put", "get", "delete", "search", "listNamespaces"]);
  const given = Object.entries(operation).filter(([, fields]) => fields !== undefined);
  const [verb, fields] = given[0] ?? [];
  if (verb === undefined || given.length !== 1) {
    throw new InvalidArgumentError(`${name} must be exactly one of put, get, delete, search and listNamespaces`);
  }
  const place = `${name}.${verb}`;
  const prefix = `${place}.`;
  switch (verb as OperationVerb) {
    case "put": {
      const put = knownFields(fields, place, ["namespace", "key", "value", ...PUT_FIELDS]);
      return parsePut(put.namespace, put.key, put.value, put, prefix);
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
      return { kind: "search", ...parseSearch(search.prefix, search, prefix) };
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

function namespaceCursor(cursor: unknown, digest: string): readonly string[] | null {
  return cursor === undefined ? null : parseNamespace(decodeCursor(cursor, digest), "cursor", { allowEmpty: false });
}
