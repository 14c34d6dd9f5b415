// Savers over each backend: one that lives in memory, and those whose store is opened anew each time.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { WaystoneSaver, type WaystoneSaverOptions } from "../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { sharedRedis } from "../../support/redis-server.js";
import { freshDatabase } from "../../support/shared-postgres.js";

/** The backends by name; each makes a function that gives a saver as a new process would have it. */
export const STORAGES: readonly (readonly [name: string, open: () => OpenSaver])[] = [
  ["memory", memorySavers],
  ["SQLite, opened anew each time", sqliteSavers],
  ["PostgreSQL, opened anew each time", postgresSavers],
  ["Redis, opened anew each time", redisSavers],
];

/** A saver over the same data as the one before. */
export type OpenSaver = (options?: WaystoneSaverOptions) => Promise<WaystoneSaver>;

/** What a saver reads and writes, and the storage itself. */
export function memorySaver(options?: WaystoneSaverOptions): { saver: WaystoneSaver; storage: StorageBackend } {
  const storage = memoryStorage();
  return { saver: new WaystoneSaver(storage, options), storage };
}

function memorySavers(): OpenSaver {
  const storage = memoryStorage();
  return async (options) => new WaystoneSaver(storage, options);
}

let database: Promise<string> | undefined;

function postgresSavers(): OpenSaver {
  database ??= freshDatabase();
  const url = database;
  const tenant = randomUUID();
  let storage: StorageBackend | undefined;
  onTestFinished(async () => storage?.close());
  return async (options) => {
    await storage?.close();
    storage = postgresStorage({ url: await url, tenant });
    return new WaystoneSaver(storage, options);
  };
}

function redisSavers(): OpenSaver {
  const tenant = randomUUID();
  let storage: StorageBackend | undefined;
  onTestFinished(async () => storage?.close());
  return async (options) => {
    await storage?.close();
    storage = redisStorage({ url: await sharedRedis(), tenant });
    return new WaystoneSaver(storage, options);
  };
}

function sqliteSavers(): OpenSaver {
  const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-"));
  let storage: StorageBackend | undefined;
  onTestFinished(async () => {
    await storage?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return async (options) => {
    await storage?.close();
    storage = sqliteStorage(join(folder, "store.db"));
    return new WaystoneSaver(storage, options);
  };
}
