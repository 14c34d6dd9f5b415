/** Records: a portable stream holds plain values (P1). Sealed ones are opened on their way out, and sealed on their way in. */
import type { Metadata } from "../../contract/json.js";
import type { CheckpointRecord, ExportFilter, ImportOptions, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { toPortable } from "../../domain/codec/codec.js";
import { EncodedText } from "../../domain/codec/encoded-text.js";
import type { ImportRow } from "../../domain/driver/imports.js";
import { decodeMetadata } from "../../domain/metadata.js";
import { encodedPart, parseRecord } from "../../domain/records/parse-record.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { CallTime } from "./call-time.js";
import {
  checkpointMetadataPlace,
  contextPlace,
  itemPlace,
  messageMetadataPlace,
  messagePlace,
  sessionMetadataPlace,
  writePlace,
} from "./places.js";
import { openedMetadata, openVersion, sealedMetadata } from "./sealed-context.js";
import { openedState, openedThreadMetadata, openedThreadText, sealedStateFor } from "./sealed-thread.js";
import { contextLabel, isEmpty, SEALED, sessionLabel, type TenantSeals } from "./tenant-seals.js";

/** The verbs of the record stream. */
export type RecordVerbs = Pick<StorageBackend, "exportRecords" | "importRecords">;

export function recordVerbs(inner: StorageBackend, seals: TenantSeals): RecordVerbs {
  return {
    exportRecords: (filter?: ExportFilter) => exported(inner, seals, inner.exportRecords(filter)),

    importRecords: (records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>, options?: ImportOptions) =>
      inner.importRecords(isIterable(records) ? imported(inner, seals, records) : records, options),
  };
}

function isIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

async function* exported(
  inner: StorageBackend,
  seals: TenantSeals,
  records: AsyncIterable<StorageRecord>,
): AsyncGenerator<StorageRecord> {
  for await (const record of records) yield await openedRecord(record, seals, () => new CallTime(inner, undefined));
}

/**
 * A record with its values opened. To which session a version of a context belongs is not told by a record, so that is not asked.
 * @throws CorruptionError
 */
export async function openedRecord(
  record: StorageRecord,
  seals: TenantSeals,
  time: () => CallTime,
): Promise<StorageRecord> {
  switch (record.kind) {
    case "session":
      return {
        ...record,
        metadata: await seals.openMetadataKeys(record.metadata, sessionMetadataPlace(record.session_id)),
      };
    case "message": {
      const { session_id, message_id, role } = record;
      const text = await seals.openText(record.content, messagePlace(session_id, message_id, role));
      return {
        ...record,
        ...(text === undefined ? {} : { content: toPortable(text) }),
        metadata: await seals.openMetadata(record.metadata, messageMetadataPlace(session_id, message_id)),
      };
    }
    case "task_context": {
      const opened = await openVersion(seals, record.context, record.version);
      return {
        ...record,
        ...(opened === undefined ? {} : { context: toPortable(opened.text) }),
        metadata: await openedMetadata(seals, record.metadata, record.version),
      };
    }
    case "thread":
      return record;
    case "checkpoint": {
      const place = checkpointOf(record);
      const text = await openedState(seals, record.thread_id, record.data, place, time());
      const metadataPlace = checkpointMetadataPlace(record.thread_id, place.namespace, place.checkpointId);
      return {
        ...record,
        ...(text === undefined ? {} : { data: toPortable(text) }),
        metadata: await openedThreadMetadata(seals, record.thread_id, record.metadata, metadataPlace, time()),
      };
    }
    case "write": {
      const { thread_id, namespace, checkpoint_id, task_id, index, channel } = record;
      const place = writePlace(thread_id, { namespace, checkpointId: checkpoint_id, taskId: task_id, index, channel });
      const text = await openedThreadText(seals, thread_id, record.value, place, time());
      return text === undefined ? record : { ...record, value: toPortable(text) };
    }
    case "item": {
      const text = await seals.openText(record.value[SEALED], itemPlace(record.namespace, record.key));
      return text === undefined ? record : { ...record, value: decodeMetadata(text) };
    }
  }
}

function checkpointOf(record: CheckpointRecord): {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId?: string | undefined;
  readonly needsParent: boolean;
} {
  return {
    namespace: record.namespace,
    checkpointId: record.checkpoint_id,
    parentId: record.parent_id,
    needsParent: record.needs_parent === true,
  };
}

/** Malformed records are refused here, as the store would: none passes that was not sealed. */
async function* imported(
  inner: StorageBackend,
  seals: TenantSeals,
  records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>,
): AsyncGenerator<StorageRecord> {
  let number = 0;
  const slices = new Slices(null, EACH_STEP);
  for await (const record of records) {
    number += 1;
    if (slices.over()) await slices.pause();
    const encoding = encodedPart(record, number);
    const { row } = parseRecord(record, number, encoding === undefined ? undefined : await slices.finish(encoding));
    await seals.ready();
    if (row.kind === "session" && row.contextId !== null) {
      const label = contextLabel(row.contextId);
      await seals.grants.add("session", sessionLabel(row.session.sessionId), [label], new CallTime(inner, undefined));
    }
    yield sealedRecord(record, row, seals);
  }
}

/** A record with its values sealed. @param row the record, parsed */
export function sealedRecord(record: StorageRecord, row: ImportRow, seals: TenantSeals): StorageRecord {
  if (record.kind === "session" && row.kind === "session") {
    if (!seals.rules.metadata) return record;
    const { sessionId, metadata } = row.session;
    return { ...record, metadata: seals.sealMetadataKeys(metadata, sessionMetadataPlace(sessionId)) };
  }
  if (record.kind === "message" && row.kind === "message") {
    const { messageId, role, content, metadata } = row.message;
    return {
      ...record,
      content: seals.sealText(String(content), messagePlace(record.session_id, messageId, role)),
      ...(hides(seals, record.metadata)
        ? { metadata: seals.sealMetadata(metadata, messageMetadataPlace(record.session_id, messageId)) }
        : {}),
    };
  }
  if (record.kind === "task_context" && row.kind === "task_context") {
    const label = contextLabel(record.context_id);
    const { version, context, metadata } = row;
    return {
      ...record,
      context: [label, seals.sealText(String(context), contextPlace(label, version))],
      ...(hides(seals, record.metadata) ? { metadata: sealedMetadata(seals, metadata, label, version) } : {}),
    };
  }
  if (record.kind === "checkpoint" && row.kind === "checkpoint") {
    const { thread_id } = record;
    const place = checkpointMetadataPlace(thread_id, row.namespace, row.checkpointId);
    const data = sealedStateFor(seals, thread_id, EncodedText.of(String(row.data)), checkpointOf(record));
    return {
      ...record,
      data: toPortable(JSON.stringify(data)),
      ...(hides(seals, record.metadata) ? { metadata: seals.sealMetadata(row.metadata, place) } : {}),
    };
  }
  if (record.kind === "write" && row.kind === "write") {
    const { namespace, checkpointId, write } = row;
    const place = writePlace(record.thread_id, { namespace, checkpointId, ...write });
    return { ...record, value: seals.sealText(String(write.value), place) };
  }
  if (record.kind === "item" && row.kind === "item") {
    const { namespace, key, value } = row.item;
    return { ...record, value: { [SEALED]: seals.sealText(value, itemPlace(namespace, key)) } };
  }
  return record;
}

function hides(seals: TenantSeals, metadata: Metadata): boolean {
  return seals.rules.metadata && !isEmpty(metadata);
}
