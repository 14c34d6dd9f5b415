/** Checkpoints and their writes: arguments, the order of writes, and what a reader sees (K3, K5). */
import type {
  Checkpoint,
  CheckpointInfo,
  CheckpointWrite,
  ListedCheckpoint,
  ThreadInfo,
} from "../contract/checkpoint-storage.js";
import { CorruptionError, InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import { array, integer } from "./arguments.js";
import { decodeValue, encodeValue } from "./codec.js";
import type { StoredCheckpoint, StoredThread, StoredWrite } from "./driver/stored.js";
import { compareCodePoints, identifier, identifierOrEmpty } from "./identifiers.js";
import { decodeMetadata } from "./metadata.js";

/** A namespace of checkpoints: `""`, the root, unless it is given. */
export function checkpointNamespace(value: unknown): string {
  return value === undefined ? "" : identifierOrEmpty(value, "namespace");
}

/**
 * The writes of one task, encoded; an index that is not given is the position in the list.
 * @throws InvalidArgumentError, also when an index stands twice; SerializationError
 */
export function parseWrites(value: unknown, taskId: string, taskPath: string): StoredWrite[] {
  const indexes = new Set<number>();
  return Array.from(array(value, "writes"), (write, position) => {
    const name = `writes[${position}]`;
    const parts = array(write, name);
    if (parts.length !== 2 && parts.length !== 3) {
      throw new InvalidArgumentError(`${name} must be [channel, value] or [channel, value, index]`);
    }
    const index = parts.length === 2 ? position : integer(parts[2], `${name}[2]`);
    if (indexes.has(index))
      throw new InvalidArgumentError(`${name} has index ${index}, which stands twice in this call`);
    indexes.add(index);
    return { taskId, taskPath, index, channel: identifier(parts[0], `${name}[0]`), value: encodeValue(parts[1]) };
  });
}

/** The order in which writes come back: `(taskPath, taskId, index)`, strings by code point (K3). */
export function compareWrites(
  a: Pick<StoredWrite, "taskPath" | "taskId" | "index">,
  b: Pick<StoredWrite, "taskPath" | "taskId" | "index">,
): number {
  return compareCodePoints(a.taskPath, b.taskPath) || compareCodePoints(a.taskId, b.taskId) || a.index - b.index;
}

export function presentCheckpointInfo(threadId: string, stored: StoredCheckpoint): CheckpointInfo {
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
  };
}

/** What was asked for beside the fields that every checkpoint shows. */
export interface CheckpointParts {
  readonly data: boolean;
  readonly writes: boolean;
}

/**
 * A checkpoint with the parts that were asked for.
 * @throws CorruptionError when a part is missing or damaged (K5)
 */
export function presentCheckpoint(
  threadId: string,
  stored: StoredCheckpoint,
  parts: CheckpointParts & { data: true },
): Checkpoint;
export function presentCheckpoint(threadId: string, stored: StoredCheckpoint, parts: CheckpointParts): ListedCheckpoint;
export function presentCheckpoint(
  threadId: string,
  stored: StoredCheckpoint,
  parts: CheckpointParts,
): ListedCheckpoint {
  const missing = (part: string): CorruptionError =>
    new CorruptionError(`the ${part} of checkpoint ${quoteIdentifier(stored.checkpointId)} is missing`);
  const info = presentCheckpointInfo(threadId, stored);
  let listed: ListedCheckpoint = info;
  if (parts.data) {
    if (stored.data === null) throw missing("state");
    listed = { ...listed, data: decodeValue(stored.data) };
  }
  if (parts.writes) {
    if (stored.writes === null) throw missing("list of writes");
    listed = { ...listed, writes: stored.writes.map(presentWrite) };
  }
  return listed;
}

export function presentWrite({ taskId, taskPath, index, channel, value }: StoredWrite): CheckpointWrite {
  return { taskId, taskPath, index, channel, value: decodeValue(value) };
}

export function presentThread(stored: StoredThread): ThreadInfo {
  return {
    threadId: stored.threadId,
    ...(stored.sessionId === null ? {} : { sessionId: stored.sessionId }),
    checkpointCount: stored.checkpointCount,
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
  };
}
