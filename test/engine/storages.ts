// The storages that the engine is tested over: it must not be able to tell them apart.
import { join } from "node:path";
import { afterAll } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { temporaryFolder } from "../support/packed-package.js";

export interface StorageKind {
  readonly name: string;
  /** An empty storage. */
  open(): StorageBackend;
  /** An empty storage of which tenants can be asked for. */
  openRoot(): StorageBackend;
}

const folder = temporaryFolder();
const files: StorageBackend[] = [];
let tenants = 0;

function newFile(): StorageBackend {
  const storage = sqliteStorage({ path: join(folder.path, `${files.length}.db`), durability: "process" });
  files.push(storage);
  return storage;
}

/** Tests open hundreds of storages: each is a tenant's view of one file. */
const shared = newFile();

afterAll(async () => {
  await Promise.all(files.map((file) => file.close()));
  folder[Symbol.dispose]();
});

export const storages: readonly StorageKind[] = [
  { name: "memory", open: () => memoryStorage(), openRoot: () => memoryStorage() },
  { name: "sqlite", open: () => shared.tenant(`t${++tenants}`), openRoot: newFile },
];
