// Databases of the official savers, made by the savers themselves from real graphs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { onTestFinished } from "vitest";
import { freshDatabase } from "../../../support/shared-postgres.js";
import { fillThreads, makeApplication } from "./official-graphs.js";

/** A database of theirs that one test has for itself. */
export interface OfficialDatabase {
  readonly url: string;
  /** The official saver on it. */
  readonly saver: BaseCheckpointSaver;
  /** Runs SQL on it. */
  sql(text: string): Promise<void>;
  /** Closes the saver: no process has the database open then. */
  close(): Promise<void>;
}

export const DATABASES: readonly (readonly [name: string, make: () => Promise<OfficialDatabase>])[] = [
  ["SqliteSaver", () => sqliteDatabase()],
  ["PostgresSaver", () => postgresDatabase()],
];

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "waystone-import-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface SqliteDatabase extends OfficialDatabase {
  readonly path: string;
  readonly saver: SqliteSaver;
}

export async function sqliteDatabase(): Promise<SqliteDatabase> {
  const path = join(temporaryFolder(), "theirs.db");
  const saver = SqliteSaver.fromConnString(path);
  onTestFinished(() => void saver.db.close());
  await fillThreads(makeApplication(saver));
  return {
    path,
    url: `sqlite:${path}`,
    saver,
    sql: async (text) => void saver.db.exec(text),
    close: async () => void saver.db.close(),
  };
}

export async function postgresDatabase(schema?: string): Promise<OfficialDatabase> {
  const url = await freshDatabase();
  const saver = PostgresSaver.fromConnString(url, schema === undefined ? undefined : { schema });
  let open = true;
  const close = async (): Promise<void> => {
    if (open) await saver.end();
    open = false;
  };
  onTestFinished(close);
  await saver.setup();
  await fillThreads(makeApplication(saver));
  // The saver's own pool, which its type keeps private.
  const { pool } = saver as unknown as { readonly pool: { query(text: string): Promise<unknown> } };
  return { url, saver, close, sql: async (text) => void (await pool.query(text)) };
}
