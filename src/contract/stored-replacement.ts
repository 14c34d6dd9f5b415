/**
 * Putting another form of a stored value in its place, such as the same content under another key (P2). A port that a store may offer
 * beside the contract: nothing that the contract tells of a record changes by it but the value.
 */
import type { CallOptions } from "./call.js";
import type { MessageContent } from "./conversation-storage.js";
import type { JsonObject, Metadata } from "./json.js";
import type { StorageBackend } from "./storage-backend.js";

/** What must be stored, and what takes its place. */
interface Swap<Value> {
  readonly from: Value;
  readonly to: Value;
}

/** The metadata of a session. */
export interface SessionReplacement extends Swap<{ readonly metadata: Metadata }> {
  readonly kind: "session";
  readonly sessionId: string;
}

export interface MessageReplacement extends Swap<{ readonly content: MessageContent; readonly metadata: Metadata }> {
  readonly kind: "message";
  readonly sessionId: string;
  readonly seq: number;
}

/** A version of the task context of a session, and so of all that share it. */
export interface TaskContextReplacement extends Swap<{ readonly context: unknown; readonly metadata: Metadata }> {
  readonly kind: "task_context";
  readonly sessionId: string;
  readonly version: number;
}

/** A checkpoint. One whose state has an etag is known by that, another one by the state. */
export interface CheckpointReplacement {
  readonly kind: "checkpoint";
  readonly threadId: string;
  readonly namespace: string;
  readonly checkpointId: string;
  readonly from: { readonly etag?: string | undefined; readonly data?: unknown; readonly metadata: Metadata };
  readonly to: { readonly data: unknown; readonly metadata: Metadata };
}

export interface WriteReplacement extends Swap<{ readonly value: unknown }> {
  readonly kind: "write";
  readonly threadId: string;
  readonly namespace: string;
  readonly checkpointId: string;
  readonly taskId: string;
  readonly index: number;
}

export interface ItemReplacement extends Swap<{ readonly value: JsonObject }> {
  readonly kind: "item";
  readonly namespace: readonly string[];
  readonly key: string;
}

/** A stored value, what it must be, and what takes its place. */
export type StoredReplacement =
  | SessionReplacement
  | MessageReplacement
  | TaskContextReplacement
  | CheckpointReplacement
  | WriteReplacement
  | ItemReplacement;

/** Most replacements of one call. */
export const MAX_REPLACEMENTS = 1_000;

/** What a storage has that can do it. */
export interface StoredValues {
  /**
   * Puts values in the place of stored ones, each in one atomic step: only where what is stored is still `from`. No version, time, `seq`
   * or order moves, no lease is asked for; only the etag and the bytes of a state or context may be others. At most 1,000.
   * @returns for each whether it was replaced; `false` where the record is not there or holds something else
   * @throws InvalidArgumentError, SerializationError
   */
  replaceStored(replacements: readonly StoredReplacement[], options?: CallOptions): Promise<boolean[]>;
}

/** The port of a storage, or of a tenant's view; `undefined` where the store has none, as layers have. */
export function storedValues(storage: StorageBackend): StoredValues | undefined {
  const { replaceStored } = storage as StorageBackend & Partial<StoredValues>;
  return typeof replaceStored === "function" ? { replaceStored: replaceStored.bind(storage) } : undefined;
}
