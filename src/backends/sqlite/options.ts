/** Options of the SQLite backend. */
import { resolve } from "node:path";
import { InvalidArgumentError } from "../../contract/errors.js";
import { boolean, integer, knownFields, oneOf, string } from "../../domain/arguments.js";
import type { StorageBackendOptions } from "../../domain/backend/storage-backend.js";
import type { Clock } from "../../domain/clock.js";
import { systemClock } from "../../domain/clock.js";
import { keepVersionsOption } from "../../domain/task-contexts.js";
import type { Durability } from "./connection/journal.js";

export interface SqliteStorageOptions extends StorageBackendOptions {
  /** The file; it and its directories are created when they are not there. Relative to the working directory. */
  readonly path: string;
  /**
   * What an acknowledged write survives: `crash` power loss too (default), `process` the end of the process only, which is
   * several times faster where syncing to disk is slow. With the write-ahead log neither damages the file; with a rollback
   * journal SQLite leaves `process` a very small chance of damage at power loss.
   */
  readonly durability?: Durability | undefined;
  /**
   * `auto` (default): the write-ahead log, but the rollback journal on SQLite builds with the WAL-reset bug. `rollback`: for a
   * file system without shared memory, such as a network share.
   */
  readonly journal?: "auto" | "rollback" | undefined;
  /** Task context versions that are kept (T2). Default 20. */
  readonly keepVersions?: number | undefined;
  /**
   * Most bytes of memory for vectors of items, at least 0, about. Searches by similarity keep the vectors that they compare there;
   * a tenant's that do not fit are read from the file by each search. Default 268,435,456 (256 MiB).
   */
  readonly vectorCacheBytes?: number | undefined;
  /** Caches ask the file before each use whether others have written to it (F8): a few microseconds. Default `false`. */
  readonly changeFeed?: boolean | undefined;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  /** Absolute. */
  readonly path: string;
  readonly durability: Durability;
  readonly journal: "auto" | "rollback";
  readonly clock: Clock;
  readonly keepVersions: number;
  readonly vectorCacheBytes: number;
  readonly changeFeed: boolean;
}

/** 100,000 vectors of 384 dimensions, and half as many again. */
const VECTOR_CACHE_BYTES = 256 * 1024 * 1024;

const FIELDS = [
  "path",
  "durability",
  "journal",
  "clock",
  "timeoutMs",
  "keepVersions",
  "vectorCacheBytes",
  "changeFeed",
  "tenant",
] as const;

/** @throws InvalidArgumentError */
export function resolveOptions(options: SqliteStorageOptions): ResolvedOptions {
  const given = knownFields(options, "options", FIELDS);
  const { path, durability, journal, clock, keepVersions, vectorCacheBytes } = given;
  return {
    path: resolve(filePath(path)),
    durability: durability === undefined ? "crash" : oneOf(durability, "durability", ["crash", "process"]),
    journal: journal === undefined ? "auto" : oneOf(journal, "journal", ["auto", "rollback"]),
    clock: clock ?? systemClock,
    keepVersions: keepVersionsOption(keepVersions),
    vectorCacheBytes:
      vectorCacheBytes === undefined ? VECTOR_CACHE_BYTES : integer(vectorCacheBytes, "vectorCacheBytes", { min: 0 }),
    changeFeed: given.changeFeed !== undefined && boolean(given.changeFeed, "changeFeed"),
  };
}

function filePath(value: unknown): string {
  const path = string(value, "path");
  if (path === "") throw new InvalidArgumentError("path must not be empty");
  if (path.includes("\0")) throw new InvalidArgumentError("path must not contain NUL");
  if (path === ":memory:") {
    throw new InvalidArgumentError("path must name a file; the storage without a file is memory:");
  }
  return path;
}
