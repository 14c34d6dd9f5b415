/** Versions of the schema. Many processes may open a file at once: one migrates, the others find the work done (F3). */
import { CorruptionError, UnsupportedError } from "../../../contract/errors.js";
import type { WaitingCall } from "../connection/back-off.js";
import { untilFree } from "../connection/back-off.js";
import type { Connection } from "../connection/connection.js";
import { LONG_TEXTS } from "./long-texts.js";
import { TABLES } from "./tables.js";
import { VIEWS, VIEWS_OF_LONG_TEXTS } from "./views.js";

/** In the header of every file of ours: "Wayf". The `file` command and SQLite itself show it. */
export const APPLICATION_ID = 0x57617966;

/** What leads from each version to the next; the first one from an empty file. A script that was released never changes. */
const MIGRATIONS: readonly { readonly name: string; readonly script: string }[] = [
  { name: "tables, indexes and views", script: TABLES + VIEWS },
  { name: "long texts in pieces", script: LONG_TEXTS + VIEWS_OF_LONG_TEXTS },
];

/** The version that this code reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/**
 * The schema version of the file, 0 for an empty one. Only reads.
 * @throws CorruptionError for another program's file, UnsupportedError for a newer version than this one
 */
export function schemaVersion(connection: Connection, path: string): number {
  const { application, version, tables } = headerOf(connection);
  if (application !== APPLICATION_ID) {
    if (application === 0 && version === 0 && tables === 0) return 0;
    throw new CorruptionError(`${path} is a SQLite database of another program; it was left as it is`);
  }
  if (version > SCHEMA_VERSION) {
    throw new UnsupportedError(
      `${path} has schema version ${version}, and this version of the package knows ${SCHEMA_VERSION}: update the package`,
    );
  }
  return version;
}

/** All of one moment: between two reads another process may migrate the file, and its first half looks like a stranger's. */
function headerOf(connection: Connection): { application: number; version: number; tables: number } {
  connection.script("SAVEPOINT header");
  try {
    const tables = connection.get<{ count: number }>("SELECT count(*) AS count FROM sqlite_schema")?.count ?? 0;
    const application = Number(connection.pragma("application_id"));
    return { application, version: Number(connection.pragma("user_version")), tables };
  } finally {
    connection.script("RELEASE header");
  }
}

/** Brings the schema up to date in one transaction. */
export async function migrate(connection: Connection, path: string, call: WaitingCall): Promise<void> {
  if (schemaVersion(connection, path) === SCHEMA_VERSION) return;
  await untilFree(call, () => connection.control("BEGIN IMMEDIATE"));
  try {
    // Another process may have been faster.
    for (const { script } of MIGRATIONS.slice(schemaVersion(connection, path))) connection.script(script);
    connection.pragma(`application_id = ${APPLICATION_ID}`);
    connection.pragma(`user_version = ${SCHEMA_VERSION}`);
    await untilFree(call, () => connection.control("COMMIT"));
  } catch (error) {
    connection.rollback();
    throw error;
  }
}

/** What a file of a version still needs, in words. */
export function pendingSteps(version: number): string[] {
  return MIGRATIONS.slice(version).map(({ name }, i) => `version ${version + i + 1}: ${name}`);
}

/** The statements that lead from a version to the one that this code knows, for SQLite's own shell. */
export function schemaScript(fromVersion: number): string {
  const scripts = MIGRATIONS.slice(fromVersion).map(
    ({ name, script }, i) => `-- version ${fromVersion + i + 1}: ${name}\n${script}`,
  );
  const header = [`PRAGMA application_id = ${APPLICATION_ID};`, `PRAGMA user_version = ${SCHEMA_VERSION};`];
  return `BEGIN IMMEDIATE;\n${[...scripts, ...header].join("\n")}\nCOMMIT;\n`;
}
