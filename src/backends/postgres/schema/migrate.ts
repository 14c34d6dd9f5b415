/** Versions of the schema. Many processes may open a database at once: one migrates, the others find the work done (F3). */
import { createHash } from "node:crypto";
import { StorageConnectionError, UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import { quotedName, sql } from "../connection/sql.js";
import { Statements } from "../connection/statements.js";
import type { Transaction } from "../connection/transaction.js";
import type { Database } from "../store.js";
import { TABLES } from "./tables.js";
import { VIEWS } from "./views.js";

/** Scripts that lead from each version to the next; the first one from an empty schema. A script that was released never changes. */
const MIGRATIONS: readonly string[] = [TABLES + VIEWS];

/** The version that this code reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/**
 * Brings the schema up to date, or only checks it.
 * @throws UnsupportedError for a database or a schema that this version cannot work with
 */
export async function prepareSchema(db: Database, call: Call): Promise<void> {
  if ((await schemaVersion(db, call)) === SCHEMA_VERSION) return;
  if (!db.options.migrate) {
    throw new StorageConnectionError(
      `the schema ${quotedName(db.options.schema)} is not at version ${SCHEMA_VERSION}, and migrate is off: run the migration first`,
      { retryable: false },
    );
  }
  await db.transact(call, (tx) => migrate(db, tx));
}

/** 0 for none. Only reads. @throws UnsupportedError for a newer one */
export async function schemaVersion(db: Database, call: Call): Promise<number> {
  const [found] = await db.read<{ table: string | null; encoding: string }>(
    call,
    sql`SELECT to_regclass(${`${quotedName(db.options.schema)}.schema_version`})::text AS table,
      current_setting('server_encoding') AS encoding`,
  );
  if (found?.encoding !== "UTF8") {
    throw new UnsupportedError(`the database must be encoded as UTF8, and it is ${found?.encoding}`);
  }
  if (found.table === null) return 0;
  const [row] = await db.read<{ version: number }>(call, READ_VERSION);
  return knownVersion(db, row?.version ?? 0);
}

const READ_VERSION = sql`SELECT max(version) AS version FROM @schema_version`;

function knownVersion(db: Database, version: number): number {
  if (version <= SCHEMA_VERSION) return version;
  throw new UnsupportedError(
    `the schema ${quotedName(db.options.schema)} has version ${version}, and this version of the package knows ${SCHEMA_VERSION}: update the package`,
  );
}

async function migrate(db: Database, tx: Transaction): Promise<void> {
  const { schema } = db.options;
  await tx.query(sql`SELECT pg_advisory_xact_lock(${lockNumber(schema)}::bigint)`);
  const [there] = await tx.query<{ schema: boolean; table: string | null }>(
    sql`SELECT to_regnamespace(${quotedName(schema)}) IS NOT NULL AS schema,
      to_regclass(${`${quotedName(schema)}.schema_version`})::text AS table`,
  );
  let version = 0;
  if (there?.schema !== true) await tx.script(`CREATE SCHEMA ${quotedName(schema)}`);
  if (there?.table === null || there === undefined) {
    await tx.script(CREATE_VERSIONS);
  } else {
    // Another process may have been faster.
    version = knownVersion(db, (await tx.get<{ version: number | null }>(READ_VERSION))?.version ?? 0);
  }
  for (const script of MIGRATIONS.slice(version)) {
    version += 1;
    await tx.script(script);
    await tx.query(sql`INSERT INTO @schema_version (version) VALUES (${version})`);
  }
}

const CREATE_VERSIONS =
  "CREATE TABLE @schema_version (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

/**
 * The SQL that makes the schema of this version in an empty database, for a team that runs it in its own pipeline; storages with
 * `migrate: false` then only look at it.
 */
export function schemaScript(schema: string): string {
  const statements = new Statements(schema, false);
  const versions = MIGRATIONS.map((script, i) => `${script}\nINSERT INTO @schema_version (version) VALUES (${i + 1});`);
  const parts = [`CREATE SCHEMA ${quotedName(schema)};`, `${CREATE_VERSIONS};`, ...versions];
  return `BEGIN;\n${parts.map((part) => statements.inSchema(part)).join("\n")}\nCOMMIT;\n`;
}

/** The same for all processes that migrate one schema. */
function lockNumber(schema: string): string {
  return String(createHash("sha256").update(`waystone schema ${schema}`).digest().readBigInt64BE());
}
