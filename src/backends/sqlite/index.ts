/** The SQLite backend: one file, many processes, nothing to install. */
import "../../require-node.js";
import { ClosedError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { StorageSchema } from "../../contract/storage-schema.js";
import { storageBackend } from "../../domain/backend/storage-backend.js";
import { storageSchema } from "../../domain/backend/storage-schema.js";
import type { Call } from "../../domain/driver/call.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
import { changeFeed } from "./changes.js";
import { checkpointVerbs } from "./checkpoints.js";
import { conversationVerbs } from "./conversations.js";
import { mapSqliteError } from "./errors.js";
import { checkHealth } from "./health.js";
import { importBatch } from "./imports.js";
import { itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { collectMetrics } from "./metrics.js";
import { resolveOptions, type SqliteStorageOptions } from "./options.js";
import { exportRecords } from "./records.js";
import { replaceStored } from "./replacements.js";
import { pendingSteps, SCHEMA_VERSION, schemaScript } from "./schema/migrate.js";
import { sessionVerbs } from "./sessions.js";
import { OpenFile, versionOfFile } from "./store.js";
import { taskContextVerbs } from "./task-contexts.js";
import { threadVerbs } from "./threads.js";

export type { SqliteStorageOptions } from "./options.js";

/**
 * A storage in a SQLite file: `sqliteStorage("./agent.db")`. The file is opened by `initialize` or the first operation.
 * @throws InvalidArgumentError for a bad option
 */
export function sqliteStorage(options: string | SqliteStorageOptions): StorageBackend {
  const given = typeof options === "string" ? { path: options } : options;
  return storageBackend(sqliteDriver(given), given);
}

/**
 * The driver of `sqliteStorage`.
 * @throws InvalidArgumentError for a bad option
 */
export function sqliteDriver(options: SqliteStorageOptions): StorageDriver {
  const resolved = resolveOptions(options);
  let opened: OpenFile | undefined;
  const file = (): OpenFile => {
    if (opened === undefined) throw new ClosedError("the file is not open");
    return opened;
  };
  return {
    kind: "sqlite",
    ...(resolved.changeFeed ? { changes: changeFeed(() => opened) } : {}),
    ...sessionVerbs(file),
    ...conversationVerbs(file),
    ...checkpointVerbs(file),
    ...threadVerbs(file),
    ...taskContextVerbs(file),
    ...itemVerbs(file),
    ...leaseVerbs(file),
    async open(call) {
      opened = await OpenFile.open(resolved, call);
      await opened.wakeMaintenance(call);
    },
    async close() {
      await opened?.close();
      opened = undefined;
    },
    health: (call) => checkHealth(file(), call),
    metrics: (call) => collectMetrics(file(), call),
    exportRecords: (call, filter) => exportRecords(file(), call, filter),
    importBatch: (call, batch) => importBatch(file(), call, batch),
    replaceStored: (call, replacements) => replaceStored(file(), call, replacements),
    mapError: (error) => mapSqliteError(error, resolved.path),
  };
}

/**
 * The schema of a SQLite file: to look at, to migrate, or as SQL. Only `migrate` makes a file that is not there.
 * @throws InvalidArgumentError for a bad option
 */
export function sqliteStorageSchema(options: string | SqliteStorageOptions): StorageSchema {
  const given = typeof options === "string" ? { path: options } : options;
  const resolved = resolveOptions(given);
  const driver = {
    kind: "sqlite",
    wantedVersion: SCHEMA_VERSION,
    // Each call opens the file for itself.
    open: async () => undefined,
    close: async () => undefined,
    script: schemaScript,
    async status(call: Call) {
      const version = await versionOfFile(resolved.path, call);
      return { version, pending: pendingSteps(version) };
    },
    async migrate(call: Call) {
      await (await OpenFile.open(resolved, call)).close();
    },
    mapError: (error: unknown) => mapSqliteError(error, resolved.path),
  };
  return storageSchema(driver, given);
}
