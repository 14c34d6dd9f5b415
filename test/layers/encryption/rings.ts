// Key rings, and stores whose inside can be looked at and changed.
import { randomBytes } from "node:crypto";
import { memoryDriver } from "../../../src/backends/memory/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { storageBackend } from "../../../src/domain/backend/storage-backend.js";
import { type EncryptionOptions, encryption } from "../../../src/layers/encryption/encryption.js";
import { type KeyRing, keyRing } from "../../../src/layers/encryption/key-ring.js";

const SECRETS: { readonly [id: string]: Uint8Array } = {
  k1: randomBytes(32),
  k2: randomBytes(32),
  k3: randomBytes(32),
};

/** A ring of these keys; the first one encrypts. */
export function ring(current: string, ...others: string[]): KeyRing {
  const ids = [current, ...others];
  return keyRing({ current, keys: Object.fromEntries(ids.map((id) => [id, SECRETS[id] as Uint8Array])) });
}

/** A store in memory: as it is, and through the layer. */
export function storeWith(options: Partial<EncryptionOptions> = {}): {
  readonly raw: StorageBackend;
  readonly storage: StorageBackend;
  /** The same store through another layer. */
  readonly through: (other: Partial<EncryptionOptions>) => StorageBackend;
} {
  const driver = { ...memoryDriver(), close: async (): Promise<void> => {} };
  const through = (other: Partial<EncryptionOptions>): StorageBackend =>
    encryption({ keys: ring("k1"), ...options, ...other })(storageBackend(driver));
  return { raw: storageBackend(driver), storage: through({}), through };
}

/** What the store keeps. */
export async function recordsOf(storage: StorageBackend): Promise<StorageRecord[]> {
  const records: StorageRecord[] = [];
  for await (const record of storage.exportRecords()) records.push(record);
  return records;
}

/** Puts records in the place of what the store keeps of their subjects. */
export async function replaceRecords(raw: StorageBackend, records: readonly StorageRecord[]): Promise<void> {
  await raw.importRecords(records, { onConflict: "replace" });
}
