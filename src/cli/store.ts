/** The store that a command works on. Only a command that fills a store creates one. */
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import type { StorageBackend } from "../contract/storage-backend.js";
import { filePathOf } from "../domain/file-url.js";
import { DEFAULT_URL, openStorage, parseUrl } from "../open.js";
import { CommandFailure, fileFailure } from "./command-failure.js";
import type { Invocation } from "./invocation.js";

export interface StoreOptions {
  /** Create the store if it is not there. Default `false`. */
  readonly create?: boolean;
  /** Open it now, so that a failure to open is told as such. Default `true`. */
  readonly initialize?: boolean;
}

/**
 * Opens the store, lets the command use it and closes it again.
 * @throws CommandFailure `STORE_NOT_FOUND`; what opening and using throw
 */
export async function withStore<T>(
  invocation: Invocation,
  use: (storage: StorageBackend) => Promise<T>,
  { create = false, initialize = true }: StoreOptions = {},
): Promise<T> {
  const url = invocation.url ?? process.env.WAYSTONE_URL ?? DEFAULT_URL;
  if (!create) requireStore(url);
  const { tenant, timeoutMs } = invocation;
  const storage = await openStorage(url, { tenant, timeoutMs, initialize });
  try {
    if (storage.kind === "memory") invocation.note("a memory: store is new and empty, and ends with this command");
    return await use(storage);
  } finally {
    await storage.close();
  }
}

/** Opening a SQLite file that is not there would make an empty store of it, and reading that would answer with nothing. */
function requireStore(url: string): void {
  const { scheme, path } = parseUrl(url);
  if (scheme !== "sqlite") return;
  const file = resolve(filePathOf(path));
  let stats: Stats;
  try {
    stats = statSync(file);
    if (stats.isFile()) accessSync(file, constants.R_OK);
  } catch (error) {
    const failure = fileFailure(error, path);
    throw failure instanceof CommandFailure && failure.code === "NOT_FOUND" ? storeNotFound(path, error) : failure;
  }
  if (stats.isFile() && stats.size === 0) throw storeNotFound(path);
}

function storeNotFound(path: string, cause?: unknown): CommandFailure {
  return new CommandFailure("STORE_NOT_FOUND", `there is no store at ${JSON.stringify(path)}`, {
    hint: `name the store with --url or WAYSTONE_URL; openStorage(${JSON.stringify(`sqlite:${path}`)}) in a program, or \`waystone import\`, creates it`,
    cause,
  });
}
