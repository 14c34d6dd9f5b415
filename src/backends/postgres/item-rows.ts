/** Rows of items. The place of one is bytes whose order and prefixes are those of its labels and key (M1). */
import { createHash } from "node:crypto";
import type { StoredItem } from "../../domain/driver/stored.js";
import { type Sql, sql } from "./connection/sql.js";

/** A row of `ITEM_COLUMNS`. */
export interface ItemRow extends Omit<StoredItem, "namespace"> {
  /** JSON text of the labels. */
  readonly labels: string;
}

export const ITEM_COLUMNS: Sql = sql`to_json(namespace) AS labels, key, value, version, created_at AS "createdAt",
  updated_at AS "updatedAt", ttl_ms AS "ttlMs", expires_at AS "expiresAt"`;

/** Where an item is. */
export interface ItemAddress {
  readonly namespace: readonly string[];
  readonly key: string;
}

export function toItem({ labels, ...item }: ItemRow): StoredItem {
  const { key, value, version, createdAt, updatedAt, ttlMs, expiresAt } = item;
  return { namespace: JSON.parse(labels) as string[], key, value, version, createdAt, updatedAt, ttlMs, expiresAt };
}

/** Each label as UTF-8, ended by a zero byte, which no label holds. */
export function namespaceBytes(labels: readonly string[]): Buffer {
  return Buffer.from(labels.map((label) => `${label}\0`).join(""), "utf8");
}

/** The first bytes after all places in namespaces that begin with these labels: the last end of a label becomes 1. */
export function bytesBeyond(labels: readonly string[]): Buffer {
  if (labels.length === 0) return Buffer.from([0xff]);
  const bytes = namespaceBytes(labels);
  bytes[bytes.length - 1] = 1;
  return bytes;
}

/** No label is empty: items of a namespace come before those of namespaces below it. */
export function placeBytes({ namespace, key }: ItemAddress): Buffer {
  return Buffer.from(`${namespace.map((label) => `${label}\0`).join("")}\0${key}`, "utf8");
}

/** What an item is found by. */
export function itemId(address: ItemAddress): Buffer {
  return createHash("sha256").update(placeBytes(address)).digest().subarray(0, 16);
}

/** A condition for items from `start` on and before `end`, in a form that the index over beginnings of places can answer. */
export function placesWithin(start: Uint8Array, end: Uint8Array): Sql {
  return sql`place >= ${start} AND place < ${end}
    AND substring(place FROM 1 FOR 1024) >= ${start.subarray(0, 1024)}
    AND substring(place FROM 1 FOR 1024) <= ${end.subarray(0, 1024)}`;
}

/** A condition that holds for items that are there for readers. */
export function isItemLive(now: number): Sql {
  return sql`(expires_at IS NULL OR expires_at > ${now})`;
}

export function selectItem(tenant: string, address: ItemAddress): Sql {
  return sql`SELECT ${ITEM_COLUMNS} FROM @items WHERE tenant = ${tenant} AND item_id = ${itemId(address)}`;
}

export function insertItem(tenant: string, item: StoredItem): Sql {
  return sql`INSERT INTO @items (tenant, item_id, place, namespace, key, version, created_at, updated_at, ttl_ms,
      expires_at, value)
    VALUES (${tenant}, ${itemId(item)}, ${placeBytes(item)}, ${item.namespace}, ${item.key}, ${item.version},
      ${item.createdAt}, ${item.updatedAt}, ${item.ttlMs}, ${item.expiresAt}, ${item.value})`;
}

export function updateItem(tenant: string, item: StoredItem): Sql {
  return sql`UPDATE @items SET version = ${item.version}, created_at = ${item.createdAt}, updated_at = ${item.updatedAt},
      ttl_ms = ${item.ttlMs}, expires_at = ${item.expiresAt}, value = ${item.value}
    WHERE tenant = ${tenant} AND item_id = ${itemId(item)}`;
}

export function deleteItem(tenant: string, address: ItemAddress): Sql {
  return sql`DELETE FROM @items WHERE tenant = ${tenant} AND item_id = ${itemId(address)}`;
}

/** Removes a few items that have expired and that nobody is writing to; a row for each. */
export function sweepExpiredItems(tenant: string, now: number, limit: number): Sql {
  return sql`DELETE FROM @items WHERE tenant = ${tenant} AND item_id IN (
      SELECT item_id FROM @items WHERE tenant = ${tenant} AND expires_at <= ${now}
      ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    RETURNING 1`;
}
