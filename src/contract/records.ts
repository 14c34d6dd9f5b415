/**
 * The portable record stream (P1): what export writes and import reads, one JSON document a record.
 *
 * Sessions and messages have the specification's serialised form (snake_case keys, ISO 8601 instants, nested `metrics`)
 * plus what an exact copy needs. Encoded values (`content`, `data`, `value`, `context`) are JSON: plain values are
 * themselves, others in the codec's tagged form. Records of one subject follow each other: a session and its messages by
 * `seq`; a task context's versions, the oldest first (after all sessions); a thread, its checkpoints by `seq`, its writes;
 * an item. An import refuses what stands in another order.
 */
import type { JsonObject, JsonValue, Metadata } from "./json.js";
import type { SessionStatus } from "./session-storage.js";

export interface SessionRecord {
  readonly kind: "session";
  readonly session_id: string;
  readonly user_id: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly status: SessionStatus;
  readonly metadata: Metadata;
  readonly metrics: {
    readonly request_count: number;
    /** Seconds. */
    readonly total_processing_time: number;
    readonly error_count: number;
  };
  readonly version: number;
  readonly last_seq: number;
  readonly ttl_ms?: number;
  /** Names the task context that the session reads and writes; sessions that share one name the same. */
  readonly context_id?: string;
}

export interface MessageRecord {
  readonly kind: "message";
  readonly session_id: string;
  readonly seq: number;
  readonly message_id: string;
  readonly role: string;
  readonly content: JsonValue;
  readonly timestamp: string;
  readonly metadata: Metadata;
}

export interface TaskContextRecord {
  readonly kind: "task_context";
  readonly context_id: string;
  readonly version: number;
  readonly context: JsonValue;
  readonly metadata: Metadata;
  readonly created_at: string;
}

export interface ThreadRecord {
  readonly kind: "thread";
  readonly thread_id: string;
  readonly session_id?: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly last_seq: number;
}

export interface CheckpointRecord {
  readonly kind: "checkpoint";
  readonly thread_id: string;
  readonly namespace: string;
  readonly checkpoint_id: string;
  readonly parent_id?: string;
  readonly session_id?: string;
  readonly needs_parent?: true;
  readonly seq: number;
  readonly data: JsonValue;
  readonly metadata: Metadata;
  readonly created_at: string;
}

export interface WriteRecord {
  readonly kind: "write";
  readonly thread_id: string;
  readonly namespace: string;
  readonly checkpoint_id: string;
  readonly task_id: string;
  readonly task_path: string;
  readonly index: number;
  readonly channel: string;
  readonly value: JsonValue;
}

export interface ItemRecord {
  readonly kind: "item";
  readonly namespace: readonly string[];
  readonly key: string;
  readonly value: JsonObject;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
  readonly ttl_ms?: number;
  readonly expires_at?: string;
  /** Each the base64 text of its numbers as little-endian 32-bit floats. */
  readonly vectors?: readonly string[];
}

export type StorageRecord =
  | SessionRecord
  | MessageRecord
  | TaskContextRecord
  | ThreadRecord
  | CheckpointRecord
  | WriteRecord
  | ItemRecord;

export type RecordKind = StorageRecord["kind"];

/** Which records to export. Default: all of the tenant. */
export interface ExportFilter {
  /** Only this session, its messages, contexts and linked threads. Not together with `threadId`. */
  readonly sessionId?: string | undefined;
  /** Only this thread. */
  readonly threadId?: string | undefined;
  /** Only these kinds. A message, checkpoint or write without the record that its subject begins with cannot be imported. */
  readonly kinds?: readonly RecordKind[] | undefined;
  /**
   * Only what came later: the session of `sessionId` and its messages, or the thread of `threadId` and its checkpoints with their writes,
   * whose `seq` is larger. Only together with one of these two.
   */
  readonly after?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportOptions {
  /**
   * What happens to a subject (session, task context, thread, item) that the store already has: reject with `ConflictError`
   * (default), leave the stored one as it is, replace it whole, or extend it: a session, thread or task context takes over the row of the
   * whole and gets what follows, which has to come after all that it has ever had, and an item is replaced. A session or thread that is not
   * the same one (made at another time, by another user, linked to another session) or that has gone on by itself is rejected with
   * `ConflictError`.
   */
  readonly onConflict?: "error" | "skip" | "replace" | "extend" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportReport {
  /** Records stored, by kind. */
  readonly imported: { readonly [Kind in RecordKind]: number };
  /** Records left out because their subject was already there. */
  readonly skipped: number;
  /** Subjects that were replaced. */
  readonly replaced: number;
}
