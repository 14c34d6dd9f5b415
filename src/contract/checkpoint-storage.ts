/** Checkpoints of threads, with namespaces, parents and intermediate writes (K1-K9). */
import type { CallOptions, LeaseHeld, Page, PageQuery } from "./call.js";
import type { Metadata, MetadataFilter, MetadataInput } from "./json.js";

/** A checkpoint without its state. */
export interface CheckpointInfo {
  readonly threadId: string;
  /** `""` is the root. */
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId?: string;
  /** Session that the checkpoint was stored for. */
  readonly sessionId?: string;
  readonly metadata: Metadata;
  /** Position in the thread, assigned by the backend; the largest of a namespace is its latest (K2). */
  readonly seq: number;
  readonly createdAt: Date;
  /** See `StoreCheckpointOptions.needsParent`. */
  readonly needsParent: boolean;
  /** Bytes of the encoded state. */
  readonly sizeBytes: number;
  /** Names the state as it is stored: equal ones of a thread mean equal states (K5). Absent where the store gives none, as for small states. */
  readonly etag?: string;
}

/** A checkpoint with its state. */
export interface Checkpoint extends CheckpointInfo {
  readonly data: unknown;
  /** The state is the one that `ifNoneMatch` names: it was not read, and `data` is `undefined` (K5). */
  readonly notModified?: true;
  /** Present when asked for by `writes: true`; ordered by `(taskPath, taskId, index)`. */
  readonly writes?: CheckpointWrite[];
}

/** A listed checkpoint; `data` and `writes` are present when asked for. */
export interface ListedCheckpoint extends CheckpointInfo {
  readonly data?: unknown;
  readonly writes?: CheckpointWrite[];
}

/** One intermediate write of a task. */
export interface CheckpointWrite {
  readonly taskId: string;
  readonly taskPath: string;
  /** Position in the task's writes; negative ones are the writer's own conventions. */
  readonly index: number;
  readonly channel: string;
  readonly value: unknown;
}

/** Channel and value; the index is the position in the list unless it is given. */
export type WriteInput =
  | readonly [channel: string, value: unknown]
  | readonly [channel: string, value: unknown, index: number];

export interface StoreCheckpointOptions extends CallOptions, LeaseHeld {
  /** Default `""`, the root. */
  readonly namespace?: string | undefined;
  readonly parentId?: string | undefined;
  readonly metadata?: MetadataInput | undefined;
  /** Links the thread to this session: it goes when the session goes, and the session's `updatedAt` moves. */
  readonly sessionId?: string | undefined;
  /** Compare-and-set: the id that must be the namespace's latest, `null` for none yet (K8). */
  readonly expectedHead?: string | null | undefined;
  /** The state is not complete without the parent's: pruning keeps the parent as long as this one (K6). Default `false`. */
  readonly needsParent?: boolean | undefined;
}

export interface GetCheckpointOptions extends CallOptions {
  /** Default: the latest of the namespace. */
  readonly checkpointId?: string | undefined;
  /** Default `""`, the root. */
  readonly namespace?: string | undefined;
  /** Also return the intermediate writes, in the same round trip. Default `false`. */
  readonly writes?: boolean | undefined;
  /** The `etag` of a state that the caller has: with the same one `data` need not be read, see `Checkpoint.notModified`. */
  readonly ifNoneMatch?: string | undefined;
}

export interface ListCheckpointsOptions extends CallOptions {
  /** Default: every namespace of the thread. */
  readonly namespace?: string | undefined;
  /** Most checkpoints returned, 0 to 10,000. Default 10. */
  readonly limit?: number | undefined;
  /** Only checkpoints with a smaller `seq`. */
  readonly before?: number | undefined;
  readonly metadata?: MetadataFilter | undefined;
  /** Also return the states. Default `false`. */
  readonly data?: boolean | undefined;
  /** Also return the intermediate writes. Default `false`. */
  readonly writes?: boolean | undefined;
}

export interface PutWritesOptions extends CallOptions, LeaseHeld {
  /** Default `""`, the root. */
  readonly namespace?: string | undefined;
  /** Where the task stands in its graph; orders writes. Default `""`. */
  readonly taskPath?: string | undefined;
  /** `true` replaces a write of the same task and index; by default the first one stays (K3). */
  readonly overwrite?: boolean | undefined;
}

export interface GetWritesOptions extends CallOptions {
  /** Default `""`, the root. */
  readonly namespace?: string | undefined;
}

export interface DeleteCheckpointsOptions extends CallOptions, LeaseHeld {
  /** Default `""`, the root. */
  readonly namespace?: string | undefined;
}

