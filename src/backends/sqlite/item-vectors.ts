/** Rows of the vectors of items (M4). All vectors of an item are one row, which has a new number whenever they change. */
import { Buffer } from "node:buffer";
import { endianness } from "node:os";
import { crc32 } from "node:zlib";
import { CorruptionError } from "../../contract/errors.js";
import type { StoredVectors } from "../../domain/driver/stored.js";
import { rootOf } from "../../domain/namespaces.js";
import { type ComparableVectors, comparableVectors } from "../../domain/nearest.js";
import { assertDimensions } from "../../domain/vectors.js";
import type { Connection } from "./connection/connection.js";

interface VectorRow {
  readonly dimensions: number;
  readonly checksum: number | null;
  readonly data: Uint8Array;
}

/** Vectors with the item that they are of. */
export interface ItemVectorRow extends VectorRow {
  readonly change: number;
  readonly item: number;
  readonly namespace: Uint8Array;
  readonly key: string;
}

/** Returns their number, which is greater than every one given before. */
export function insertVectors(tx: Connection, tenant: number, item: number, vectors: StoredVectors): number {
  const data = bytesOf(vectors.values);
  return tx.insert(
    "INSERT INTO item_vectors (tenant, item, dimensions, checksum, data) VALUES (?, ?, ?, ?, ?)",
    tenant,
    item,
    vectors.dimensions,
    crc32(data),
    data,
  );
}

export function deleteVectors(tx: Connection, change: number): void {
  tx.run("DELETE FROM item_vectors WHERE change = ?", change);
}

/** @throws CorruptionError */
export function findVectors(db: Connection, change: number): ComparableVectors | undefined {
  const row = db.get<VectorRow>("SELECT dimensions, checksum, data FROM item_vectors WHERE change = ?", change);
  return row && toVectors(row);
}

/** Vectors that came after a change, the oldest first. */
export function vectorsAfter(db: Connection, tenant: number, change: number, limit: number): ItemVectorRow[] {
  return db.all<ItemVectorRow>(
    `SELECT v.change, v.item, v.dimensions, v.checksum, v.data, i.namespace, i.key
     FROM item_vectors v INDEXED BY item_vectors_by_tenant JOIN items i ON i.id = v.item
     WHERE v.tenant = ? AND v.change > ? ORDER BY v.change LIMIT ?`,
    tenant,
    change,
    limit,
  );
}

export function countVectors(db: Connection, tenant: number): number {
  const row = db.get<{ count: number }>(
    "SELECT count(*) AS count FROM item_vectors INDEXED BY item_vectors_by_tenant WHERE tenant = ?",
    tenant,
  );
  return row?.count ?? 0;
}

/** @throws CorruptionError */
export function toVectors({ dimensions, checksum, data }: VectorRow): ComparableVectors {
  if (data.length === 0 || data.length % (4 * dimensions) !== 0 || (checksum !== null && checksum !== crc32(data))) {
    throw new CorruptionError("the vectors of an item are damaged");
  }
  return comparableVectors({ dimensions, values: numbersOf(data) });
}

/** @throws InvalidArgumentError for a dimension that is not that of the vectors below the first label */
export function assertDimensionsFit(
  db: Connection,
  tenant: number,
  place: { readonly namespace: readonly string[] },
  dimensions: number,
): void {
  const root = rootOf(place);
  const row = db.get<{ dimensions: number }>(
    "SELECT dimensions FROM item_dimensions WHERE tenant = ? AND label = ?",
    tenant,
    root,
  );
  assertDimensions(root, row?.dimensions, dimensions);
}

export function declareDimensions(tx: Connection, tenant: number, root: string, dimensions: number): void {
  tx.run(
    "INSERT INTO item_dimensions (tenant, label, dimensions) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    tenant,
    root,
    dimensions,
  );
}

export function forgetDimensions(tx: Connection, tenant: number, root: string): void {
  tx.run("DELETE FROM item_dimensions WHERE tenant = ? AND label = ?", tenant, root);
}

const SWAPS: boolean = endianness() === "BE";

function bytesOf(values: Float32Array): Uint8Array {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return SWAPS ? Buffer.from(bytes).swap32() : bytes;
}

/** Without a copy where the bytes can be read as numbers where they stand. */
function numbersOf(data: Uint8Array): Float32Array {
  const bytes = SWAPS ? Buffer.from(data).swap32() : data;
  const { buffer, byteOffset, byteLength } = byteOffsetFits(bytes) ? bytes : Uint8Array.from(bytes);
  return new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);
}

function byteOffsetFits({ byteOffset }: Uint8Array): boolean {
  return byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
}
