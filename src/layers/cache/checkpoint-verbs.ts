/** Checkpoints: those that are read, with their states; listings are not kept. */
import type { CallOptions } from "../../contract/call.js";
import type {
  Checkpoint,
  CheckpointStorage,
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
import { boolean, knownOptions } from "../../domain/arguments.js";
import { checkpointNamespace } from "../../domain/checkpoint-arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { type Kept, keepCheckpoint, keepNothing } from "./kept.js";
import { isAborted, isShared, type TenantCache } from "./tenant-cache.js";

/** A checkpoint, with the etag by which the store knows its state. */
interface ValidatedCheckpoint extends Kept<Checkpoint> {
  readonly etag: string;
}

export function checkpointVerbs(cache: TenantCache): CheckpointStorage {
  const { inner, entries, subjects, lifetimes } = cache;

  /** What a write to a thread changes: the thread, and the times of the session that it is linked to, as far as that is known. */
  const ofThread = (threadId: unknown, sessionId?: unknown): readonly string[] => {
    const id = String(threadId);
    const link = lifetimes.linkOf(id);
    const linked = link === undefined ? [subjects.allSessions] : link === "" ? [] : [subjects.session(link)];
    const named = sessionId === undefined ? [] : [subjects.session(String(sessionId))];
    return [...new Set([subjects.thread(id), ...linked, ...named])];
  };

  const readValidated = async (
    id: string,
    key: string,
    dependsOn: readonly string[],
    options: GetCheckpointOptions | undefined,
  ): Promise<Checkpoint | undefined> => {
    const kept = entries.get<ValidatedCheckpoint>(key);
    const moment = entries.freshness.now;
    const found = await inner.getCheckpoint(id, kept === undefined ? options : { ...options, ifNoneMatch: kept.etag });
    if (kept !== undefined && found?.notModified === true) {
      entries.hit();
      const { notModified: _notModified, ...info } = found;
      return { ...info, data: kept.give().data };
    }
    entries.miss();
    const etag = found?.etag;
    if (found !== undefined && etag !== undefined) {
      entries.set(key, { ...keepCheckpoint({ ...withoutWrites(found) }), etag }, dependsOn, moment);
    }
    return found;
  };

  return {
    storeCheckpoint: (threadId: string, checkpointId: string, data: unknown, options?: StoreCheckpointOptions) =>
      cache.writing(
        ofThread(threadId, options?.sessionId),
        () => inner.storeCheckpoint(threadId, checkpointId, data, options),
        (info) => {
          if (info.sessionId !== undefined) lifetimes.link(info.threadId, info.sessionId);
        },
      ),

    getCheckpoint: async (threadId: string, options?: GetCheckpointOptions) => {
      const id = identifier(threadId, "threadId");
      const known = knownOptions(options, ["checkpointId", "namespace", "writes", "ifNoneMatch"]);
      const namespace = checkpointNamespace(known.namespace);
      const checkpointId = known.checkpointId === undefined ? null : identifier(known.checkpointId, "checkpointId");
      const writes = known.writes !== undefined && boolean(known.writes, "writes");
      if (known.ifNoneMatch !== undefined || isAborted(options)) return inner.getCheckpoint(threadId, options);
      const dependsOn = [subjects.thread(id), subjects.allThreads];
      const key = `${subjects.thread(id)} ${JSON.stringify([namespace, checkpointId, cache.validates ? null : writes])}`;
      if (cache.validates) return readValidated(id, key, dependsOn, options);
      let lasts: Promise<boolean> | undefined;
      return entries.read<Checkpoint | undefined, Kept<Checkpoint | undefined>>({
        key,
        subjects: dependsOn,
        shared: isShared(options),
        give: (kept) => ({ result: kept.give() }),
        fetch: () => {
          lasts = lifetimes.threadLasts(id);
          return inner.getCheckpoint(id, options);
        },
        keep: async (found) => {
          if ((await lasts) !== true) return undefined;
          return found === undefined ? keepNothing() : keepCheckpoint(found);
        },
        isAbsent: (found) => found === undefined,
      });
    },

    listCheckpoints: (threadId: string, options?: ListCheckpointsOptions) => inner.listCheckpoints(threadId, options),

    putWrites: (
      threadId: string,
      checkpointId: string,
      taskId: string,
      writes: readonly WriteInput[],
      options?: PutWritesOptions,
    ) => cache.writing(ofThread(threadId), () => inner.putWrites(threadId, checkpointId, taskId, writes, options)),

    getWrites: (threadId: string, checkpointId: string, options?: GetWritesOptions) =>
      inner.getWrites(threadId, checkpointId, options),

    listThreads: (query?: ThreadQuery) => inner.listThreads(query),

    copyThread: (fromThreadId: string, toThreadId: string, options?: CallOptions) =>
      cache.writing(ofThread(toThreadId), () => inner.copyThread(fromThreadId, toThreadId, options)),

    deleteThread: (threadId: string, options?: CallOptions) =>
      cache.writing(
        ofThread(threadId),
        () => inner.deleteThread(threadId, options),
        () => lifetimes.unlink(threadId),
      ),

    deleteCheckpoints: (threadId: string, checkpointIds: readonly string[], options?: DeleteCheckpointsOptions) =>
      cache.writing(ofThread(threadId), () => inner.deleteCheckpoints(threadId, checkpointIds, options)),

    pruneCheckpoints: (policy: PrunePolicy, options?: PruneOptions) =>
      cache.writing([subjects.allThreads, subjects.allSessions], () => inner.pruneCheckpoints(policy, options)),
  };
}

/** Writes change while the state stays: they are read each time. */
function withoutWrites({ writes: _writes, ...checkpoint }: Checkpoint): Checkpoint {
  return checkpoint;
}
