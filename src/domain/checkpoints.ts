/** Checkpoints and their writes: the order of writes, and what a reader sees (K3, K5). */
import type {
  Checkpoint,
  CheckpointInfo,
  CheckpointWrite,
  ListedCheckpoint,
  ThreadInfo,
} from "../contract/checkpoint-storage.js";
import { ConflictError, CorruptionError, quoteIdentifier } from "../contract/errors.js";
import { decodeInSteps, decodeValue, isLongText } from "./codec/codec.js";
import type { StoredCheckpoint, StoredThread, StoredWrite } from "./driver/stored.js";
import { compareCodePoints } from "./identifiers.js";
import { decoding, type RowDecoder } from "./large-values.js";
import { decodeMetadata } from "./metadata.js";
import { runAtOnce } from "./slices.js";

/**
 * The compare-and-set of a namespace's latest checkpoint, `null` for none yet; `undefined` expects nothing (K8).
 * @throws ConflictError
 */
export function assertExpectedHead(head: string | null, expected: string | null | undefined): void {
  if (expected === undefined || expected === head) return;
  const found = head === null ? "the namespace has no checkpoint" : `the latest checkpoint is ${quoteIdentifier(head)}`;
  throw new ConflictError(`${found}, but ${expected === null ? "none" : quoteIdentifier(expected)} is expected`);
}

/** The order in which writes come back: `(taskPath, taskId, index)`, strings by code point (K3). */
export function compareWrites(
  a: Pick<StoredWrite, "taskPath" | "taskId" | "index">,
  b: Pick<StoredWrite, "taskPath" | "taskId" | "index">,
): number {
  return compareCodePoints(a.taskPath, b.taskPath) || compareCodePoints(a.taskId, b.taskId) || a.index - b.index;
}

export function toCheckpointInfo(threadId: string, stored: StoredCheckpoint): CheckpointInfo {
  return {
    threadId,
    namespace: stored.namespace,
    checkpointId: stored.checkpointId,
    ...(stored.parentId === null ? {} : { parentId: stored.parentId }),
    ...(stored.sessionId === null ? {} : { sessionId: stored.sessionId }),
    metadata: decodeMetadata(stored.metadata),
    seq: stored.seq,
    createdAt: new Date(stored.createdAt),
    needsParent: stored.needsParent,
    sizeBytes: stored.sizeBytes,
    ...(stored.etag === null ? {} : { etag: stored.etag }),
  };
}

/** What was asked for beside the fields that every checkpoint shows. */
export interface CheckpointParts {
  readonly data: boolean;
  readonly writes: boolean;
  /** The etag of a state that is not to be read again. */
  readonly ifNoneMatch?: string | null;
}

/**
 * Stored checkpoints as callers see them, with the parts that were asked for. Decoding throws CorruptionError when a part is missing
 * or damaged (K5).
 */
export function checkpointDecoder(
  threadId: string,
  parts: CheckpointParts & { readonly data: true },
): RowDecoder<StoredCheckpoint, Checkpoint>;
export function checkpointDecoder(
  threadId: string,
  parts: CheckpointParts,
): RowDecoder<StoredCheckpoint, ListedCheckpoint>;
export function checkpointDecoder(
  threadId: string,
  parts: CheckpointParts,
): RowDecoder<StoredCheckpoint, ListedCheckpoint> {
  const inSteps = (stored: StoredCheckpoint): Generator<void, ListedCheckpoint, void> =>
    toCheckpoint(threadId, stored, parts);
  return {
    isLong: ({ data, writes }) => (data !== null && isLongText(data)) || (writes !== null && takesLong(writes)),
    decode: (stored) => runAtOnce(inSteps(stored)),
    inSteps,
  };
}

function* toCheckpoint(
  threadId: string,
  stored: StoredCheckpoint,
  parts: CheckpointParts,
): Generator<void, ListedCheckpoint, void> {
  const missing = (part: string): CorruptionError =>
    new CorruptionError(`the ${part} of checkpoint ${quoteIdentifier(stored.checkpointId)} is missing`);
  const info = toCheckpointInfo(threadId, stored);
  let listed: ListedCheckpoint & Pick<Checkpoint, "notModified"> = info;
  if (parts.data) {
    if (stored.data !== null) listed = { ...listed, data: yield* decoding(stored.data) };
    else if (isNotModified(stored.etag, parts.ifNoneMatch)) listed = { ...listed, data: undefined, notModified: true };
    else throw missing("state");
  }
  if (parts.writes) {
    if (stored.writes === null) throw missing("list of writes");
    const writes: CheckpointWrite[] = [];
    for (const write of stored.writes) {
      writes.push(isLongWrite(write) ? yield* WRITE_DECODER.inSteps(write) : WRITE_DECODER.decode(write));
      yield;
    }
    listed = { ...listed, writes };
  }
  return listed;
}

/** Writes, and characters of them all, that are decoded in one step. */
const WRITES_AT_ONCE = 200;
const CHARACTERS_AT_ONCE = 256 * 1024;

function takesLong(writes: readonly StoredWrite[]): boolean {
  if (writes.length > WRITES_AT_ONCE) return true;
  return writes.reduce((sum, { value }) => sum + value.length, 0) > CHARACTERS_AT_ONCE;
}

/** Whether the caller has the state of this etag, so that it is not read (K5). */
export function isNotModified(etag: string | null, ifNoneMatch: string | null | undefined): boolean {
  return etag !== null && etag === ifNoneMatch;
}

/** Stored writes as callers see them. */
export const WRITE_DECODER: RowDecoder<StoredWrite, CheckpointWrite> = {
  isLong: isLongWrite,
  decode: (stored) => toWrite(stored, decodeValue(String(stored.value))),
  *inSteps(stored) {
    return toWrite(stored, yield* decodeInSteps(stored.value));
  },
};

function isLongWrite({ value }: StoredWrite): boolean {
  return isLongText(value);
}

function toWrite({ taskId, taskPath, index, channel }: StoredWrite, value: unknown): CheckpointWrite {
  return { taskId, taskPath, index, channel, value };
}

export function toThread(stored: StoredThread): ThreadInfo {
  return {
    threadId: stored.threadId,
    ...(stored.sessionId === null ? {} : { sessionId: stored.sessionId }),
    checkpointCount: stored.checkpointCount,
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
  };
}
