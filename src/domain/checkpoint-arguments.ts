/** Checkpoints: what callers may ask and store (K3, K6, K8, K9). */
import type {
  ListCheckpointsOptions,
  PrunePolicy,
  StoreCheckpointOptions,
  ThreadQuery,
} from "../contract/checkpoint-storage.js";
import { InvalidArgumentError } from "../contract/errors.js";
import { array, boolean, integer, knownFields, listLimit, MAX_TTL_MS, oneOf, pageLimit, string } from "./arguments.js";
import { encodeValue, takeText, takeValue, type ValueSnapshot } from "./codec/codec.js";
import type { EncodedText } from "./codec/encoded-text.js";
import type { CheckpointListing, NewStoredCheckpoint, ThreadListing } from "./driver/storage-driver.js";
import type { StoredWrite } from "./driver/stored.js";
import { identifier, identifierOrEmpty } from "./identifiers.js";
import { Intake } from "./intake.js";
import type { Taken } from "./large-values.js";
import { listOf, MAX_WRITES } from "./lists.js";
import { encodeMetadata } from "./metadata.js";
import { parseMetadataFilter } from "./metadata-filter.js";
import type { PruneRule } from "./pruning.js";

/** A namespace of checkpoints: `""`, the root, unless it is given. */
export function checkpointNamespace(value: unknown): string {
  return value === undefined ? "" : identifierOrEmpty(value, "namespace");
}

/** An etag that a store gave: never empty. */
export function etagArgument(value: unknown): string {
  const etag = string(value, "ifNoneMatch");
  if (etag === "") throw new InvalidArgumentError("ifNoneMatch must not be empty");
  return etag;
}

/** A new checkpoint, and its state as it was taken. */
export function parseCheckpoint(
  checkpointId: unknown,
  data: unknown,
  options: Partial<StoreCheckpointOptions>,
): {
  readonly taken: EncodedText | ValueSnapshot;
  readonly stored: (data: EncodedText) => NewStoredCheckpoint;
} {
  const { parentId, metadata, sessionId, expectedHead, needsParent } = options;
  const fields = {
    namespace: checkpointNamespace(options.namespace),
    checkpointId: identifier(checkpointId, "checkpointId"),
    parentId: parentId === undefined ? null : identifier(parentId, "parentId"),
    sessionId: sessionId === undefined ? null : identifier(sessionId, "sessionId"),
    metadata: metadata === undefined ? "{}" : encodeMetadata(metadata, "metadata"),
    needsParent: needsParent !== undefined && boolean(needsParent, "needsParent"),
    expectedHead:
      expectedHead === undefined || expectedHead === null ? expectedHead : identifier(expectedHead, "expectedHead"),
  };
  return { taken: takeText(data), stored: (text) => ({ ...fields, data: text, sizeBytes: text.bytes }) };
}

/**
 * The writes of one task, encoded; an index that is not given is the position in the list.
 * @throws InvalidArgumentError, also when an index stands twice; SerializationError
 */
export function parseWrites(value: unknown, taskId: string, taskPath: string): StoredWrite[] {
  return eachWrite(value, (index, channel, written) => {
    return { taskId, taskPath, index, channel, value: encodeValue(written) };
  });
}

/** As `parseWrites`, with the values as they were taken. */
export function takeWrites(value: unknown, taskId: string, taskPath: string): Taken<StoredWrite>[] {
  const intake = new Intake();
  return eachWrite(value, (index, channel, written) => {
    return { value: takeValue(written, intake), stored: (text) => ({ taskId, taskPath, index, channel, value: text }) };
  });
}

function eachWrite<T>(value: unknown, make: (index: number, channel: string, value: unknown) => T): T[] {
  const indexes = new Set<number>();
  return Array.from(listOf(value, "writes", MAX_WRITES), (write, position) => {
    const name = `writes[${position}]`;
    const parts = array(write, name);
    if (parts.length !== 2 && parts.length !== 3) {
      throw new InvalidArgumentError(`${name} must be [channel, value] or [channel, value, index]`);
    }
    const index = parts.length === 2 ? position : integer(parts[2], `${name}[2]`);
    if (indexes.has(index)) {
      throw new InvalidArgumentError(`${name} has index ${index}, which stands twice in this call`);
    }
    indexes.add(index);
    return make(index, identifier(parts[0], `${name}[0]`), parts[1]);
  });
}

export function parseCheckpointListing(options: Partial<ListCheckpointsOptions>): CheckpointListing {
  return {
    namespace: options.namespace === undefined ? null : checkpointNamespace(options.namespace),
    limit: listLimit(options.limit, 10),
    before: options.before === undefined ? null : integer(options.before, "before", { min: 0 }),
    metadata: parseMetadataFilter(options.metadata),
    data: options.data !== undefined && boolean(options.data, "data"),
    writes: options.writes !== undefined && boolean(options.writes, "writes"),
  };
}

/** Most checkpoints that one call deletes. */
export const MAX_DELETED_IDS = 1_000;

/** Ids of checkpoints to delete, each once, in the order in which they are named first (K9). */
export function parseDeletedIds(value: unknown): string[] {
  const ids = listOf(value, "checkpointIds", MAX_DELETED_IDS);
  return [...new Set(Array.from(ids, (id, i) => identifier(id, `checkpointIds[${i}]`)))];
}

/** A listing of threads without its position. */
export function parseThreadListing(query: Partial<ThreadQuery>): Omit<ThreadListing, "after"> {
  return {
    sessionId: query.sessionId === undefined ? null : identifier(query.sessionId, "sessionId"),
    orderBy: query.orderBy === undefined ? "updatedAt" : oneOf(query.orderBy, "orderBy", ["createdAt", "updatedAt"]),
    direction: query.direction === undefined ? "desc" : oneOf(query.direction, "direction", ["asc", "desc"]),
    limit: pageLimit(query.limit, 50),
  };
}

/** What pruning removes; a policy that lets nothing go is a mistake of the caller (K6). */
export function parsePrunePolicy(value: unknown): PruneRule & { readonly threadId: string | null } {
  const policy = knownFields(value as PrunePolicy, "policy", ["keepLast", "maxAgeMs", "threadId"]);
  const rule = {
    keepLast: policy.keepLast === undefined ? null : integer(policy.keepLast, "policy.keepLast", { min: 1 }),
    maxAgeMs:
      policy.maxAgeMs === undefined ? null : integer(policy.maxAgeMs, "policy.maxAgeMs", { min: 0, max: MAX_TTL_MS }),
    threadId: policy.threadId === undefined ? null : identifier(policy.threadId, "policy.threadId"),
  };
  if (rule.keepLast === null && rule.maxAgeMs === null) {
    throw new InvalidArgumentError("policy must have keepLast or maxAgeMs");
  }
  return rule;
}
