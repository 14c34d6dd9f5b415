// The conformance kit on the SQLite backend: with the write-ahead log, and with the rollback journal of old builds.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { type SqliteStorageOptions, sqliteStorage } from "../../src/backends/sqlite/index.js";
import { describeStorage, type StorageFactory, vitestRunner } from "../../src/testing/index.js";

/** The kit proves what the backend means, thousands of times, and not the disk: where the system has a file system in memory, there. */
const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

function factory(options: Omit<SqliteStorageOptions, "path">): StorageFactory {
  return {
    supports: {
      reopen: true,
      secondHandle: true,
      clock: true,
      vectors: true,
      storedBytes: true,
      replacements: true,
      changeFeed: true,
      freedBytes: true,
      durability: options.durability ?? "crash",
    },
    create: async () => {
      const directory = await mkdtemp(join(base, "waystone-sqlite-"));
      return {
        open: async (handle) => sqliteStorage({ ...options, ...handle, path: join(directory, "store.db") }),
        destroy: () => rm(directory, { recursive: true }),
      };
    },
  };
}

const runner = vitestRunner({ describe, it });

describeStorage("sqlite", factory({}), runner);
describeStorage("sqlite with the rollback journal", factory({ journal: "rollback" }), runner);
