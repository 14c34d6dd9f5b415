/** What the layer knows of the storages that it was put around: for those who look at what is stored below it. */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { innerOf } from "../layer.js";
import type { KeyRing } from "./key-ring.js";
import type { TenantSeals } from "./tenant-seals.js";

/** The view of one tenant. */
export interface EncryptedStorage {
  /** The storage that all layers are around. */
  readonly root: StorageBackend;
  readonly tenant: string;
  readonly seals: TenantSeals;
  readonly keys: KeyRing;
}

/** By the storage that the layer made. */
export const encryptedStorages: WeakMap<StorageBackend, EncryptedStorage> = new WeakMap();

/** What the layer knows of a storage, also where other layers are around it. */
export function encryptedStorage(storage: StorageBackend): EncryptedStorage | undefined {
  for (let each: StorageBackend | undefined = storage; each !== undefined; each = innerOf(each)) {
    const known = encryptedStorages.get(each);
    if (known !== undefined) return known;
  }
  return undefined;
}
