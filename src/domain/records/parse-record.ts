/** Records back into rows, for an import: nothing malformed passes (P1). */
import { CorruptionError, InvalidArgumentError, SerializationError } from "../../contract/errors.js";
import type { RecordKind } from "../../contract/records.js";
import type { Fields } from "../arguments.js";
import { boolean, finiteNumber, integer, knownFields, oneOf, ttl } from "../arguments.js";
import { decodeValue, fromPortable } from "../codec/codec.js";
import type { ImportRow, ImportSubject } from "../driver/imports.js";
import { identifier, identifierOrEmpty } from "../identifiers.js";
import { encodeItemValue } from "../items.js";
import { parseContent } from "../message-content.js";
import { encodeMetadata } from "../metadata.js";
import { parseNamespace } from "../namespaces.js";
import { SESSION_STATUSES } from "../session-arguments.js";
import { parseInstant } from "./instants.js";
import { parseVectorTexts } from "./vector-texts.js";

/** A record as a row, and what it is a part of. */
export interface ParsedRecord {
  readonly subject: ImportSubject;
  readonly row: ImportRow;
  /** Bytes of what is encoded in it. */
  readonly sizeBytes: number;
}

/** The kinds in the order in which they are exported. */
export const RECORD_KINDS: readonly RecordKind[] = [
  "session",
  "message",
  "task_context",
  "thread",
  "checkpoint",
  "write",
  "item",
];

/**
 * @param number position in the stream, from 1
 * @throws InvalidArgumentError naming the record's number and the field
 */
