/** The SQLite backend: one file, many processes, nothing to install. */
import "../../require-node.js";
import { ClosedError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { storageBackend } from "../../domain/backend/storage-backend.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
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
import { sessionVerbs } from "./sessions.js";
import { OpenFile } from "./store.js";
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
    mapError: (error) => mapSqliteError(error, resolved.path),
  };
}
