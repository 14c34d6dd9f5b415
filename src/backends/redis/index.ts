/** The Redis backend: plain Redis or Valkey without modules, a single server, what Sentinels watch, or a cluster. */
import "../../require-node.js";
import { ClosedError, StorageConnectionError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { storageBackend } from "../../domain/backend/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import { notingChanges } from "../../domain/driver/changes.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
import { RedisChanges } from "./changes.js";
import { Connection } from "./connection/connection.js";
import { makeClient } from "./connection/make-client.js";
import { senderOf } from "./connection/sender.js";
import { mapRedisError } from "./errors.js";
import { checkHealth, isAtLeast, readDurability } from "./health.js";
import { type RedisStorageOptions, resolveOptions } from "./options.js";
import { shardCount } from "./shards/shard-count.js";
import { type Store, storeOver } from "./store.js";
import { type Verbs, verbsOf } from "./verbs.js";
import { verbsOver } from "./verbs-over.js";

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
  let opened: { readonly store: Store; readonly verbs: Verbs } | undefined;
  const current = (): { readonly store: Store; readonly verbs: Verbs } => {
    if (opened === undefined) throw new ClosedError("the storage is not open");
    return opened;
  };
  const changes = resolved.changeFeed
    ? new RedisChanges(resolved.prefix, () => makeClient(resolved.source, resolved.connectTimeoutMs))
    : undefined;
  const driver: StorageDriver = {
    kind: "redis",
    ...(changes === undefined ? {} : { changes: changes.feed }),
    ...verbsOf(() => current().verbs),
    async open(call) {
      const client = await makeClient(resolved.source, resolved.connectTimeoutMs);
      const made = new Connection(resolved, client, await senderOf(client));
      try {
        await made.connect(call);
        await assertDurable(made, call);
        made.telling = changes?.telling;
        const store = storeOver(made, await shardCount(made, call));
        opened = { store, verbs: verbsOver(store) };
        changes?.open();
      } catch (error) {
        await made.close();
        throw error;
      }
    },
    async close() {
      const closing = opened;
      opened = undefined;
      await changes?.close();
      await closing?.store.connection.close();
    },
    health: (call) => checkHealth(current().store.connection, call),
    mapError: mapRedisError,
  };
  return changes === undefined ? driver : notingChanges(driver);
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
