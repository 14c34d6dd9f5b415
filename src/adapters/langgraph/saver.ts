/** The LangGraph checkpointer over any storage. */
import type { RunnableConfig } from "@langchain/core/runnables";
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  type DeltaChannelHistory,
  type PendingWrite,
  WRITES_IDX_MAP,
} from "@langchain/langgraph-checkpoint";
import type { CallOptions, Lease, Page } from "../../contract/call.js";
import type {
  CheckpointStorage,
  PruneOptions,
  PrunePolicy,
  PruneReport,
  StoreCheckpointOptions,
  ThreadInfo,
  ThreadQuery,
  WriteInput,
} from "../../contract/checkpoint-storage.js";
import { InvalidArgumentError } from "../../contract/errors.js";
import { frameOf } from "./checkpoint-frames.js";
import { deltaHistory } from "./delta-history.js";
import { KnownStates } from "./known-states.js";
import { TupleReader } from "./read-tuples.js";
import { configOf, runOf, writablePlaceOf } from "./run-config.js";
import { deleteForRuns, type RunDeletion } from "./run-deletion.js";
import {
  checkRememberBytes,
  checkRetention,
  DEFAULT_REMEMBER_BYTES,
  type Retention,
  type WaystoneSaverOptions,
} from "./saver-options.js";
import { dependsOnParent, StateCodec, searchable } from "./stored-state.js";
import { ValueCodec } from "./value-codec.js";

/** Threads whose checkpoints are counted for the next pruning; beyond it counting begins anew. */
const MAX_COUNTED_THREADS = 10_000;

/**
 * Keeps the state of LangGraph graphs in a storage: `graph.compile({ checkpointer: new WaystoneSaver(storage) })`.
 *
 * - "Latest" is the checkpoint stored last (K2), not the greatest id: a clock that steps back changes nothing.
 * - What is stored is what the state was when it was handed over, and what is read is made of fresh objects.
 * - A value that cannot be stored without loss rejects with `SerializationError` and its path; nothing is stored then.
 *
 * The storage stays the caller's to close.
 */
export class WaystoneSaver extends BaseCheckpointSaver {
  readonly #storage: CheckpointStorage;
  readonly #codec: StateCodec;
  readonly #known: KnownStates;
  readonly #reader: TupleReader;
  readonly #retention: Retention | undefined;
  readonly #compareAndSet: boolean;
  readonly #lease: WaystoneSaverOptions["lease"];
  readonly #storedSincePruning = new Map<string, number>();

  /** @throws InvalidArgumentError */
  constructor(storage: CheckpointStorage, options: WaystoneSaverOptions = {}) {
    super(options.serde);
    checkRetention(options.retention);
    checkRememberBytes(options.rememberBytes);
    this.#storage = storage;
    this.#codec = new StateCodec(new ValueCodec(options.codecs ?? []), options.serde);
    this.#known = new KnownStates(options.rememberBytes ?? DEFAULT_REMEMBER_BYTES);
    this.#reader = new TupleReader(storage, this.#codec, this.#known);
    this.#retention = options.retention;
    this.#compareAndSet = options.compareAndSet ?? false;
    this.#lease = options.lease;
  }

