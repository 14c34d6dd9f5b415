/** Stored rows as records, for a driver's `exportRecords` (P1). */

import { CorruptionError } from "../../contract/errors.js";
import type { JsonObject, JsonValue } from "../../contract/json.js";
import type {
  CheckpointRecord,
  ItemRecord,
  MessageRecord,
  SessionRecord,
  StorageRecord,
  TaskContextRecord,
  ThreadRecord,
  WriteRecord,
} from "../../contract/records.js";
import { isLongText, toPortable, toPortableInSteps } from "../codec/codec.js";
import type { StoredText } from "../codec/long-text.js";
import type {
  StoredCheckpoint,
  StoredContext,
  StoredItem,
  StoredMessage,
  StoredSession,
  StoredThread,
  StoredVectors,
  StoredWrite,
} from "../driver/stored.js";
import { decodeMetadata, decodeMetadataInSteps } from "../metadata.js";
import { instantText } from "./instants.js";
import { vectorTexts } from "./vector-texts.js";

/** `contextId` names the task context that the session reads and writes, `null` for none. */
export function sessionRecord(stored: StoredSession, contextId: string | null): SessionRecord {
  return {
    kind: "session",
    session_id: stored.sessionId,
    user_id: stored.userId,
    created_at: instantText(stored.createdAt),
    updated_at: instantText(stored.updatedAt),
    status: stored.status,
    metadata: decodeMetadata(stored.metadata),
    metrics: {
      request_count: stored.requestCount,
      total_processing_time: stored.totalProcessingTime,
      error_count: stored.errorCount,
    },
    version: stored.version,
    last_seq: stored.lastSeq,
    ...(stored.ttlMs === null ? {} : { ttl_ms: stored.ttlMs }),
    ...(contextId === null ? {} : { context_id: contextId }),
  };
}

export function messageRecord(
  sessionId: string,
  stored: StoredMessage,
  content: JsonValue = toPortable(String(stored.content)),
): MessageRecord {
  return {
    kind: "message",
    session_id: sessionId,
    seq: stored.seq,
    message_id: stored.messageId,
    role: stored.role,
    content,
    timestamp: instantText(stored.timestamp),
    metadata: decodeMetadata(stored.metadata),
  };
}

export function taskContextRecord(
  contextId: string,
  stored: StoredContext,
  context: JsonValue = toPortable(String(contextText(stored))),
): TaskContextRecord {
  return {
    kind: "task_context",
    context_id: contextId,
    version: stored.version,
    context,
    metadata: decodeMetadata(stored.metadata),
    created_at: instantText(stored.createdAt),
  };
}

/** `lastSeq` is the largest `seq` that the thread ever gave to a checkpoint. */
export function threadRecord(
  stored: Omit<StoredThread, "checkpointCount"> & { readonly lastSeq: number },
): ThreadRecord {
  return {
    kind: "thread",
    thread_id: stored.threadId,
    ...(stored.sessionId === null ? {} : { session_id: stored.sessionId }),
    created_at: instantText(stored.createdAt),
    updated_at: instantText(stored.updatedAt),
    last_seq: stored.lastSeq,
  };
}

export function checkpointRecord(
  threadId: string,
  stored: Omit<StoredCheckpoint, "sizeBytes" | "etag" | "writes">,
  data: JsonValue = toPortable(String(stateText(stored))),
): CheckpointRecord {
  return {
    kind: "checkpoint",
    thread_id: threadId,
    namespace: stored.namespace,
    checkpoint_id: stored.checkpointId,
    ...(stored.parentId === null ? {} : { parent_id: stored.parentId }),
    ...(stored.sessionId === null ? {} : { session_id: stored.sessionId }),
    ...(stored.needsParent ? { needs_parent: true } : {}),
    seq: stored.seq,
    data,
    metadata: decodeMetadata(stored.metadata),
    created_at: instantText(stored.createdAt),
  };
}

export function writeRecord(
  threadId: string,
  namespace: string,
  checkpointId: string,
  write: StoredWrite,
  value: JsonValue = toPortable(String(write.value)),
): WriteRecord {
  return {
    kind: "write",
    thread_id: threadId,
    namespace,
    checkpoint_id: checkpointId,
    task_id: write.taskId,
    task_path: write.taskPath,
    index: write.index,
    channel: write.channel,
    value,
  };
}

/** The writes that were read with a checkpoint. */
export function* writeRecords(
  threadId: string,
  { namespace, checkpointId, writes }: Pick<StoredCheckpoint, "namespace" | "checkpointId" | "writes">,
): Generator<WriteRecord> {
  for (const write of writes ?? []) yield writeRecord(threadId, namespace, checkpointId, write);
}

export function itemRecord(
  stored: StoredItem,
  vectors: StoredVectors | null,
  value: JsonObject = decodeMetadata(stored.value),
): ItemRecord {
  return {
    kind: "item",
    namespace: [...stored.namespace],
    key: stored.key,
    value,
    version: stored.version,
    created_at: instantText(stored.createdAt),
    updated_at: instantText(stored.updatedAt),
    ...(stored.ttlMs === null ? {} : { ttl_ms: stored.ttlMs }),
    ...(stored.expiresAt === null ? {} : { expires_at: instantText(stored.expiresAt) }),
    ...(vectors === null ? {} : { vectors: vectorTexts(vectors) }),
  };
}

/** The text of a context. @throws CorruptionError if it is missing */
export function contextText({ context, version }: Pick<StoredContext, "context" | "version">): StoredText {
  if (context === null) throw new CorruptionError(`the content of task context version ${version} is missing`);
  return context;
}

/** The text of a state. @throws CorruptionError if it is missing */
export function stateText({ data, seq }: Pick<StoredCheckpoint, "data" | "seq">): StoredText {
  if (data === null) throw new CorruptionError(`the state of checkpoint number ${seq} is missing`);
  return data;
}

/** A record with a long value, which is read in steps. */
export type LongRecord = Generator<void, StorageRecord, void>;

/** The record of a row: at once, unless the text of its value is long. */
export function recordOf(text: StoredText, make: (value?: JsonValue) => StorageRecord): StorageRecord | LongRecord {
  return isLongText(text) ? longRecord(toPortableInSteps(text), make) : make();
}

/** As `recordOf`, of an item. */
export function recordOfItem(stored: StoredItem, vectors: StoredVectors | null): StorageRecord | LongRecord {
  if (!isLongText(stored.value)) return itemRecord(stored, vectors);
  return longRecord(decodeMetadataInSteps(stored.value), (value) => itemRecord(stored, vectors, value));
}

function* longRecord<Value>(reading: Generator<void, Value, void>, make: (value: Value) => StorageRecord): LongRecord {
  return make(yield* reading);
}

/** Whether a record is still to be read. */
export function isLongRecord(record: StorageRecord | LongRecord): record is LongRecord {
  return "next" in record;
}
