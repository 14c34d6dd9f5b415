/** Records back into rows, for an import: nothing malformed passes (P1). */

import { CorruptionError, InvalidArgumentError, SerializationError } from "../../contract/errors.js";
import type { RecordKind } from "../../contract/records.js";
import type { Fields } from "../arguments.js";
import { boolean, finiteNumber, integer, knownFields, oneOf, ttl } from "../arguments.js";
import { decodeValue, fromPortable, fromPortableInSteps, isLargePortable } from "../codec/codec.js";
import { bytesOf, type StoredText } from "../codec/long-text.js";
import type { ImportRow, ImportSubject } from "../driver/imports.js";
import { identifier, identifierOrEmpty } from "../identifiers.js";
import { encodeItemValue, MAX_ITEM_BYTES } from "../items.js";
import { parseContent } from "../message-content.js";
import { encodeMetadata, encodeObjectInSteps } from "../metadata.js";
import { parseNamespace } from "../namespaces.js";
import { SESSION_STATUSES } from "../session-arguments.js";
import { spendTurn } from "../turns.js";
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
export function parseRecord(record: unknown, number: number, encoded?: EncodedPart): ParsedRecord {
  try {
    return PARSERS[kindOfRecord(record)](record, encoded);
  } catch (error) {
    throw refusalOf(error, number);
  }
}

/** The value of a record, which was encoded before. */
export interface EncodedPart {
  readonly text: StoredText;
  readonly value: unknown;
}

/** The fields that may be large. */
const LARGE_FIELDS: { readonly [Kind in RecordKind]?: string } = {
  message: "content",
  task_context: "context",
  checkpoint: "data",
  write: "value",
  item: "value",
};

/** What is large in a record, encoded in steps; `undefined` where nothing is. @throws as `parseRecord` */
export function encodedPart(
  record: unknown,
  number: number,
): Generator<void, EncodedPart | undefined, void> | undefined {
  if (typeof record !== "object" || record === null) return undefined;
  const { kind } = record as { readonly kind?: RecordKind };
  const field = kind === undefined ? undefined : LARGE_FIELDS[kind];
  if (kind === undefined || field === undefined) return undefined;
  const value = (record as Record<string, unknown>)[field];
  return isLargePortable(value) ? encoding(kind, field, value, number) : undefined;
}

function* encoding(
  kind: RecordKind,
  field: string,
  value: unknown,
  number: number,
): Generator<void, EncodedPart | undefined, void> {
  // To see that it is large has taken its time; to take it does too.
  spendTurn();
  yield;
  try {
    if (kind !== "item") return yield* fromPortableInSteps(value);
    return { text: yield* encodeObjectInSteps(value, field, MAX_ITEM_BYTES), value: undefined };
  } catch (error) {
    throw refusalOf(kind === "item" ? error : namedRefusal(error, field), number);
  }
}

function kindOfRecord(record: unknown): RecordKind {
  return oneOf((record as { readonly kind?: unknown } | null | undefined)?.kind, "kind", RECORD_KINDS);
}

function refusalOf(error: unknown, number: number): unknown {
  const isRefusal =
    error instanceof InvalidArgumentError || error instanceof SerializationError || error instanceof CorruptionError;
  return isRefusal ? new InvalidArgumentError(`record ${number}: ${error.message}`, { cause: error }) : error;
}

const PARSERS: { readonly [Kind in RecordKind]: (record: unknown, encoded?: EncodedPart) => ParsedRecord } = {
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

  message: (record, encoded) => {
    const fields = fieldsOf(record, ["session_id", "seq", "message_id", "role", "content", "timestamp", "metadata"]);
    const message = {
      seq: integer(fields.seq, "seq", { min: 1 }),
      messageId: identifier(fields.message_id, "message_id"),
      role: identifier(fields.role, "role"),
      content: encoded?.text ?? portableText(fields.content, "content"),
      metadata: encodeMetadata(fields.metadata),
      timestamp: parseInstant(fields.timestamp, "timestamp"),
    };
    parseContent(encoded === undefined ? decodeValue(String(message.content)) : encoded.value, "content");
    return {
      subject: { kind: "session", id: identifier(fields.session_id, "session_id") },
      row: { kind: "message", message },
      sizeBytes: bytesOf(message.content) + Buffer.byteLength(message.metadata),
    };
  },

  task_context: (record, encoded) => {
    const fields = fieldsOf(record, ["context_id", "version", "context", "metadata", "created_at"]);
    const context = encoded?.text ?? portableText(fields.context, "context");
    const sizeBytes = bytesOf(context);
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

  checkpoint: (record, encoded) => {
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
    const data = encoded?.text ?? portableText(fields.data, "data");
    const sizeBytes = bytesOf(data);
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

  write: (record, encoded) => {
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
      value: encoded?.text ?? portableText(fields.value, "value"),
    };
    return {
      subject: threadSubject(fields),
      row: {
        kind: "write",
        namespace: identifierOrEmpty(fields.namespace, "namespace"),
        checkpointId: identifier(fields.checkpoint_id, "checkpoint_id"),
        write,
      },
      sizeBytes: bytesOf(write.value),
    };
  },

  item: (record, encoded) => {
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
      value: encoded === undefined ? encodeItemValue(fields.value) : String(encoded.text),
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
    throw namedRefusal(error, name);
  }
}

function namedRefusal(error: unknown, name: string): unknown {
  const isRefusal = error instanceof SerializationError || error instanceof CorruptionError;
  return isRefusal ? new InvalidArgumentError(`${name}: ${error.message}`, { cause: error }) : error;
}
