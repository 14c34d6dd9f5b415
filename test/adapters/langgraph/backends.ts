// The backends that the store and the cache of LangGraph are tested on: each gives a fresh storage, closed after its test.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import type { Clock } from "../../../src/domain/clock.js";
import { sharedRedis } from "../../support/redis-server.js";
import { freshDatabase } from "../../support/shared-postgres.js";

/** A backend to test on, and how to open a fresh storage of it. */
export type Backend = readonly [name: string, open: (clock?: Clock) => StorageBackend];

const MEMORY: Backend = ["memory", (clock) => closedAfterTest(memoryStorage(clock === undefined ? {} : { clock }))];

const SQLITE: Backend = [
  "SQLite",
  (clock) => {
    const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-"));
    const path = join(folder, "store.db");
    const storage = sqliteStorage({ path, durability: "process", ...(clock === undefined ? {} : { clock }) });
    return closedAfterTest(storage, () => rmSync(folder, { recursive: true, force: true }));
  },
];

const url = await freshDatabase();

const POSTGRES: Backend = [
  "PostgreSQL",
  (clock) => closedAfterTest(postgresStorage({ url, tenant: randomUUID(), ...(clock === undefined ? {} : { clock }) })),
];

const redisUrl = await sharedRedis();

const REDIS: Backend = [
  "Redis",
  (clock) =>
    closedAfterTest(redisStorage({ url: redisUrl, tenant: randomUUID(), ...(clock === undefined ? {} : { clock }) })),
];

/** Those that keep vectors. */
export const VECTOR_BACKENDS: readonly Backend[] = [MEMORY, SQLITE];

export const BACKENDS: readonly Backend[] = [...VECTOR_BACKENDS, POSTGRES, REDIS];

function closedAfterTest(storage: StorageBackend, after: () => void = () => {}): StorageBackend {
  onTestFinished(async () => {
    await storage.close();
    after();
  });
  return storage;
}
