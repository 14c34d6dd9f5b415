/** Rows of the vectors of items (M4), and the dimension that those below a first label have. */
import { createHash } from "node:crypto";
import { CorruptionError } from "../../contract/errors.js";
import type { StoredVectors } from "../../domain/driver/stored.js";
import { assertDimensions } from "../../domain/vectors.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { type ItemAddress, itemId } from "./item-rows.js";
import { ReadAgain } from "./store.js";

/** Where vectors go. */
export interface VectorAddress extends ItemAddress {
  readonly vectors: StoredVectors;
}

/** Dimensions by first label, as one transaction sees and declares them. */
export class DeclaredDimensions {
  readonly #tx: Transaction;
  readonly #tenant: string;
  readonly #known = new Map<string, number>();

  private constructor(tx: Transaction, tenant: string) {
    this.#tx = tx;
    this.#tenant = tenant;
  }

  /** Until the transaction ends, `deleteItems` of these labels waits, and the dimensions stay as they are. */
  static async of(tx: Transaction, tenant: string, roots: readonly string[]): Promise<DeclaredDimensions> {
    const declared = new DeclaredDimensions(tx, tenant);
    if (roots.length === 0) return declared;
    const labels = [...new Set(roots)].sort();
    const locks = labels.map((label) => lockNumber(tenant, label));
    tx.run(sql`SELECT pg_advisory_xact_lock_shared(lock) FROM unnest(${locks}::bigint[]) lock`);
    const rows = await tx.query<{ label: string; dimensions: number }>(
      sql`SELECT label, dimensions FROM @item_dimensions WHERE tenant = ${tenant} AND label = ANY(${labels}::text[])`,
    );
    for (const { label, dimensions } of rows) declared.#known.set(label, dimensions);
    return declared;
  }

  /** @throws InvalidArgumentError for another dimension than that of the first vector below the label */
  async declare(root: string, dimensions: number): Promise<void> {
    assertDimensions(root, this.#known.get(root), dimensions);
    if (this.#known.has(root)) return;
    const [declared] = await this.#tx.query(
      sql`INSERT INTO @item_dimensions (tenant, label, dimensions) VALUES (${this.#tenant}, ${root}, ${dimensions})
        ON CONFLICT (tenant, label) DO NOTHING RETURNING dimensions`,
    );
    // Somebody else has declared one since.
    if (declared === undefined) throw new ReadAgain();
    this.#known.set(root, dimensions);
  }
}

/** Waits for those who put vectors below a first label, and makes others wait. */
export function lockLabel(tenant: string, label: string): Sql {
  return sql`SELECT pg_advisory_xact_lock(${lockNumber(tenant, label)}::bigint)`;
}

export function forgetDimensions(tenant: string, label: string): Sql {
  return sql`DELETE FROM @item_dimensions WHERE tenant = ${tenant} AND label = ${label}`;
}

export function selectDimensions(tenant: string, label: string): Sql {
  return sql`SELECT dimensions FROM @item_dimensions WHERE tenant = ${tenant} AND label = ${label}`;
}

/** A statement for each vector: in their binary form they are a third of their text. */
export function insertVectors(tx: Transaction, tenant: string, address: VectorAddress): void {
  const { dimensions, values } = address.vectors;
  const id = itemId(address);
  for (let i = 0; i * dimensions < values.length; i++) {
    const vector = vectorBytes(values.subarray(i * dimensions, (i + 1) * dimensions));
    tx.run(sql`INSERT INTO @item_vectors (tenant, item_id, idx, dimensions, embedding)
      VALUES (${tenant}, ${id}, ${i}, ${dimensions}, ${vector}::@pgvector.vector)`);
  }
}

export function deleteVectors(tenant: string, address: ItemAddress): Sql {
  return sql`DELETE FROM @item_vectors WHERE tenant = ${tenant} AND item_id = ${itemId(address)}`;
}

/** The vectors of an item, one after the other, as `toVectors` reads them; `NULL` for none. */
export function vectorsOf(item: Sql): Sql {
  return sql`(SELECT string_agg(@pgvector.vector_send(v.embedding), ''::bytea ORDER BY v.idx) FROM @item_vectors v
    WHERE v.tenant = ${item}.tenant AND v.item_id = ${item}.item_id)`;
}

/** The dimension, two unused bytes, then 32-bit floats, all with the greatest byte first: what pgvector sends and receives. */
const HEADER_BYTES = 4;
const NUMBER_BYTES = 4;

export function vectorBytes(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + vector.length * NUMBER_BYTES);
  bytes.writeUInt16BE(vector.length, 0);
  for (let i = 0; i < vector.length; i++) bytes.writeFloatBE(vector[i] as number, HEADER_BYTES + i * NUMBER_BYTES);
  return bytes;
}

/** @throws CorruptionError */
export function toVectors(bytes: Buffer): StoredVectors {
  const dimensions = bytes.readUInt16BE(0);
  const size = HEADER_BYTES + dimensions * NUMBER_BYTES;
  const count = bytes.length / size;
  if (!Number.isInteger(count)) throw new CorruptionError("the vectors of an item are damaged");
  const values = new Float32Array(count * dimensions);
  for (let i = 0; i < values.length; i++) {
    const vector = Math.floor(i / dimensions);
    values[i] = bytes.readFloatBE(vector * size + HEADER_BYTES + (i % dimensions) * NUMBER_BYTES);
  }
  return { dimensions, values };
}

/** Of a label, for all processes. */
function lockNumber(tenant: string, label: string): string {
  return String(createHash("sha256").update(`waystone vectors ${tenant}\0${label}`).digest().readBigInt64BE());
}