  /** The checkpoint that the config names, or the latest of its namespace, with its writes: one round trip. */
  override getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return this.#reader.read(config);
  }

  /**
   * Checkpoints, newest first; without `thread_id` those of all threads, without `checkpoint_ns` of all namespaces.
   * `before` compares ids, as LangGraph defines it. A `filter` may hold any values; short scalars are compared in the store.
   */
  override list(config: RunnableConfig, options?: CheckpointListOptions): AsyncGenerator<CheckpointTuple> {
    return this.#reader.list(config, options);
  }

  /**
   * Stores a checkpoint, whole or not at all. `configurable.session_id` links its thread to that session.
   * @throws SerializationError, ConflictError (`compareAndSet`), FencedError (`lease`), SessionNotFoundError, InvalidArgumentError
   */
  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const { threadId, namespace, checkpointId: parentId } = writablePlaceOf(config);
    const { id } = checkpoint;
    const values = Object.entries(checkpoint.channel_values).filter(
      ([name]) => carriesAll(parentId, metadata) || Object.hasOwn(newVersions, name),
    );
    const frame = frameOf(checkpoint);
    const options = this.#storeOptions(config, checkpoint, metadata, parentId);
    // Nothing may be awaited before the storage has the state, unless a serialiser of the user's already has.
    const before = this.#known.get(threadId, namespace)?.state;
    const encoded = this.#codec.encodeState(frame, values, metadata, before);
    const { data, known } = encoded instanceof Promise ? await encoded : encoded;
    const { etag, sizeBytes } = await this.#storage.storeCheckpoint(threadId, id, data, options);
    if (etag !== undefined && known !== undefined) this.#known.set(threadId, namespace, etag, known, sizeBytes);
    await this.#pruneGrown(threadId);
    return configOf(threadId, namespace, id);
  }

  /**
   * Stores writes of a task, which may come before their checkpoint. The first write of an index stays; errors, interrupts,
   * resumes and schedules have indexes of their own and replace.
   * @throws SerializationError, FencedError, InvalidArgumentError
   */
  override async putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
    taskPath?: string,
  ): Promise<void> {
    const { threadId, namespace, checkpointId } = writablePlaceOf(config);
    if (checkpointId === undefined) {
      throw new InvalidArgumentError("config.configurable.checkpoint_id is missing: writes belong to a checkpoint");
    }
    const encoded = this.#codec.encodeAll(writes.map(([, value]) => value));
    const channels = writes.map(([channel]) => channel);
    const values = encoded instanceof Promise ? await encoded : encoded;
    const byIndex = new Map<number, WriteInput>();
    channels.forEach((channel, position) => {
      const index = WRITES_IDX_MAP[channel] ?? position;
      byIndex.set(index, [channel, values[position], index]);
    });
    const options = { namespace, taskPath: taskPath ?? "", lease: this.#leaseOf(threadId) };
    const parts = [...byIndex].map(([index, write]) => ({ special: index < 0, write }));
    const special = parts.filter((part) => part.special).map(({ write }) => write);
    const regular = parts.filter((part) => !part.special).map(({ write }) => write);
    const put = (part: WriteInput[], overwrite: boolean) =>
      this.#storage.putWrites(threadId, checkpointId, taskId, part, { ...options, overwrite });
    // A resumed task mixes both. Called at once, both hold the values of now. Either may land alone: a resume without results
    // makes the task run again with it, and a task with results is done.
    await Promise.all([
      ...(special.length > 0 ? [put(special, true)] : []),
      ...(regular.length > 0 ? [put(regular, false)] : []),
    ]);
  }

  /** Removes a thread with all its namespaces and writes; one that is not there is left so. */
  override async deleteThread(threadId: string): Promise<void> {
    this.#storedSincePruning.delete(threadId);
    await this.#storage.deleteThread(threadId);
  }

  /** The writes and stored values that delta channels are rebuilt from; two round trips for a thread without forks. */
  override getDeltaChannelHistory(options: {
    config: RunnableConfig;
    channels: string[];
  }): Promise<Record<string, DeltaChannelHistory>> {
    return deltaHistory(this.#storage, this.#codec, this.#reader, options.config, options.channels);
  }

  /** Copies a thread whole; the copy shares no fate with it. `false` if it is not there. @throws ConflictError if the target exists */
  copyThread(fromThreadId: string, toThreadId: string, options?: CallOptions): Promise<boolean> {
    return this.#storage.copyThread(fromThreadId, toThreadId, options);
  }

  /** Removes old checkpoints, never a head, an open interrupt, or an ancestor that a delta channel is rebuilt from (K6). */
  prune(policy: PrunePolicy, options?: PruneOptions): Promise<PruneReport> {
    return this.#storage.pruneCheckpoints(policy, options);
  }

  /**
   * Removes what these runs stored, in every thread. A run is told by `configurable.run_id`, else by `run_id` of the metadata, else
   * by the config's `runId`. A checkpoint that a kept one needs stays, and is counted as kept.
   */
  deleteForRuns(runIds: readonly string[], options?: CallOptions): Promise<RunDeletion> {
    return deleteForRuns(this.#storage, this.#reader, runIds, options);
  }

  /** One page of threads. */
  listThreads(query?: ThreadQuery): Promise<Page<ThreadInfo>> {
    return this.#storage.listThreads(query);
  }

  #storeOptions(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    parentId: string | undefined,
  ): StoreCheckpointOptions {
    const { threadId, namespace } = writablePlaceOf(config);
    const { sessionId, runId, compareAndSet } = runOf(config);
    const compares = namespace === "" && (compareAndSet ?? this.#compareAndSet);
    return {
      namespace,
      parentId,
      sessionId,
      metadata: { ...(runId === undefined ? {} : searchable({ run_id: runId })), ...searchable(metadata) },
      needsParent: parentId !== undefined && dependsOnParent(checkpoint, metadata),
      lease: this.#leaseOf(threadId),
      ...(compares ? { expectedHead: parentId ?? null } : {}),
    };
  }

  #leaseOf(threadId: string): Lease | undefined {
    return typeof this.#lease === "function" ? this.#lease(threadId) : this.#lease;
  }

  async #pruneGrown(threadId: string): Promise<void> {
    if (this.#retention === undefined) return;
    const { keepLast, maxAgeMs, every = 10 } = this.#retention;
    const stored = (this.#storedSincePruning.get(threadId) ?? 0) + 1;
    if (stored < every) {
      if (this.#storedSincePruning.size >= MAX_COUNTED_THREADS) this.#storedSincePruning.clear();
      this.#storedSincePruning.set(threadId, stored);
      return;
    }
    this.#storedSincePruning.delete(threadId);
    await this.#storage.pruneCheckpoints({ threadId, keepLast, maxAgeMs });
  }
}

/**
 * Whether every value of the checkpoint is stored. LangGraph hands over all of them each time, and names the new ones: the others
 * are carried over from the parent, or from the checkpoint that a fork copies. With neither there is nothing to carry over.
 */
function carriesAll(parentId: string | undefined, metadata: CheckpointMetadata): boolean {
  return parentId !== undefined || metadata.source === "fork";
}
