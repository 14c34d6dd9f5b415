/** Opens the database of an official saver by its URL. */
import { InvalidArgumentError } from "../../../contract/errors.js";
import { decodedPath, filePathOf } from "../../../domain/file-url.js";
import { openPostgresSource } from "./postgres-source.js";
import type { LangGraphSource } from "./source.js";
import { openSqliteSource } from "./sqlite-source.js";

export interface OpenLangGraphOptions {
  /** PostgreSQL: the schema of their tables. Default `public`. */
  readonly schema?: string | undefined;
}

/**
 * Opens the database for reading: `sqlite:./checkpoints.db`, `postgres://user@host/database`. Close it when the import is done.
 * @throws InvalidArgumentError when it is not LangGraph's; UnsupportedError for LangGraph for Python; StorageConnectionError
 */
export async function openLangGraph(url: string, { schema }: OpenLangGraphOptions = {}): Promise<LangGraphSource> {
  if (/^postgres(ql)?:\/\//i.test(url)) return await openPostgresSource(url, schema ?? "public");
  const path = /^sqlite:(.+)$/is.exec(url)?.[1];
  // No word of the URL: it may hold a password.
  if (path === undefined) {
    throw new InvalidArgumentError("the database to import is named by sqlite:./checkpoints.db or postgres://…");
  }
  if (path.includes("?")) throw new InvalidArgumentError("the URL of a SQLite database to import takes no options");
  if (schema !== undefined) throw new InvalidArgumentError("schema is an option of PostgreSQL");
  return openSqliteSource(filePathOf(decodedPath(path)));
}
