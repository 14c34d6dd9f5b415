/**
 * Tables of vectors (M4). They stand beside the versions of the schema, because they need the extension `vector`, which a server
 * may have or get later.
 */
import type { VectorDistance } from "../../../contract/item-storage.js";
import { quotedName } from "../connection/sql.js";
import { Statements } from "../connection/statements.js";
import { GUARD_ROWS } from "./row-security.js";

const ID = 'text COLLATE "C" NOT NULL';

export const VECTOR_TABLES: string = `
CREATE TABLE @item_dimensions (
  tenant ${ID},
  -- the first label of a namespace
  label ${ID},
  dimensions integer NOT NULL,
  PRIMARY KEY (tenant, label)
);

CREATE TABLE @item_vectors (
  tenant ${ID},
  item_id bytea NOT NULL,
  -- its place among the vectors of its item
  idx integer NOT NULL,
  dimensions integer NOT NULL,
  embedding @pgvector.vector NOT NULL,
  PRIMARY KEY (tenant, item_id, idx),
  FOREIGN KEY (tenant, item_id) REFERENCES @items (tenant, item_id) ON DELETE CASCADE
)
-- a row that fits a page stays there: a search reads pages from end to end
WITH (toast_tuple_target = 8160);
`;

/** What an index of pgvector compares by. */
const OPERATORS: Readonly<Record<VectorDistance, string>> = {
  cosine: "vector_cosine_ops",
  dot: "vector_ip_ops",
  euclidean: "vector_l2_ops",
};

/** Most dimensions that an index of pgvector takes. */
export const MAX_INDEXED_DIMENSIONS = 2_000;

/** The SQL of the two tables, for a team that makes the schema in its own pipeline. */
export function vectorSchemaScript(schema: string, extensionSchema: string, rls: boolean): string {
  const statements = new Statements(schema, false);
  statements.useVectors(extensionSchema);
  return `BEGIN;\n${statements.inSchema(VECTOR_TABLES + (rls ? GUARD_ROWS : ""))}\nCOMMIT;\n`;
}

export function vectorIndexScript(
  schema: string,
  extensionSchema: string,
  dimensions: number,
  distance: VectorDistance,
): string {
  const name = `item_vectors_${distance}_${dimensions}`;
  const statements = new Statements(schema, false);
  statements.useVectors(extensionSchema);
  return statements.inSchema(
    `CREATE INDEX CONCURRENTLY IF NOT EXISTS ${quotedName(name)} ON @item_vectors
  USING hnsw ((embedding::@pgvector.vector(${dimensions})) @pgvector.${OPERATORS[distance]}) WHERE dimensions = ${dimensions};\n`,
  );
}
