/** Rows of items. A namespace is stored as bytes whose order and prefixes are those of its labels (M1). */

import { quoteIdentifier } from "../../contract/errors.js";
import type { StoredItem, StoredVectors } from "../../domain/driver/stored.js";
import { rootOf } from "../../domain/namespaces.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import { declareDimensions, deleteVectors, insertVectors } from "./item-vectors.js";
import { isInPieces, readText, type TextInPieces, type TextOfRow, untilWhole } from "./long-text-rows.js";

/** An item with the place of its row, and the number of its vectors; `null` for none. A value that is kept in pieces is empty. */
export interface ItemInRow extends StoredItem, TextOfRow {
  readonly id: number;
  readonly vectors: number | null;
}

interface ItemRow extends Omit<ItemInRow, "namespace"> {
  readonly namespace: Uint8Array;
}

/** An item without its value, which a put or a delete has no need to read. */
export type ItemHead = Omit<ItemInRow, "value" | "checksum">;

const HEAD = `id, namespace, key, version, created_at AS createdAt, updated_at AS updatedAt, ttl_ms AS ttlMs,
  expires_at AS expiresAt, vectors, long`;

const COLUMNS = `${HEAD}, checksum, value`;

/** Each label as UTF-8, ended by a zero byte, which no label holds. */
export function namespaceBytes(labels: readonly string[]): Uint8Array {
  return Buffer.from(labels.map((label) => `${label}\0`).join(""), "utf8");
}

export function namespaceLabels(bytes: Uint8Array): string[] {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8").split("\0").slice(0, -1);
}

/** The first bytes after all namespaces that begin with these labels: the last end of a label becomes 1. */
export function bytesBeyond(labels: readonly string[]): Uint8Array {
  if (labels.length === 0) return Buffer.from([0xff]);
  const bytes = namespaceBytes(labels);
  bytes[bytes.length - 1] = 1;
  return bytes;
}

/** Also one that has expired. @throws CorruptionError */
export function findItem(
  db: Connection,
  tenant: number,
  namespace: readonly string[],
  key: string,
): ItemInRow | undefined {
  const row = db.get<ItemRow>(
    `SELECT ${COLUMNS} FROM items WHERE tenant = ? AND namespace = ? AND key = ?`,
    tenant,
    namespaceBytes(namespace),
    key,
  );
  return row && toItem(row);
}

/** As `findItem`, without the value. */
export function findItemHead(
  db: Connection,
  tenant: number,
  namespace: readonly string[],
  key: string,
): ItemHead | undefined {
  const row = db.get<Omit<ItemRow, "value" | "checksum">>(
    `SELECT ${HEAD} FROM items WHERE tenant = ? AND namespace = ? AND key = ?`,
    tenant,
    namespaceBytes(namespace),
    key,
  );
  return row && { ...row, namespace: namespaceLabels(row.namespace) };
}

/**
 * Stores an item in the place of the one that is there.
 * @param vectors take the place of its vectors; `null` for none, `keep` for those that it has
 * @param long the value, where that is kept in pieces
 */
export function putItem(
  tx: Connection,
  tenant: number,
  existing: ItemHead | undefined,
  item: StoredItem,
  vectors: StoredVectors | null | "keep",
  long?: TextInPieces | undefined,
): void {
  const before = existing?.vectors ?? null;
  const text = existing?.long ?? null;
  if (vectors === null || vectors === "keep") {
    if (vectors === null && before !== null) deleteVectors(tx, before);
    putRow(tx, tenant, item, vectors === "keep" ? before : null, text, long);
    return;
  }
  declareDimensions(tx, tenant, rootOf(item), vectors.dimensions);
  if (before !== null) deleteVectors(tx, before);
  if (existing !== undefined) {
    putRow(tx, tenant, item, insertVectors(tx, tenant, existing.id, vectors), text, long);
    return;
  }
  const id = putRow(tx, tenant, item, null, text, long);
  tx.run("UPDATE items SET vectors = ? WHERE id = ?", insertVectors(tx, tenant, id, vectors), id);
}

