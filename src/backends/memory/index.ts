/** The memory backend: nothing outlives the process. It is the reference for what every other backend does. */
import "../../require-node.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { boolean } from "../../domain/arguments.js";
import { type StorageBackendOptions, storageBackend } from "../../domain/backend/storage-backend.js";
import { systemClock } from "../../domain/clock.js";
import type { Call } from "../../domain/driver/call.js";
import type { ImportBatch } from "../../domain/driver/imports.js";
import type { ReplacementRow } from "../../domain/driver/replacements.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import { keepVersionsOption } from "../../domain/task-contexts.js";
import { inTurn } from "./alone.js";
import { tellingChanges } from "./changes.js";
import { checkpointVerbs } from "./checkpoints.js";
import { conversationVerbs } from "./conversations.js";
import { importBatch } from "./imports.js";
import { itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { collectMetrics } from "./metrics.js";
import { exportRecords } from "./records.js";
import { replaceStored } from "./replacements.js";
import { sessionVerbs } from "./sessions.js";
import type { MemoryStore } from "./state.js";
import { taskContextVerbs } from "./task-contexts.js";
import { threadVerbs } from "./threads.js";

export interface MemoryStorageOptions extends StorageBackendOptions {
  /** How many of a task context's newest versions are kept, 1 to 10,000. Default 20 (T2). */
  readonly keepVersions?: number | undefined;
  /** Tells who subscribes what is written, also by himself, so that caches let go of it (F8). Default `false`. */
  readonly changeFeed?: boolean | undefined;
}

/**
 * A storage in the memory of this process, empty at first.
 * @throws InvalidArgumentError for a bad option
 */
export function memoryStorage(options: MemoryStorageOptions = {}): StorageBackend {
  return storageBackend(memoryDriver(options), options);
}

/** The driver of `memoryStorage`. */
export function memoryDriver(options: MemoryStorageOptions = {}): StorageDriver {
  const store: MemoryStore = {
    clock: options.clock ?? systemClock,
    keepVersions: keepVersionsOption(options.keepVersions),
    tenants: new Map(),
    outlines: new RecentOutlines(),
  };
  const driver: StorageDriver = {
    kind: "memory",
    ...inTurn(store, {
      ...sessionVerbs(store),
      ...conversationVerbs(store),
      ...checkpointVerbs(store),
      ...threadVerbs(store),
      ...taskContextVerbs(store),
      ...itemVerbs(store),
      ...leaseVerbs(store),
      metrics: (call: Call) => collectMetrics(store, call),
      importBatch: (call: Call, batch: ImportBatch) => importBatch(store, call, batch),
      replaceStored: (call: Call, replacements: readonly ReplacementRow[]) => replaceStored(store, call, replacements),
    }),
    open: async () => {},
    close: async () => {
      store.tenants.clear();
      store.outlines.clear();
    },
    health: async () => ({
      durability: "memory",
      checks: [{ name: "memory", status: "ok", message: "held in the memory of this process" }],
    }),
    exportRecords: (call, filter) => exportRecords(store, call, filter),
    // The store is plain data: nothing but our own errors comes out of it.
    mapError: (error) => error,
  };
  const isFed = options.changeFeed !== undefined && boolean(options.changeFeed, "changeFeed");
  return isFed ? tellingChanges(driver) : driver;
}
