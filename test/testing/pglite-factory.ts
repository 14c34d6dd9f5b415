// PostgreSQL with pgvector, inside the process. It has one connection, so all handles share a pool of one.
import type pg from "pg";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { startPglite } from "../support/pglite.js";
import { emptySchema } from "./postgres-factory.js";

let started: Promise<pg.Pool> | undefined;
let schemas = 0;
const free: string[] = [];

/** The pool of this process's server, which takes seconds to start. */
export function pglitePool(): Promise<pg.Pool> {
  started ??= startWithVectors();
  return started;
}

/** The extension is in a schema that no search path names. */
async function startWithVectors(): Promise<pg.Pool> {
  const pool = await startPglite();
  await pool.query('CREATE SCHEMA "its own @place"; CREATE EXTENSION vector SCHEMA "its own @place"');
  return pool;
}

export const pgliteFactory: StorageFactory = {
  supports: { reopen: true, secondHandle: true, clock: true, vectors: true, replacements: true },
  create: async () => {
    const pool = await pglitePool();
    schemas += 1;
    const schema = free.pop() ?? `waystone ${schemas}`;
    return {
      open: async (options) => postgresStorage({ ...options, pool, schema }),
      destroy: async () => {
        await emptySchema(pool, schema);
        free.push(schema);
      },
    };
  },
};
