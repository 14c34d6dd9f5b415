// PostgreSQL stores with row-level security on partitioned tables, opened by a role that owns nothing: what the server lets such an
// application do is all that the kit has.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { quotedName } from "../../src/backends/postgres/connection/sql.js";
import { postgresStorage, postgresStorageSchema } from "../../src/backends/postgres/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { freshDatabase } from "../support/shared-postgres.js";
import { clearNowAndThen } from "./postgres-factory.js";

const free: string[] = [];
let place:
  | Promise<{ readonly admin: pg.Pool; readonly url: string; readonly appUrl: string; readonly role: string }>
  | undefined;

export const guardedPostgresFactory: StorageFactory = {
  supports: {
    reopen: true,
    secondHandle: true,
    clock: true,
    replacements: true,
    changeFeed: true,
    durability: "crash",
  },
  create: async () => {
    place ??= makePlace();
    const { admin, url, appUrl, role } = await place;
    const schema = free.pop() ?? (await makeSchema(admin, url, role));
    return {
      open: async (options) => postgresStorage({ ...options, url: appUrl, schema, rls: true, migrate: false }),
      destroy: async () => {
        await emptySchema(admin, schema);
        await clearNowAndThen(admin, schema);
        free.push(schema);
      },
    };
  },
};

/** A role that may use tables and nothing else. */
export async function applicationRole(
  admin: pg.Pool,
  url: string,
): Promise<{ readonly role: string; readonly appUrl: string }> {
  const role = `app_${randomBytes(6).toString("hex")}`;
  await admin.query(`CREATE ROLE ${role} LOGIN NOSUPERUSER NOBYPASSRLS`);
  const address = new URL(url);
  address.username = role;
  return { role, appUrl: address.href };
}

export async function grantTables(admin: pg.Pool, schema: string, role: string): Promise<void> {
  const name = quotedName(schema);
  await admin.query(`GRANT USAGE ON SCHEMA ${name} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${name} TO ${role}`);
}

async function makePlace(): NonNullable<typeof place> {
  const url = await freshDatabase();
  const admin = new pg.Pool({ connectionString: url, allowExitOnIdle: true });
  return { admin, url, ...(await applicationRole(admin, url)) };
}

async function makeSchema(admin: pg.Pool, url: string, role: string): Promise<string> {
  const schema = `guarded ${randomBytes(6).toString("hex")}`;
  const steps = postgresStorageSchema({ url, schema, rls: true, partitions: 3 });
  await steps.migrate();
  await steps.close();
  await grantTables(admin, schema, role);
  return schema;
}

async function emptySchema(admin: pg.Pool, schema: string): Promise<void> {
  const { rows } = await admin.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_version'",
    [quotedName(schema)],
  );
  await admin.query(rows.map(({ name }) => `DELETE FROM ${quotedName(schema)}.${quotedName(name)}`).join("; "));
}
