/** Checkpoints: states in sealed pieces, each bound to its thread, under a head that is bound to its checkpoint; writes to their task. */
import type { CallOptions } from "../../contract/call.js";
import type {
  CheckpointInfo,
  CheckpointStorage,
  CheckpointWrite,
  DeleteCheckpointsOptions,
  GetCheckpointOptions,
  GetWritesOptions,
  ListCheckpointsOptions,
  PruneOptions,
  PrunePolicy,
  PutWritesOptions,
  StoreCheckpointOptions,
  ThreadQuery,
  WriteInput,
} from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { knownOptions } from "../../domain/arguments.js";
import { checkpointNamespace, parseWrites } from "../../domain/checkpoint-arguments.js";
import { decodeValue, encodeText } from "../../domain/codec/codec.js";
import { identifier } from "../../domain/identifiers.js";
import { Slices } from "../../domain/slices.js";
import { CallTime } from "./call-time.js";
import { checkpointMetadataPlace, writePlace } from "./places.js";
import { openedState, openedThreadMetadata, openedThreadText, sealedStateFor } from "./sealed-thread.js";
import { assertNoFilter } from "./session-verbs.js";
import type { TenantSeals } from "./tenant-seals.js";

export function checkpointVerbs(inner: StorageBackend, seals: TenantSeals): CheckpointStorage {
  const openedInfo = async <T extends CheckpointInfo>(info: T, time: CallTime): Promise<T> => ({
    ...info,
    metadata: await openedThreadMetadata(
      seals,
      info.threadId,
      info.metadata,
      checkpointMetadataPlace(info.threadId, info.namespace, info.checkpointId),
      time,
    ),
  });

  /** What a listed or read checkpoint brings with it. */
  const opened = async <T extends CheckpointInfo & Partial<Brought>>(found: T, time: CallTime): Promise<T> => {
    const result: { -readonly [K in keyof T]: T[K] } & { data?: unknown; writes?: CheckpointWrite[] } =
      await openedInfo(found, time);
    if (Object.hasOwn(found, "data") && found.notModified !== true) {
      const text = await openedState(seals, found.threadId, found.data, found, time);
      if (text !== undefined) result.data = decodeValue(text);
    }
    if (found.writes !== undefined) {
      result.writes = await openedWrites(found.threadId, found.namespace, found.checkpointId, found.writes, time);
    }
    return result;
  };

  const openedWrites = async (
    threadId: string,
    namespace: string,
    checkpointId: string,
    writes: readonly CheckpointWrite[],
    time: CallTime,
  ): Promise<CheckpointWrite[]> => {
    const slices = new Slices(null);
    const all: CheckpointWrite[] = [];
    for (const write of writes) {
      const place = writePlace(threadId, { ...write, namespace, checkpointId });
      const text = await openedThreadText(seals, threadId, write.value, place, time);
      all.push(text === undefined ? write : { ...write, value: decodeValue(text) });
      if (slices.over()) await slices.pause();
    }
    return all;
  };

  return {
    storeCheckpoint: async (
      threadId: string,
      checkpointId: string,
      data: unknown,
      options?: StoreCheckpointOptions,
    ) => {
      const thread = identifier(threadId, "threadId");
      const place = {
        namespace: checkpointNamespace(options?.namespace),
        checkpointId: identifier(checkpointId, "checkpointId"),
        parentId: options?.parentId === undefined ? undefined : identifier(options.parentId, "parentId"),
        needsParent: options?.needsParent === true,
      };
      const text = encodeText(data);
      const metadata = seals.metadataText(options?.metadata);
      const wait = seals.ready();
      const plain = wait === undefined || options === undefined ? options : seals.plainCopy({ ...options });
      if (wait !== undefined) await wait;
      const sealed = sealedStateFor(seals, thread, text, place);
      const metadataPlace = checkpointMetadataPlace(thread, place.namespace, place.checkpointId);
      const given =
        metadata === undefined ? plain : { ...plain, metadata: seals.sealMetadata(metadata, metadataPlace) };
      const info = await inner.storeCheckpoint(thread, place.checkpointId, sealed, given);
      return openedInfo(info, new CallTime(inner, options));
    },

    getCheckpoint: async (threadId: string, options?: GetCheckpointOptions) => {
      const time = new CallTime(inner, options);
      const found = await inner.getCheckpoint(threadId, options);
      return found === undefined ? undefined : opened(found, time);
    },

    listCheckpoints: async (threadId: string, options?: ListCheckpointsOptions) => {
      assertNoFilter(seals, options?.metadata);
      const time = new CallTime(inner, options);
      const all = [];
      for (const found of await inner.listCheckpoints(threadId, options)) all.push(await opened(found, time));
      return all;
    },

    putWrites: async (
      threadId: string,
      checkpointId: string,
      taskId: string,
      writes: readonly WriteInput[],
      options?: PutWritesOptions,
    ) => {
      const thread = identifier(threadId, "threadId");
      const checkpoint = identifier(checkpointId, "checkpointId");
      const namespace = checkpointNamespace(options?.namespace);
      const parsed = parseWrites(writes, identifier(taskId, "taskId"), "");
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      const sealed = parsed.map(({ taskId: task, index, channel, value }): WriteInput => {
        const place = writePlace(thread, { namespace, checkpointId: checkpoint, taskId: task, index, channel });
        return [channel, seals.sealText(String(value), place), index];
      });
      return inner.putWrites(thread, checkpoint, taskId, sealed, options);
    },

    getWrites: async (threadId: string, checkpointId: string, options?: GetWritesOptions) => {
      const time = new CallTime(inner, options);
      const writes = await inner.getWrites(threadId, checkpointId, options);
      return openedWrites(threadId, options?.namespace ?? "", checkpointId, writes, time);
    },

    listThreads: (query?: ThreadQuery) => inner.listThreads(query),

    copyThread: async (fromThreadId: string, toThreadId: string, options?: CallOptions) => {
      const from = identifier(fromThreadId, "fromThreadId");
      const to = identifier(toThreadId, "toThreadId");
      knownOptions(options, []);
      const time = new CallTime(inner, options);
      const origins = [from, ...(await seals.grants.of("thread", from, time.options()))];
      // First the grant: the copy can be read from the first moment.
      await seals.grants.add(
        "thread",
        to,
        origins.filter((origin) => origin !== to),
        time,
      );
      return inner.copyThread(from, to, time.options());
    },

    deleteThread: (threadId: string, options?: CallOptions) => inner.deleteThread(threadId, options),

    deleteCheckpoints: (threadId: string, checkpointIds: readonly string[], options?: DeleteCheckpointsOptions) =>
      inner.deleteCheckpoints(threadId, checkpointIds, options),

    pruneCheckpoints: (policy: PrunePolicy, options?: PruneOptions) => inner.pruneCheckpoints(policy, options),
  };
}

/** What a checkpoint may bring when it is read. */
interface Brought {
  readonly data: unknown;
  readonly notModified: true;
  readonly writes: CheckpointWrite[];
}
