/** The Redis backend: plain Redis or Valkey without modules, a single server, what Sentinels watch, or a cluster. */
import "../../require-node.js";
import { ClosedError, StorageConnectionError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { storageBackend } from "../../domain/backend/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
import { checkpointVerbs } from "./checkpoints.js";
import { Connection } from "./connection/connection.js";
import { makeClient } from "./connection/make-client.js";
import { conversationVerbs } from "./conversations.js";
import { mapRedisError } from "./errors.js";
import { checkHealth, isAtLeast, readDurability } from "./health.js";
import { importBatch } from "./imports.js";
import { itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { collectMetrics } from "./metrics.js";
import { type RedisStorageOptions, resolveOptions } from "./options.js";
import { exportRecords } from "./records.js";
import { replaceStored } from "./replacements.js";
import { sessionVerbs } from "./sessions.js";
import { type Store, storeOver } from "./store.js";
import { taskContextVerbs } from "./task-contexts.js";
import { threadVerbs } from "./threads.js";

export type { RedisArgument, RedisClient } from "./connection/client.js";
export type { RedisStorageOptions } from "./options.js";

/**
 * A storage on Redis: `redisStorage("redis://localhost:6379")`, or with the settings of a client of your own
 * `redisStorage({ client })`. The first connection is made by `initialize` or the first operation.
 * @throws InvalidArgumentError for a bad option
 */
export function redisStorage(options: string | RedisStorageOptions): StorageBackend {
  const given = typeof options === "string" ? { url: options } : options;
  return storageBackend(redisDriver(given), given);
}

/**
 * The driver of `redisStorage`.
 * @throws InvalidArgumentError for a bad option
 */
export function redisDriver(options: RedisStorageOptions): StorageDriver {
  const resolved = resolveOptions(options);
  let opened: Store | undefined;
  const store = (): Store => {
    if (opened === undefined) throw new ClosedError("the storage is not open");
    return opened;
  };
  const connection = (): Connection => store().connection;
  return {
    kind: "redis",
    ...sessionVerbs(connection),
    ...conversationVerbs(connection),
    ...checkpointVerbs(store),
    ...threadVerbs(store),
    ...taskContextVerbs(connection),
    ...itemVerbs(connection),
    ...leaseVerbs(connection),
    async open(call) {
      const made = new Connection(resolved, await makeClient(resolved.source, resolved.connectTimeoutMs));
      try {
        await made.connect(call);
        await assertDurable(made, call);
        opened = storeOver(made);
      } catch (error) {
        await made.close();
        throw error;
      }
    },
    async close() {
      const closing = opened;
      opened = undefined;
      await closing?.connection.close();
    },
    health: (call) => checkHealth(connection(), call),
    metrics: (call) => collectMetrics(connection(), call),
    exportRecords: (call, filter) => exportRecords(store(), call, filter),
    importBatch: (call, batch) => importBatch(connection(), call, batch),
    replaceStored: (call, replacements) => replaceStored(store(), call, replacements),
    mapError: mapRedisError,
  };
}

/** @throws StorageConnectionError when the server's settings are below what the options demand */
async function assertDurable(connection: Connection, call: Call): Promise<void> {
  const { requireDurability } = connection.options;
  if (requireDurability === undefined) return;
  const level = await readDurability(connection, call);
  if (isAtLeast(level, requireDurability)) return;
  throw new StorageConnectionError(
    `requireDurability asks for ${requireDurability}, and by the server's settings a write survives as ${level}`,
    { retryable: false },
  );
}
