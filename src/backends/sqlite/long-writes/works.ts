/**
 * Writes of any length that need nothing but what is in the file. They are done in slices; what turns out to take long is undone
 * and done in another thread: COMMIT of a long transaction reads its log again, in one piece (decision 14).
 */
import type { DeletionCounts } from "../../../domain/driver/storage-driver.js";
import { type CheckpointDeletion, deleteCheckpoints, type Fenced } from "../checkpoint-deletion.js";
import type { Connection } from "../connection/connection.js";
import { deleteItems, type ItemDeletion } from "../item-deletion.js";
import { type PruneStep, pruneStep, type SomeRemoved } from "../prune-step.js";
import { copyThread, type ThreadCopy } from "../thread-copy.js";

/** What a work is told, and what it gives: both are sent between threads. */
export interface LongWrites {
  readonly copyThread: { readonly told: ThreadCopy; readonly gives: "copied" | "absent" | "exists" };
  readonly deleteCheckpoints: { readonly told: CheckpointDeletion; readonly gives: DeletionCounts | Fenced };
  readonly pruneStep: { readonly told: PruneStep; readonly gives: SomeRemoved };
  readonly deleteItems: { readonly told: ItemDeletion; readonly gives: number };
}

export type LongWriteName = keyof LongWrites;

/**
 * How long one may take in the thread of its caller before it is begun anew in another one, in milliseconds. COMMIT takes a longer part
 * of what writes more: 20 to 30 ms of a second of pruning, most of which is reading.
 */
export const LONG_WRITE_MS: { readonly [Name in LongWriteName]: number } = {
  copyThread: 300,
  deleteCheckpoints: 1_500,
  deleteItems: 300,
  pruneStep: 1_500,
};

export const LONG_WRITES: {
  readonly [Name in LongWriteName]: (
    tx: Connection,
    tenant: number,
    told: LongWrites[Name]["told"],
  ) => Generator<void, LongWrites[Name]["gives"], void>;
} = { copyThread, deleteCheckpoints, deleteItems, pruneStep };