const PUT_SHORT = `INSERT INTO items
    (tenant, namespace, key, version, created_at, updated_at, ttl_ms, expires_at, vectors, checksum, value, long)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (tenant, namespace, key) DO UPDATE SET version = excluded.version, created_at = excluded.created_at,
    updated_at = excluded.updated_at, ttl_ms = excluded.ttl_ms, expires_at = excluded.expires_at,
    vectors = excluded.vectors, checksum = excluded.checksum, value = excluded.value`;

/** Where a text in pieces comes or goes, which calls the trigger. */
const PUT = `${PUT_SHORT}, long = excluded.long`;

/**
 * Returns the row's number where the item is new.
 * @param before the text in pieces that it had
 */
function putRow(
  tx: Connection,
  tenant: number,
  item: StoredItem,
  vectors: number | null,
  before: number | null,
  long: TextInPieces | undefined,
): number {
  return tx.insert(
    before === null && long === undefined ? PUT_SHORT : PUT,
    tenant,
    namespaceBytes(item.namespace),
    item.key,
    item.version,
    item.createdAt,
    item.updatedAt,
    item.ttlMs,
    item.expiresAt,
    vectors,
    long?.checksum ?? checksum(item.value),
    long === undefined ? item.value : "",
    long?.long ?? null,
  );
}

/** Stores when an item expires, and nothing else. */
export function putExpiry(tx: Connection, id: number, expiresAt: number | null): void {
  tx.run("UPDATE items SET expires_at = ? WHERE id = ?", expiresAt, id);
}

export function deleteItem(tx: Connection, tenant: number, namespace: readonly string[], key: string): void {
  tx.run("DELETE FROM items WHERE tenant = ? AND namespace = ? AND key = ?", tenant, namespaceBytes(namespace), key);
}

/** Where an item stands, and what decides whether it is listed, without its value. */
export interface ItemPlaceRow {
  readonly id: number;
  readonly namespace: Uint8Array;
  readonly key: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
  /** The number of its vectors; `null` for none. */
  readonly vectors: number | null;
}

/** A place with the item itself, where a scan reads values. */
export interface ScannedRow extends ItemPlaceRow {
  /** `undefined` where values are not read, or this one is too long to be read beside others. */
  readonly item?: ItemInRow | undefined;
}

const PLACE = "id, namespace, key, created_at AS createdAt, updated_at AS updatedAt, expires_at AS expiresAt, vectors";

/** Most bytes of a value that is read beside others. */
const SHORT_VALUE_BYTES = 16 * 1024;

const WITH_VALUE = `${PLACE}, version, ttl_ms AS ttlMs, checksum, long,
  CASE WHEN octet_length(value) BETWEEN 1 AND ${SHORT_VALUE_BYTES} THEN value END AS value`;

const forward = (columns: string): string => `SELECT ${columns} FROM items INDEXED BY items_by_key
  WHERE tenant = ? AND (namespace, key) > (?, ?) AND namespace < ? ORDER BY namespace, key LIMIT ?`;

const backward = (columns: string): string => `SELECT ${columns} FROM items INDEXED BY items_by_key
  WHERE tenant = ? AND (namespace, key) < (?, ?) AND namespace >= ? ORDER BY namespace DESC, key DESC LIMIT ?`;

/** What a scan reads: places alone, or short values with them. */
export type ScanOf = "places" | "values";

const FORWARD: Readonly<Record<ScanOf, string>> = { places: forward(PLACE), values: forward(WITH_VALUE) };
const BACKWARD: Readonly<Record<ScanOf, string>> = { places: backward(PLACE), values: backward(WITH_VALUE) };

/** Places after a position and before `end` in the order of namespaces and keys, also of expired items. @throws CorruptionError */
export function placesAfter(
  db: Connection,
  tenant: number,
  after: Pick<ItemPlaceRow, "namespace" | "key">,
  end: Uint8Array,
  limit: number,
  of: ScanOf = "places",
): ScannedRow[] {
  return scanned(db.all<ItemPlaceRow>(FORWARD[of], tenant, after.namespace, after.key, end, limit), of);
}

