// SQLite stores in directories of their own, for tests that walk over backends.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";

export const sqliteFactory: StorageFactory = {
  supports: {
    reopen: true,
    secondHandle: true,
    clock: true,
    vectors: true,
    replacements: true,
    changeFeed: true,
    durability: "crash",
  },
  create: async () => {
    const directory = await mkdtemp(join(tmpdir(), "waystone-programs-"));
    return {
      open: async (options) => sqliteStorage({ ...options, path: join(directory, "store.db") }),
      destroy: () => rm(directory, { recursive: true }),
    };
  },
};
