/** Stored checkpoints as the tuples of LangGraph, one or many. */
import type { RunnableConfig } from "@langchain/core/runnables";
import {
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  maxChannelVersion,
  TASKS,
} from "@langchain/langgraph-checkpoint";
import type {
  CheckpointStorage,
  CheckpointWrite,
  ListCheckpointsOptions,
  ListedCheckpoint,
} from "../../contract/checkpoint-storage.js";
import { equalValues } from "./equal-values.js";
import type { KnownState, KnownStates } from "./known-states.js";
import { configOf, placeOf } from "./run-config.js";
import { isStoredState, type StateCodec, searchable } from "./stored-state.js";

/** Checkpoints that are read at once while a thread is listed. */
const PAGE = 50;

/** Reads tuples from a storage. */
export class TupleReader {
  readonly #storage: CheckpointStorage;
  readonly #codec: StateCodec;
  readonly #known: KnownStates;

  constructor(storage: CheckpointStorage, codec: StateCodec, known: KnownStates) {
    this.#storage = storage;
    this.#codec = codec;
    this.#known = known;
  }

  /** The checkpoint that the config names, or the latest of its namespace: one round trip (K5). */
  async read(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { threadId, namespace = "", checkpointId } = placeOf(config);
    if (threadId === undefined) return undefined;
    const known = this.#known.get(threadId, namespace);
    const options = { namespace, checkpointId, writes: true, ifNoneMatch: known?.etag };
    const stored = await this.#storage.getCheckpoint(threadId, options);
    if (stored === undefined) return undefined;
    if (known !== undefined && stored.notModified) return await this.#tuple(stored, known.state);
    return await this.#tuple(stored);
  }

  /** Newest first, thread by thread; nothing is read ahead of what is taken but one page. */
  async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { threadId, namespace, checkpointId } = placeOf(config);
    const wanted: Wanted = {
      checkpointId,
      before: placeOf(options.before).checkpointId,
      othersToo: threadId === undefined,
      filter: Object.entries(options.filter ?? {}).filter(([, value]) => value !== undefined),
    };
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    const threads = threadId === undefined ? this.#threadIds() : [threadId];
    for await (const thread of threads) {
      for await (const tuple of this.#listThread(thread, { namespace }, wanted, left)) {
        yield tuple;
        left -= 1;
        if (left <= 0) return;
      }
    }
  }

  /** Everything stored before a position, newest first, in pages of the given size. */
  async *pages(
    threadId: string,
    options: ListCheckpointsOptions,
    size: number = PAGE,
  ): AsyncGenerator<ListedCheckpoint[]> {
    let before = options.before;
    for (;;) {
      const page = await this.#storage.listCheckpoints(threadId, { ...options, before, limit: size });
      if (page.length > 0) yield page;
      if (page.length < size) return;
      before = page.at(-1)?.seq;
    }
  }

  async #tuple(stored: ListedCheckpoint, known?: KnownState): Promise<CheckpointTuple> {
    const { threadId, namespace, checkpointId, parentId } = stored;
    const { checkpoint, metadata } =
      known === undefined ? await this.#codec.decodeState(stored.data) : this.#codec.decodeKnown(known);
    if (checkpoint.v < 4 && parentId !== undefined) {
      await this.#takePendingSends(checkpoint, threadId, namespace, parentId);
    }
    return {
      config: configOf(threadId, namespace, checkpointId),
      checkpoint,
      metadata,
      pendingWrites: await this.pendingWrites(stored.writes ?? []),
      ...(parentId === undefined ? {} : { parentConfig: configOf(threadId, namespace, parentId) }),
    };
  }

  async pendingWrites(writes: readonly CheckpointWrite[]): Promise<CheckpointPendingWrite[]> {
    const decoded = writes.map(async ({ taskId, channel, value }): Promise<CheckpointPendingWrite> => {
      return [taskId, channel, await this.#codec.decode(value)];
    });
    return await Promise.all(decoded);
  }

  async *#threadIds(): AsyncGenerator<string> {
    let cursor: string | undefined;
    do {
      const page = await this.#storage.listThreads({ orderBy: "createdAt", limit: 1000, cursor });
      for (const { threadId } of page.items) yield threadId;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  async *#listThread(
    threadId: string,
    from: Pick<ListCheckpointsOptions, "namespace" | "before">,
    wanted: Wanted,
    atMost: number = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<CheckpointTuple> {
    const { inStore, inProcess } = splitFilter(wanted.filter ?? []);
    const narrow = wanted.checkpointId !== undefined || wanted.before !== undefined || inProcess.length > 0;
    const size = narrow ? PAGE : Math.min(PAGE, atMost);
    const options = { ...from, metadata: inStore, data: true, writes: true };
    for await (const page of this.pages(threadId, options, size)) {
      for (const stored of page) {
        if (wanted.checkpointId !== undefined && stored.checkpointId !== wanted.checkpointId) continue;
        if (wanted.before !== undefined && stored.checkpointId >= wanted.before) continue;
        if (wanted.othersToo && !isStoredState(stored.data)) continue;
        const tuple = await this.#tuple(stored);
        if (hasMetadata(tuple.metadata, inProcess)) yield tuple;
      }
    }
  }

  /** Before version 4 the tasks to send were writes of the parent; now they are a channel. */
  async #takePendingSends(
    checkpoint: Checkpoint,
    threadId: string,
    namespace: string,
    parentId: string,
  ): Promise<void> {
    const writes = await this.#storage.getWrites(threadId, parentId, { namespace });
    const sends = await this.pendingWrites(writes.filter(({ channel }) => channel === TASKS));
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[TASKS] = sends.map(([, , value]) => value);
    checkpoint.channel_versions[TASKS] = versions.length > 0 ? maxChannelVersion(...versions) : 1;
  }
}

interface Wanted {
  /** Every thread of the storage is listed, also those that are not LangGraph's; these are passed over. */
  readonly othersToo?: boolean | undefined;
  readonly checkpointId?: string | undefined;
  /** Only ids that are smaller, as LangGraph defines it. */
  readonly before?: string | undefined;
  readonly filter?: readonly (readonly [string, unknown])[] | undefined;
}

/** Short scalars are compared in the store; everything else here, with the metadata as it was given. */
function splitFilter(filter: readonly (readonly [string, unknown])[]): {
  readonly inStore: ReturnType<typeof searchable>;
  readonly inProcess: readonly (readonly [string, unknown])[];
} {
  const inStore = searchable(Object.fromEntries(filter));
  return { inStore, inProcess: filter.filter(([key]) => !Object.hasOwn(inStore, key)) };
}

function hasMetadata(
  metadata: CheckpointMetadata | undefined,
  filter: readonly (readonly [string, unknown])[],
): boolean {
  const fields: Readonly<Record<string, unknown>> = metadata ?? {};
  return filter.every(([key, value]) => Object.hasOwn(fields, key) && equalValues(fields[key], value));
}
