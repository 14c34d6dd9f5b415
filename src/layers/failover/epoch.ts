/** Who is in charge of a pair of stores, written into both of them: a failover that another one has taken over from stops writing. */
import { ConflictError, FencedError, isStorageError } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { Side } from "./side.js";

/** The tenant that holds what is the failover's own. */
export const RESERVED_TENANT = "waystone.failover";

const NAMESPACE = ["pair"];
const KEY = "epoch";

export interface Stamp {
  /** Grows with each change of the store in charge, and with each failover that begins with a new journal. */
  readonly epoch: number;
  /** Names the journal of the failover in charge. */
  readonly journal: string;
  readonly serving: Side;
}

/** What a store says, `undefined` if nobody was in charge yet. */
export async function readStamp(store: StorageBackend, timeoutMs: number): Promise<Stamp | undefined> {
  return (await stored(store, timeoutMs))?.stamp;
}

/**
 * Writes a stamp into a store, by compare-and-set.
 * @throws FencedError if another failover has taken over
 */
export async function putStamp(store: StorageBackend, stamp: Stamp, timeoutMs: number): Promise<void> {
  for (;;) {
    const before = await stored(store, timeoutMs);
    assertInCharge(before?.stamp, stamp);
    try {
      const expectedVersion = before?.version ?? 0;
      await store.tenant(RESERVED_TENANT).putItem(NAMESPACE, KEY, { ...stamp }, { expectedVersion, timeoutMs });
      return;
    } catch (error) {
      if (!isStorageError(error) || error.code !== "CONFLICT") throw error;
    }
  }
}

/** @throws FencedError if what a store says is of a later failover than ours */
export function assertInCharge(found: Stamp | undefined, ours: Stamp): void {
  if (found === undefined || found.journal === ours.journal || found.epoch < ours.epoch) return;
  throw new FencedError("another failover, with another journal, has taken these stores over");
}

/** @throws ConflictError if only another journal knows what the primary misses */
export function assertTakeable(found: Stamp | undefined): void {
  if (found?.serving !== "fallback") return;
  throw new ConflictError(
    "the fallback was in charge of these stores: only the journal of that time can take them over",
  );
}

async function stored(
  store: StorageBackend,
  timeoutMs: number,
): Promise<{ readonly stamp: Stamp; readonly version: number } | undefined> {
  const item = await store.tenant(RESERVED_TENANT).getItem(NAMESPACE, KEY, { timeoutMs });
  return item === undefined ? undefined : { stamp: item.value as unknown as Stamp, version: item.version };
}
