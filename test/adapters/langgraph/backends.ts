// The backends that the store and the cache of LangGraph are tested on: each gives a fresh storage, closed after its test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import type { Clock } from "../../../src/domain/clock.js";

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

export const BACKENDS: readonly Backend[] = [MEMORY, SQLITE];

function closedAfterTest(storage: StorageBackend, after: () => void = () => {}): StorageBackend {
  onTestFinished(async () => {
    await storage.close();
    after();
  });
  return storage;
}
