/** Searching items and listing namespaces (M1, M2): one statement each. */
import type { ItemCount, ItemListing, NamespaceListing } from "../../domain/driver/items.js";
import type { Rows, StoredItem } from "../../domain/driver/stored.js";
import type { ItemCondition } from "../../domain/item-filter.js";
import { type Sql, sql } from "./connection/sql.js";
import {
  bytesBeyond,
  ITEM_COLUMNS,
  type ItemRow,
  isItemLive,
  namespaceBytes,
  placeBytes,
  placesWithin,
  toItem,
} from "./item-rows.js";
import { NOTHING } from "./session-listing.js";

export function selectItems(tenant: string, listing: ItemListing, now: number): Sql {
  return sql`SELECT ${ITEM_COLUMNS} ${matching(tenant, listing, now)} ${inOrder(listing)}
    LIMIT ${listing.limit + 1} OFFSET ${listing.offset}`;
}

export function selectCount(tenant: string, count: ItemCount, now: number): Sql {
  return sql`SELECT count(*) AS count ${matching(tenant, count, now)}`;
}

/** The items below a prefix that match and are there for readers. */
export function matching(tenant: string, { prefix, filter }: ItemCount, now: number): Sql {
  const conditions = (filter?.conditions ?? []).map((condition) => sql`AND ${meets(condition)}`);
  return sql`FROM @items
    WHERE tenant = ${tenant} AND ${isItemLive(now)} AND ${placesWithin(namespaceBytes(prefix), bytesBeyond(prefix))}
      ${conditions.reduce((all, each) => sql`${all} ${each}`, NOTHING)}`;
}

export function toItemRows(rows: readonly ItemRow[], { limit }: ItemListing): Rows<StoredItem> {
  return { rows: rows.slice(0, limit).map(toItem), more: rows.length > limit };
}

/** What comes after the page before, and in which order. By key the index gives the order of the beginnings. */
function inOrder({ orderBy, direction, after }: ItemListing): Sql {
  const place = after === null ? null : placeBytes(after);
  if (orderBy === "key") {
    const start = place?.subarray(0, 1024);
    if (direction === "asc") {
      return sql`${place === null ? NOTHING : sql`AND place > ${place} AND substring(place FROM 1 FOR 1024) >= ${start ?? null}`}
        ORDER BY substring(place FROM 1 FOR 1024), place`;
    }
    return sql`${place === null ? NOTHING : sql`AND place < ${place} AND substring(place FROM 1 FOR 1024) <= ${start ?? null}`}
      ORDER BY substring(place FROM 1 FOR 1024) DESC, place DESC`;
  }
  const time = orderBy === "createdAt" ? sql`created_at` : sql`updated_at`;
  if (direction === "asc") {
    return sql`${after === null ? NOTHING : sql`AND (${time}, place) > (${after.time}, ${place})`} ORDER BY ${time}, place`;
  }
  return sql`${after === null ? NOTHING : sql`AND (${time}, place) < (${after.time}, ${place})`}
    ORDER BY ${time} DESC, place DESC`;
}

/** One comparison; a key that is missing is SQL's NULL, one that is `null` is JSON's. */
function meets({ key, operator, operand }: ItemCondition): Sql {
  const found = sql`(value -> ${key}::text)`;
  const json = (value: unknown): Sql => sql`${JSON.stringify(value)}::jsonb`;
  switch (operator) {
    case "$eq":
      return sql`${found} = ${json(operand)}`;
    case "$ne":
      return sql`${found} IS DISTINCT FROM ${json(operand)}`;
    case "$in":
      return sql`${found} IN (SELECT jsonb_array_elements(${json(operand)}))`;
    case "$nin":
      return sql`coalesce(${found} NOT IN (SELECT jsonb_array_elements(${json(operand)})), true)`;
    case "$exists":
      return operand ? sql`${found} IS NOT NULL` : sql`${found} IS NULL`;
    case "$gt":
      return ordered(found, sql`>`, operand);
    case "$gte":
      return ordered(found, sql`>=`, operand);
    case "$lt":
      return ordered(found, sql`<`, operand);
    case "$lte":
      return ordered(found, sql`<=`, operand);
  }
}

/** Numbers with numbers, strings with strings by code point; nothing else matches. */
function ordered(found: Sql, comparison: Sql, operand: string | number): Sql {
  return typeof operand === "number"
    ? sql`CASE WHEN jsonb_typeof(${found}) = 'number' THEN ${found}::numeric ${comparison} ${operand}::numeric ELSE false END`
    : sql`CASE WHEN jsonb_typeof(${found}) = 'string'
        THEN (${found} #>> '{}') COLLATE "C" ${comparison} ${operand}::text COLLATE "C" ELSE false END`;
}

/** Jumps from namespace to namespace: the time depends on how many there are, not on their items. */
export function selectNamespaces(tenant: string, listing: NamespaceListing, now: number): Sql {
  const { prefix, suffix, maxDepth, limit, after } = listing;
  const end = bytesBeyond(prefix);
  const start = after === null ? namespaceBytes(prefix) : beyond(after, maxDepth);
  const next = (from: Sql): Sql => sql`SELECT place, namespace FROM @items
    WHERE tenant = ${tenant} AND ${isItemLive(now)} AND place >= ${from} AND place < ${end}
      AND substring(place FROM 1 FOR 1024) >= substring(${from} FROM 1 FOR 1024)
      AND substring(place FROM 1 FOR 1024) <= ${end.subarray(0, 1024)}
    ORDER BY substring(place FROM 1 FOR 1024), place LIMIT 1`;
  const matches = (name: Sql): Sql =>
    suffix.length === 0
      ? sql`true`
      : sql`${name}[cardinality(${name}) - ${suffix.length - 1}::int :] = ${suffix}::text[]`;
  const cut = (name: Sql): Sql => (maxDepth === null ? name : sql`${name}[1:${maxDepth}::int]`);
  const isCut = (name: Sql): Sql =>
    maxDepth === null ? sql`false` : sql`cardinality(${name}) >= ${maxDepth}::int AND ${matches(name)}`;
  const name = sql`namespace`;
  // Inside the recursion that of the row found before.
  const before = sql`found.namespace`;
  const length = (labels: Sql): Sql => sql`(SELECT sum(octet_length(label) + 1)::int FROM unnest(${labels}) label)`;
  return sql`WITH RECURSIVE found (place, namespace) AS (
      (${next(sql`${start}::bytea`)})
      UNION ALL
      SELECT following.* FROM found, LATERAL (${next(sql`CASE WHEN ${isCut(before)}
          THEN substring(found.place FROM 1 FOR ${length(cut(before))} - 1) || '\\x01'::bytea
          ELSE substring(found.place FROM 1 FOR ${length(before)}) || '\\x01'::bytea END`)}) following)
    SELECT to_json(${cut(name)}) AS labels FROM found WHERE ${matches(name)} LIMIT ${limit + 1}`;
}

export function toNamespaceRows(
  rows: readonly { readonly labels: string }[],
  { limit }: NamespaceListing,
): Rows<string[]> {
  return { rows: rows.slice(0, limit).map(({ labels }) => JSON.parse(labels) as string[]), more: rows.length > limit };
}

/** The first bytes of a namespace that is another one after the cut. */
function beyond(cut: readonly string[], maxDepth: number | null): Uint8Array {
  return cut.length === maxDepth ? bytesBeyond(cut) : Buffer.concat([namespaceBytes(cut), Buffer.of(1)]);
}