/** What `deleteCheckpoints` has done. */
export interface CheckpointDeletion {
  readonly removedCheckpoints: number;
  /** Intermediate writes removed, those that waited for their checkpoint too. */
  readonly removedWrites: number;
  /** Encoded bytes of what was removed. */
  readonly removedBytes: number;
  /** Named checkpoints that stay because one that was not named needs them, in the order in which they were named. */
  readonly keptCheckpointIds: string[];
}

/** A thread, without its checkpoints. */
export interface ThreadInfo {
  readonly threadId: string;
  /** Session that the thread is linked to. */
  readonly sessionId?: string;
  readonly checkpointCount: number;
  readonly createdAt: Date;
  /** Moves with every checkpoint and write. */
  readonly updatedAt: Date;
}

export interface ThreadQuery extends PageQuery {
  readonly sessionId?: string | undefined;
  /** Default `updatedAt`. */
  readonly orderBy?: "createdAt" | "updatedAt" | undefined;
  /** Default `desc`. Ties by thread id, in the same direction, by code point. */
  readonly direction?: "asc" | "desc" | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

/** What pruning removes: at least one of `keepLast` and `maxAgeMs`. With both, a checkpoint goes only if both let it go. */
export interface PrunePolicy {
  /** Keeps this many newest checkpoints of every thread and namespace, at least 1. */
  readonly keepLast?: number | undefined;
  /** Keeps checkpoints younger than this many milliseconds. */
  readonly maxAgeMs?: number | undefined;
  /** Only this thread. Default: every thread of the tenant. */
  readonly threadId?: string | undefined;
}

export interface PruneOptions extends CallOptions {
  /** Reports what would be removed and changes nothing. */
  readonly dryRun?: boolean | undefined;
}

export interface PruneReport {
  readonly threads: number;
  /** Checkpoints removed (with `dryRun`: that would be). */
  readonly removedCheckpoints: number;
  /** Intermediate writes removed with them. */
  readonly removedWrites: number;
  readonly keptCheckpoints: number;
  /** Encoded bytes of what was removed. */
  readonly removedBytes: number;
}

/** States of threads. */
export interface CheckpointStorage {
  /**
   * Stores a state, whole or not at all (K1). The same id again replaces data and metadata and keeps its place.
   * @throws ConflictError (`expectedHead`), FencedError, SessionNotFoundError (`sessionId`), SerializationError, InvalidArgumentError
   */
  storeCheckpoint(
    threadId: string,
    checkpointId: string,
    data: unknown,
    options?: StoreCheckpointOptions,
  ): Promise<CheckpointInfo>;

  /** A checkpoint with its state: the latest of the namespace, or the one asked for. @throws CorruptionError (K5) */
  getCheckpoint(threadId: string, options?: GetCheckpointOptions): Promise<Checkpoint | undefined>;

  /** Checkpoints of a thread, newest first. */
  listCheckpoints(threadId: string, options?: ListCheckpointsOptions): Promise<ListedCheckpoint[]>;

  /** Stores the writes of a task, at most 10,000 a call, all or none; they may arrive before their checkpoint (K3). */
  putWrites(
    threadId: string,
    checkpointId: string,
    taskId: string,
    writes: readonly WriteInput[],
    options?: PutWritesOptions,
  ): Promise<void>;

  /** Intermediate writes of a checkpoint, ordered by `(taskPath, taskId, index)`, strings by code point (K3). */
  getWrites(threadId: string, checkpointId: string, options?: GetWritesOptions): Promise<CheckpointWrite[]>;

  /** One page of threads, by key. */
  listThreads(query?: ThreadQuery): Promise<Page<ThreadInfo>>;

  /**
   * Copies a thread with its namespaces, parents and writes; the copy is linked to no session and shares no fate with its
   * source (K7). `false` if there is no such thread. @throws ConflictError if the target exists
   */
  copyThread(fromThreadId: string, toThreadId: string, options?: CallOptions): Promise<boolean>;

  /** Removes a thread with all that belongs to it. `false` if it was not there. */
  deleteThread(threadId: string, options?: CallOptions): Promise<boolean>;

  /**
   * Removes checkpoints of one namespace, at most 1,000 a call, with their states and writes, all in one step (K9). What another
   * one needs (`needsParent`) stays; ids that nothing is stored for are passed over. The thread stays, also an empty one.
   * @throws FencedError, InvalidArgumentError
   */
  deleteCheckpoints(
    threadId: string,
    checkpointIds: readonly string[],
    options?: DeleteCheckpointsOptions,
  ): Promise<CheckpointDeletion>;

  /** Removes old checkpoints; keeps every head, what a kept one needs, and open interrupts (K6). */
  pruneCheckpoints(policy: PrunePolicy, options?: PruneOptions): Promise<PruneReport>;
}
