/** Bringing the schema up to date. Many processes may open a database at once: one migrates, the others find the work done (F3). */
import { createHash } from "node:crypto";
import { StorageConnectionError, UnsupportedError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import { quotedName, sql } from "../connection/sql.js";
import { Statements } from "../connection/statements.js";
import type { Transaction } from "../connection/transaction.js";
import type { Database } from "../store.js";
import { CREATE_VERSIONS, MIGRATIONS } from "./migrations.js";
import { GUARD_ROWS } from "./row-security.js";
import { isGuarded, pendingSteps, readSchema, type SchemaState, type WantedSchema } from "./state.js";

/**
 * Brings the schema up to date, or only checks it, and has the storage say its tenant where the server asks for it.
 * @throws UnsupportedError for a database or a schema that this version cannot work with
 */
export async function prepareSchema(db: Database, call: Call): Promise<void> {
  const wanted = wantedSchema(db);
  let state = await schemaState(db, call);
  const pending = pendingSteps(state, wanted);
  if (pending.length > 0) {
    if (!db.options.migrate) throw notReady(wanted, pending);
    state = await migrateSchema(db, call);
  }
  if (wanted.rls === true && !state.binds) {
    throw new UnsupportedError(
      "row-level security does not bind this database user, which is a superuser or has BYPASSRLS: connect as another one",
    );
  }
  db.isPartitioned = state.partitions > 0;
  db.rowSecurity = { asked: isGuarded(state, wanted), binds: state.binds };
}

/** Only reads. */
export function schemaState(db: Database, call: Call): Promise<SchemaState> {
  return readSchema((statement) => db.read(call, statement), wantedSchema(db));
}

/** What is pending, in one transaction. */
export async function migrateSchema(db: Database, call: Call): Promise<SchemaState> {
  await db.transact(call, (tx) => migrate(db, tx));
  return schemaState(db, call);
}

export function wantedSchema({ options }: Database): WantedSchema {
  return { schema: quotedName(options.schema), partitions: options.partitions, rls: options.rls };
}

function notReady({ schema }: WantedSchema, pending: readonly string[]): StorageConnectionError {
  return new StorageConnectionError(
    `the schema ${schema} is not ready (${pending.join("; ")}), and migrate is off: run \`waystone schema migrate\` first`,
    { retryable: false },
  );
}

async function migrate(db: Database, tx: Transaction): Promise<void> {
  const wanted = wantedSchema(db);
  await lockSchema(db, tx);
  // Another process may have been faster.
  const state = await readSchema((statement) => tx.query(statement), wanted);
  if (!state.hasNamespace) await tx.script("CREATE SCHEMA @:schema");
  if (state.version === 0) await tx.script(CREATE_VERSIONS);
  const shape = { partitions: state.version === 0 ? (wanted.partitions ?? 0) : state.partitions };
  for (const [i, { script }] of MIGRATIONS.slice(state.version).entries()) {
    await tx.script(script(shape));
    await tx.query(sql`INSERT INTO @schema_version (version) VALUES (${state.version + i + 1})`);
  }
  if (isGuarded(state, wanted)) await tx.script(GUARD_ROWS);
}

/**
 * The SQL that leads from a version of the schema to the one that this code knows, for a team that runs it in its own pipeline;
 * storages with `migrate: false` then only look at it.
 */
export function schemaScript(
  {
    schema,
    partitions = 0,
    rls = false,
  }: { readonly schema: string; readonly partitions?: number; readonly rls?: boolean },
  fromVersion = 0,
): string {
  const statements = new Statements(schema, false);
  const parts = fromVersion === 0 ? ["CREATE SCHEMA IF NOT EXISTS @:schema;", CREATE_VERSIONS] : [];
  for (const [i, { name, script }] of MIGRATIONS.slice(fromVersion).entries()) {
    const version = fromVersion + i + 1;
    parts.push(`-- version ${version}: ${name}`, script({ partitions }));
    parts.push(`INSERT INTO @schema_version (version) VALUES (${version});`);
  }
  if (rls) parts.push("-- row-level security", GUARD_ROWS);
  return `BEGIN;\n${parts.map((part) => statements.inSchema(part)).join("\n")}\nCOMMIT;\n`;
}

/** Of many processes that change a schema one does it, and the others wait. */
export async function lockSchema(db: Database, tx: Transaction): Promise<void> {
  await tx.query(sql`SELECT pg_advisory_xact_lock(${lockNumber(db.options.schema)}::bigint)`);
}

/** The same for all processes that migrate one schema. */
function lockNumber(schema: string): string {
  return String(createHash("sha256").update(`waystone schema ${schema}`).digest().readBigInt64BE());
}
