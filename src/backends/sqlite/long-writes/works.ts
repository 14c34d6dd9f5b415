/**
 * Writes of any length that need nothing but what is in the file. They are done in slices; what turns out to take long is undone
 * and done in another thread: COMMIT of a long transaction reads its log again, in one piece (decision 14).
 */
import type { Connection } from "../connection/connection.js";
import { deleteItems, type ItemDeletion } from "../item-deletion.js";
import { copyThread, type ThreadCopy } from "../thread-copy.js";

/** How long one may take in the thread of its caller before it is begun anew in another one, in milliseconds. */
export const LONG_WRITE_MS = 300;

/** What a work is told, and what it gives: both are sent between threads. */
export interface LongWrites {
  readonly copyThread: { readonly told: ThreadCopy; readonly gives: "copied" | "absent" | "exists" };
  readonly deleteItems: { readonly told: ItemDeletion; readonly gives: number };
}

export type LongWriteName = keyof LongWrites;

export const LONG_WRITES: {
  readonly [Name in LongWriteName]: (
    tx: Connection,
    tenant: number,
    told: LongWrites[Name]["told"],
  ) => Generator<void, LongWrites[Name]["gives"], void>;
} = { copyThread, deleteItems };
