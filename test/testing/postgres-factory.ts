// PostgreSQL stores in schemas of their own, in one database of the server that the run shares. Making a schema syncs a hundred
// files: one that is no longer needed is emptied and used again.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { quotedName } from "../../src/backends/postgres/connection/sql.js";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { freshDatabase } from "../support/shared-postgres.js";

let database: Promise<string> | undefined;
let admin: pg.Pool | undefined;
const free: string[] = [];

export const postgresFactory: StorageFactory = {
  supports: { reopen: true, secondHandle: true, clock: true, durability: "crash" },
  create: async () => {
    database ??= freshDatabase();
    const url = await database;
    const schema = free.pop() ?? `waystone ${randomBytes(6).toString("hex")}`;
    return {
      open: async (options) => postgresStorage({ ...options, url, schema }),
      destroy: async () => {
        admin ??= new pg.Pool({ connectionString: url, allowExitOnIdle: true });
        await emptySchema(admin, schema);
        free.push(schema);
      },
    };
  },
};

export async function emptySchema(pool: pg.Pool, schema: string): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 AND tablename <> 'schema_version'",
    [schema],
  );
  const tables = rows.map(({ name }) => `${quotedName(schema)}.${quotedName(name)}`);
  if (tables.length > 0) await pool.query(tables.map((table) => `DELETE FROM ${table}`).join("; "));
}