export function parseRecord(record: unknown, number: number): ParsedRecord {
  try {
    const kind = (record as { readonly kind?: unknown } | null | undefined)?.kind;
    return PARSERS[oneOf(kind, "kind", RECORD_KINDS)](record);
  } catch (error) {
    if (
      error instanceof InvalidArgumentError ||
      error instanceof SerializationError ||
      error instanceof CorruptionError
    ) {
      throw new InvalidArgumentError(`record ${number}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

const PARSERS: { readonly [Kind in RecordKind]: (record: unknown) => ParsedRecord } = {
  session: (record) => {
    const fields = fieldsOf(record, [
      "session_id",
      "user_id",
      "created_at",
      "updated_at",
      "status",
      "metadata",
      "metrics",
      "version",
      "last_seq",
      "ttl_ms",
      "context_id",
    ]);
    const metrics = knownFields(fields.metrics, "metrics", ["request_count", "total_processing_time", "error_count"]);
    const session = {
      sessionId: identifier(fields.session_id, "session_id"),
      userId: identifier(fields.user_id, "user_id"),
      status: oneOf(fields.status, "status", SESSION_STATUSES),
      metadata: encodeMetadata(fields.metadata),
      createdAt: parseInstant(fields.created_at, "created_at"),
      updatedAt: parseInstant(fields.updated_at, "updated_at"),
      version: integer(fields.version, "version", { min: 1 }),
      requestCount: integer(metrics.request_count, "metrics.request_count", { min: 0 }),
      totalProcessingTime: finiteNumber(metrics.total_processing_time, "metrics.total_processing_time", { min: 0 }),
      errorCount: integer(metrics.error_count, "metrics.error_count", { min: 0 }),
      lastSeq: integer(fields.last_seq, "last_seq", { min: 0 }),
      ttlMs: optional(fields.ttl_ms, "ttl_ms", ttl),
    };
    return {
      subject: { kind: "session", id: session.sessionId },
      row: { kind: "session", session, contextId: optional(fields.context_id, "context_id", identifier) },
      sizeBytes: Buffer.byteLength(session.metadata),
    };
  },

  message: (record) => {
    const fields = fieldsOf(record, ["session_id", "seq", "message_id", "role", "content", "timestamp", "metadata"]);
    const message = {
      seq: integer(fields.seq, "seq", { min: 1 }),
      messageId: identifier(fields.message_id, "message_id"),
      role: identifier(fields.role, "role"),
      content: portableText(fields.content, "content"),
      metadata: encodeMetadata(fields.metadata),
      timestamp: parseInstant(fields.timestamp, "timestamp"),
    };
    parseContent(decodeValue(message.content), "content");
    return {
      subject: { kind: "session", id: identifier(fields.session_id, "session_id") },
      row: { kind: "message", message },
      sizeBytes: Buffer.byteLength(message.content) + Buffer.byteLength(message.metadata),
    };
  },

  task_context: (record) => {
    const fields = fieldsOf(record, ["context_id", "version", "context", "metadata", "created_at"]);
    const context = portableText(fields.context, "context");
    const sizeBytes = Buffer.byteLength(context);
    const metadata = encodeMetadata(fields.metadata);
    return {
      subject: { kind: "task_context", id: identifier(fields.context_id, "context_id") },
      row: {
        kind: "task_context",
        version: integer(fields.version, "version", { min: 1 }),
        context,
        sizeBytes,
        metadata,
        createdAt: parseInstant(fields.created_at, "created_at"),
      },
      sizeBytes: sizeBytes + Buffer.byteLength(metadata),
    };
  },

  thread: (record) => {
    const fields = fieldsOf(record, ["thread_id", "session_id", "created_at", "updated_at", "last_seq"]);
    return {
      subject: threadSubject(fields),
      row: {
        kind: "thread",
        sessionId: optional(fields.session_id, "session_id", identifier),
        createdAt: parseInstant(fields.created_at, "created_at"),
        updatedAt: parseInstant(fields.updated_at, "updated_at"),
        lastSeq: integer(fields.last_seq, "last_seq", { min: 0 }),
      },
      sizeBytes: 0,
    };
  },

  checkpoint: (record) => {
    const fields = fieldsOf(record, [
      "thread_id",
      "namespace",
      "checkpoint_id",
      "parent_id",
      "session_id",
      "needs_parent",
      "seq",
      "data",
      "metadata",
      "created_at",
    ]);
    const data = portableText(fields.data, "data");
    const sizeBytes = Buffer.byteLength(data);
    const metadata = encodeMetadata(fields.metadata);
    return {
      subject: threadSubject(fields),
      row: {
        kind: "checkpoint",
        namespace: identifierOrEmpty(fields.namespace, "namespace"),
        checkpointId: identifier(fields.checkpoint_id, "checkpoint_id"),
        parentId: optional(fields.parent_id, "parent_id", identifier),
        sessionId: optional(fields.session_id, "session_id", identifier),
        needsParent: optional(fields.needs_parent, "needs_parent", boolean) ?? false,
        seq: integer(fields.seq, "seq", { min: 1 }),
        data,
        sizeBytes,
        metadata,
        createdAt: parseInstant(fields.created_at, "created_at"),
      },
      sizeBytes: sizeBytes + Buffer.byteLength(metadata),
    };
  },

  write: (record) => {
    const fields = fieldsOf(record, [
      "thread_id",
      "namespace",
      "checkpoint_id",
      "task_id",
      "task_path",
      "index",
      "channel",
      "value",
    ]);
    const write = {
      taskId: identifier(fields.task_id, "task_id"),
      taskPath: identifierOrEmpty(fields.task_path, "task_path"),
      index: integer(fields.index, "index"),
      channel: identifier(fields.channel, "channel"),
      value: portableText(fields.value, "value"),
    };
    return {
      subject: threadSubject(fields),
      row: {
        kind: "write",
        namespace: identifierOrEmpty(fields.namespace, "namespace"),
        checkpointId: identifier(fields.checkpoint_id, "checkpoint_id"),
        write,
      },
      sizeBytes: Buffer.byteLength(write.value),
    };
  },

  item: (record) => {
    const fields = fieldsOf(record, [
      "namespace",
      "key",
      "value",
      "version",
      "created_at",
      "updated_at",
      "ttl_ms",
      "expires_at",
      "vectors",
    ]);
    const vectors = optional(fields.vectors, "vectors", parseVectorTexts);
    const item = {
      namespace: parseNamespace(fields.namespace, "namespace", { allowEmpty: false }),
      key: identifier(fields.key, "key"),
      value: encodeItemValue(fields.value),
      version: integer(fields.version, "version", { min: 1 }),
      createdAt: parseInstant(fields.created_at, "created_at"),
      updatedAt: parseInstant(fields.updated_at, "updated_at"),
      ttlMs: optional(fields.ttl_ms, "ttl_ms", ttl),
      expiresAt: optional(fields.expires_at, "expires_at", parseInstant),
    };
    if ((item.ttlMs === null) !== (item.expiresAt === null)) {
      throw new InvalidArgumentError("ttl_ms and expires_at must be given together");
    }
    return {
      subject: { kind: "item", namespace: item.namespace, key: item.key },
      row: { kind: "item", item, vectors },
      sizeBytes: Buffer.byteLength(item.value) + (vectors?.values.byteLength ?? 0),
    };
  },
};

function fieldsOf(record: unknown, allowed: readonly string[]): Fields {
  return knownFields(record, "the record", ["kind", ...allowed]);
}

function threadSubject(fields: Fields): ImportSubject {
  return { kind: "thread", id: identifier(fields.thread_id, "thread_id") };
}

function optional<T>(value: unknown, name: string, parse: (value: unknown, name: string) => T): T | null {
  return value === undefined ? null : parse(value, name);
}

/** A content, state or value as the codec's text; what a damaged one lacks is told by the codec, where it stands by the name. */
function portableText(value: unknown, name: string): string {
  try {
    return fromPortable(value);
  } catch (error) {
    if (error instanceof SerializationError || error instanceof CorruptionError) {
      throw new InvalidArgumentError(`${name}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
