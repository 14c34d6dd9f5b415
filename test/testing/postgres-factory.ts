// PostgreSQL stores in schemas of their own, in one database of the server that the run shares. Making a schema syncs a hundred
// files: one that is no longer needed is emptied and used again.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { quotedName } from "../../src/backends/postgres/connection/sql.js";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { freshDatabase } from "../support/shared-postgres.js";

export const postgresFactory: StorageFactory = schemasIn(freshDatabase);

/** @param database of which the schemas are; it is asked for once */
export function schemasIn(
  database: () => Promise<string>,
  /** How a storage reaches it, and how it is opened, where that is not the usual way. */
  options: { readonly through?: (url: string) => Promise<string>; readonly preparedStatements?: boolean } = {},
): StorageFactory {
  const { through = async (url) => url, ...rest } = options;
  let urls: Promise<{ readonly direct: string; readonly used: string }> | undefined;
  let admin: pg.Pool | undefined;
  const free: string[] = [];
  return {
    supports: {
      reopen: true,
      secondHandle: true,
      clock: true,
      replacements: true,
      // No pooler hands a notification on.
      changeFeed: options.through === undefined,
      durability: "crash",
    },
    create: async () => {
      urls ??= database().then(async (direct) => ({ direct, used: await through(direct) }));
      const { direct, used } = await urls;
      const schema = free.pop() ?? `waystone ${randomBytes(6).toString("hex")}`;
      return {
        open: async (asked) => postgresStorage({ ...asked, ...rest, url: used, schema }),
        destroy: async () => {
          admin ??= new pg.Pool({ connectionString: direct, allowExitOnIdle: true });
          await emptySchema(admin, schema);
          await clearNowAndThen(admin, schema);
          free.push(schema);
        },
      };
    },
  };
}

export async function emptySchema(pool: pg.Pool, schema: string): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 AND tablename <> 'schema_version'",
    [schema],
  );
  const tables = rows.map(({ name }) => `${quotedName(schema)}.${quotedName(name)}`);
  if (tables.length > 0) await pool.query(tables.map((table) => `DELETE FROM ${table}`).join("; "));
}

const emptied = new Map<string, number>();

/** What was deleted lies in the indexes until somebody clears it away: a clause that measures must not find what others have left. */
export async function clearNowAndThen(pool: pg.Pool, schema: string): Promise<void> {
  const times = (emptied.get(schema) ?? 0) + 1;
  emptied.set(schema, times);
  if (times % 25 !== 0) return;
  const name = quotedName(schema);
  await pool.query(`VACUUM ${name}.sessions, ${name}.threads, ${name}.messages, ${name}.items, ${name}.checkpoints`);
}
