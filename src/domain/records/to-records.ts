/** Stored rows as records, for a driver's `exportRecords` (P1). */
import { CorruptionError } from "../../contract/errors.js";
import type {
  CheckpointRecord,
  ItemRecord,
  MessageRecord,
  SessionRecord,
  TaskContextRecord,
  ThreadRecord,
  WriteRecord,
} from "../../contract/records.js";
import { toPortable } from "../codec/codec.js";
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
import { decodeMetadata } from "../metadata.js";
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

export function messageRecord(sessionId: string, stored: StoredMessage): MessageRecord {
  return {
    kind: "message",
    session_id: sessionId,
    seq: stored.seq,
    message_id: stored.messageId,
    role: stored.role,
    content: toPortable(stored.content),
    timestamp: instantText(stored.timestamp),
    metadata: decodeMetadata(stored.metadata),
  };
}

export function taskContextRecord(contextId: string, stored: StoredContext): TaskContextRecord {
  if (stored.context === null)
    throw new CorruptionError(`the content of task context version ${stored.version} is missing`);
  return {
    kind: "task_context",
    context_id: contextId,
    version: stored.version,
    context: toPortable(stored.context),
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
): CheckpointRecord {
  if (stored.data === null) throw new CorruptionError(`the state of checkpoint number ${stored.seq} is missing`);
  return {
    kind: "checkpoint",
    thread_id: threadId,
    namespace: stored.namespace,
    checkpoint_id: stored.checkpointId,
    ...(stored.parentId === null ? {} : { parent_id: stored.parentId }),
    ...(stored.sessionId === null ? {} : { session_id: stored.sessionId }),
    ...(stored.needsParent ? { needs_parent: true } : {}),
    seq: stored.seq,
    data: toPortable(stored.data),
    metadata: decodeMetadata(stored.metadata),
    created_at: instantText(stored.createdAt),
  };
}

export function writeRecord(
  threadId: string,
  namespace: string,
  checkpointId: string,
  write: StoredWrite,
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
    value: toPortable(write.value),
  };
}

export function itemRecord(stored: StoredItem, vectors: StoredVectors | null): ItemRecord {
  return {
    kind: "item",
    namespace: [...stored.namespace],
    key: stored.key,
    value: decodeMetadata(stored.value),
    version: stored.version,
    created_at: instantText(stored.createdAt),
    updated_at: instantText(stored.updatedAt),
    ...(stored.ttlMs === null ? {} : { ttl_ms: stored.ttlMs }),
    ...(stored.expiresAt === null ? {} : { expires_at: instantText(stored.expiresAt) }),
    ...(vectors === null ? {} : { vectors: vectorTexts(vectors) }),
  };
}