/** The other way round: before a position and from `start` on, last ones first. @throws CorruptionError */
export function placesBefore(
  db: Connection,
  tenant: number,
  before: Pick<ItemPlaceRow, "namespace" | "key">,
  start: Uint8Array,
  limit: number,
  of: ScanOf = "places",
): ScannedRow[] {
  return scanned(db.all<ItemPlaceRow>(BACKWARD[of], tenant, before.namespace, before.key, start, limit), of);
}

function scanned(rows: ItemPlaceRow[], of: ScanOf): ScannedRow[] {
  if (of === "places") return rows;
  return (rows as ItemRow[]).map((row) =>
    (row.value as string | null) === null ? row : { ...row, item: toItem(row) },
  );
}

export function placeAt(db: Connection, id: number): ItemPlaceRow | undefined {
  return db.get<ItemPlaceRow>(`SELECT ${PLACE} FROM items WHERE id = ?`, id);
}

/** @throws CorruptionError */
export function itemAt(db: Connection, id: number): ItemInRow | undefined {
  const row = db.get<ItemRow>(`SELECT ${COLUMNS} FROM items WHERE id = ?`, id);
  return row && toItem(row);
}

/** The item, read with a pause before each piece where it is kept in some. @throws CorruptionError */
export function* wholeItemAt(db: Connection, id: number): Generator<void, ItemInRow | undefined, void> {
  const item = itemAt(db, id);
  return item && (yield* wholeItem(db, item));
}

/** An item with its value; `undefined` when it is deleted meanwhile. @throws CorruptionError */
export function* wholeItem(db: Connection, item: ItemInRow): Generator<void, ItemInRow | undefined, void> {
  if (!isInPieces(item, item.value)) return item;
  return yield* untilWhole(
    item,
    () => itemAt(db, item.id),
    function* (each) {
      return isInPieces(each, each.value) ? { ...each, value: String(yield* readText(db, each, nameOf(each))) } : each;
    },
  );
}

/** The first namespace at or after some bytes and before `end`. */
export function nextNamespace(
  db: Connection,
  tenant: number,
  from: Uint8Array,
  end: Uint8Array,
): Uint8Array | undefined {
  return db.get<{ namespace: Uint8Array }>(
    `SELECT namespace FROM items INDEXED BY items_by_key
     WHERE tenant = ? AND namespace >= ? AND namespace < ? ORDER BY namespace LIMIT 1`,
    tenant,
    from,
    end,
  )?.namespace;
}

/** Deletes a few items below a prefix and returns when each of them expires or expired. */
export function deleteSome(
  tx: Connection,
  tenant: number,
  prefix: readonly string[],
  limit: number,
): (number | null)[] {
  const rows = tx.all<{ id: number; expiresAt: number | null }>(
    "SELECT id, expires_at AS expiresAt FROM items WHERE tenant = ? AND namespace >= ? AND namespace < ? LIMIT ?",
    tenant,
    namespaceBytes(prefix),
    bytesBeyond(prefix),
    limit,
  );
  for (const { id } of rows) tx.run("DELETE FROM items WHERE id = ?", id);
  return rows.map(({ expiresAt }) => expiresAt);
}

/** Removes a few items that have expired; `true` when there may be more. */
export function sweepExpiredItems(tx: Connection, tenant: number, now: number, limit: number): boolean {
  const removed = tx.run(
    `DELETE FROM items WHERE id IN (SELECT id FROM items INDEXED BY items_by_expiry
       WHERE tenant = ? AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    tenant,
    now,
    limit,
  );
  return removed === limit;
}

/** @throws CorruptionError */
function toItem({ namespace, ...item }: ItemRow): ItemInRow {
  if (!isInPieces(item, item.value)) assertIntact(item.checksum, nameOf(item), item.value);
  return { ...item, namespace: namespaceLabels(namespace) };
}

export const nameOf =
  ({ key }: Pick<StoredItem, "key">) =>
  (): string =>
    `item ${quoteIdentifier(key)}`;
