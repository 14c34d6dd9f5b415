// The storages that the engine is tested over: it must not be able to tell them apart.
import { memoryStorage } from "../../src/backends/memory/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";

export interface StorageKind {
  readonly name: string;
  open(): StorageBackend;
}

export const storages: readonly StorageKind[] = [{ name: "memory", open: () => memoryStorage() }];
