/** Batches of an import: parsed records in groups, one group a subject. */
import type { StoredText } from "../codec/long-text.js";
import type { StoredItem, StoredMessage, StoredSession, StoredVectors, StoredWrite } from "./stored.js";

export type ImportSubject =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "task_context"; readonly id: string }
  | { readonly kind: "thread"; readonly id: string }
  | { readonly kind: "item"; readonly namespace: readonly string[]; readonly key: string };

export type ImportRow =
  | {
      readonly kind: "session";
      readonly session: Omit<StoredSession, "messageCount">;
      readonly contextId: string | null;
    }
  | { readonly kind: "message"; readonly message: StoredMessage }
  | {
      readonly kind: "task_context";
      readonly version: number;
      readonly context: StoredText;
      readonly sizeBytes: number;
      readonly metadata: string;
      readonly createdAt: number;
    }
  | {
      readonly kind: "thread";
      readonly sessionId: string | null;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly lastSeq: number;
    }
  | {
      readonly kind: "checkpoint";
      readonly namespace: string;
      readonly checkpointId: string;
      readonly parentId: string | null;
      readonly sessionId: string | null;
      readonly needsParent: boolean;
      readonly seq: number;
      readonly data: StoredText;
      readonly sizeBytes: number;
      readonly metadata: string;
      readonly createdAt: number;
    }
  | { readonly kind: "write"; readonly namespace: string; readonly checkpointId: string; readonly write: StoredWrite }
  | { readonly kind: "item"; readonly item: StoredItem; readonly vectors: StoredVectors | null };

/** What became of a subject: stored, left as it was, removed whole and stored anew, or gone on with. */
export type GroupVerdict = "imported" | "skipped" | "replaced" | "extended";

export interface ImportGroup {
  readonly subject: ImportSubject;
  /** The verdict that the batch before gave this subject when its records go on; `null` when the subject begins here. */
  readonly continued: GroupVerdict | null;
  /** Number of the first row's record in the stream, from 1; those of the others follow. */
  readonly firstRecord: number;
  readonly rows: readonly ImportRow[];
}

/**
 * Rules for a driver: a group whose subject begins here asks whether the store has it (a task context: whether any version is
 * stored under its id; an expired session counts as absent) and follows `onConflict`; `error` throws `ConflictError` and the
 * whole batch is undone. A message or checkpoint whose id its
 * subject has already is refused (`doubledId` in `domain/records/import-refusals.ts`), and the batch with it. A task context that no stored session names is `skipped`. A session row that names a context id links
 * to it, whether its versions have come or not. A thread linked to a session that is not stored keeps the link out (`null`).
 * `extend` asks `domain/records/extension.ts` whether the rows go on from what is stored, puts the row of the whole in the place of the
 * stored one, and adds the others; a write takes the place of one that is there.
 * Vectors that do not fit those below their first label refuse the batch (`assertDimensions`).
 */
export interface ImportBatch {
  readonly onConflict: "error" | "skip" | "replace" | "extend";
  readonly groups: readonly ImportGroup[];
}
