/** Threads and their checkpoints in the reference model (K1-K3, K7-K9). */
import type { Checkpoint, CheckpointInfo, CheckpointWrite, ThreadInfo } from "../../../contract/checkpoint-storage.js";
import type { ModelVerbs } from "../verbs.js";
import { checkFence } from "./leases.js";
import { pageAfter } from "./pages.js";
import { goingByName, pruneThread } from "./pruning.js";
import { removeThread, sessionToWrite, touch } from "./sessions.js";
import type { ModelCheckpoint, ModelThread, ModelWrite, TenantState } from "./state.js";
import { byCodePoint, copy, hasMetadata, Refusal, storedMetadata } from "./state.js";

type Place = Pick<ModelThread, "threadId" | "createdAt" | "updatedAt">;

export function checkpointVerbs(
  state: TenantState,
): ModelVerbs<
  | "storeCheckpoint"
  | "getCheckpoint"
  | "listCheckpoints"
  | "putWrites"
  | "getWrites"
  | "listThreads"
  | "copyThread"
  | "deleteThread"
  | "deleteCheckpoints"
  | "pruneCheckpoints"
> {
  return {
    storeCheckpoint(threadId, checkpointId, data, options = {}) {
      const { namespace = "", parentId, sessionId, needsParent = false, expectedHead, lease } = options;
      if (sessionId !== undefined) sessionToWrite(state, sessionId);
      checkFence(state, lease, { thread: threadId }, ...(sessionId === undefined ? [] : [{ session: sessionId }]));
      const head = latest(state.threads.get(threadId), namespace)?.checkpointId ?? null;
      if (expectedHead !== undefined && expectedHead !== head) throw new Refusal("CONFLICT");

      const thread = threadToWrite(state, threadId);
      thread.sessionId = sessionId ?? thread.sessionId;
      touchThread(state, thread);
      const content = {
        parentId,
        sessionId,
        needsParent,
        metadata: storedMetadata(options.metadata),
        data: copy(data),
      };
      const stored = find(thread, namespace, checkpointId);
      if (stored !== undefined) return presentInfo(thread, Object.assign(stored, content));
      thread.lastSeq += 1;
      const added = { namespace, checkpointId, seq: thread.lastSeq, createdAt: state.now(), ...content };
      thread.checkpoints.push(added);
      return presentInfo(thread, added);
    },

    getCheckpoint(threadId, { checkpointId, namespace = "", writes = false } = {}) {
      const thread = state.threads.get(threadId);
      const found =
        checkpointId === undefined ? latest(thread, namespace) : thread && find(thread, namespace, checkpointId);
      if (thread === undefined || found === undefined) return undefined;
      return { ...presentInfo(thread, found), data: copy(found.data), ...(writes ? presentWrites(thread, found) : {}) };
    },

    listCheckpoints(threadId, options = {}) {
      const { namespace, limit = 10, before, metadata, data = false, writes = false } = options;
      const thread = state.threads.get(threadId);
      if (thread === undefined) return [];
      return thread.checkpoints
        .filter(
          (each) =>
            (namespace === undefined || each.namespace === namespace) &&
            (before === undefined || each.seq < before) &&
            hasMetadata(each.metadata, metadata),
        )
        .sort((a, b) => b.seq - a.seq)
        .slice(0, limit)
        .map((each) => ({
          ...presentInfo(thread, each),
          ...(data ? { data: copy(each.data) } : {}),
          ...(writes ? presentWrites(thread, each) : {}),
        }));
    },

    putWrites(
      threadId,
      checkpointId,
      taskId,
      writes,
      { namespace = "", taskPath = "", overwrite = false, lease } = {},
    ) {
      checkFence(state, lease, { thread: threadId });
      const thread = threadToWrite(state, threadId);
      touchThread(state, thread);
      const place = { namespace, checkpointId, taskId };
      writes.forEach(([channel, value, index], position) => {
        const write = { ...place, taskPath, index: index ?? position, channel, value: copy(value) };
        const stored = thread.writes.findIndex((each) => writeKey(each) === writeKey(write));
        if (stored === -1) thread.writes.push(write);
        else if (overwrite) thread.writes[stored] = write;
      });
    },

    getWrites(threadId, checkpointId, { namespace = "" } = {}) {
      const thread = state.threads.get(threadId);
      return thread === undefined ? [] : presentWrites(thread, { namespace, checkpointId }).writes;
    },

    listThreads({ sessionId, orderBy = "updatedAt", direction = "desc", limit = 50, cursor } = {}) {
      const sign = direction === "asc" ? 1 : -1;
      const found = [...state.threads.values()].filter(
        (thread) => sessionId === undefined || thread.sessionId === sessionId,
      );
      return pageAfter<Place, ModelThread, ThreadInfo>(found, {
        compare: (a, b) => sign * (a[orderBy] - b[orderBy] || byCodePoint(a.threadId, b.threadId)),
        place: ({ threadId, createdAt, updatedAt }) => ({ threadId, createdAt, updatedAt }),
        present: presentThread,
        limit,
        cursor,
      });
    },

    copyThread(fromThreadId, toThreadId) {
      const source = state.threads.get(fromThreadId);
      if (source === undefined) return false;
      if (state.threads.has(toThreadId)) throw new Refusal("CONFLICT");
      state.threads.set(toThreadId, { ...copy(source), threadId: toThreadId, sessionId: undefined });
      return true;
    },

    deleteThread: (threadId) => removeThread(state, threadId),

    deleteCheckpoints(threadId, checkpointIds, { namespace = "", lease } = {}) {
      if (checkpointIds.length > 0) checkFence(state, lease, { thread: threadId });
      const thread = state.threads.get(threadId);
      const named = [...new Set(checkpointIds)];
      if (thread === undefined) {
        return { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, keptCheckpointIds: [] };
      }
      const going = goingByName(thread, namespace, named);
      const isGoing = (each: ModelCheckpoint | ModelWrite): boolean =>
        each.namespace === namespace && going.includes(each.checkpointId);
      const checkpoints = thread.checkpoints.filter((each) => !isGoing(each));
      const writes = thread.writes.filter((each) => !isGoing(each));
      const removedCheckpoints = thread.checkpoints.length - checkpoints.length;
      const removedWrites = thread.writes.length - writes.length;
      Object.assign(thread, { checkpoints, writes });
      if (removedCheckpoints + removedWrites > 0) touchThread(state, thread);
      const keptCheckpointIds = named.filter((id) => find(thread, namespace, id) !== undefined);
      return { removedCheckpoints, removedWrites, removedBytes: 0, keptCheckpointIds };
    },

    pruneCheckpoints({ keepLast, maxAgeMs, threadId }, { dryRun = false } = {}) {
      const threads = [...state.threads.values()].filter(
        (each) => threadId === undefined || each.threadId === threadId,
      );
      const report = { threads: threads.length, removedCheckpoints: 0, removedWrites: 0, keptCheckpoints: 0 };
      for (const thread of threads) {
        const { kept, keptWrites } = pruneThread(thread, { keepLast, maxAgeMs }, state.now());
        report.removedCheckpoints += thread.checkpoints.length - kept.length;
        report.removedWrites += thread.writes.length - keptWrites.length;
        report.keptCheckpoints += kept.length;
        if (!dryRun) Object.assign(thread, { checkpoints: kept, writes: keptWrites });
      }
      return { ...report, removedBytes: 0 };
    },
  };
}

function threadToWrite(state: TenantState, threadId: string): ModelThread {
  const stored = state.threads.get(threadId);
  if (stored !== undefined) return stored;
  const now = state.now();
  const created: ModelThread = {
    threadId,
    sessionId: undefined,
    createdAt: now,
    updatedAt: now,
    lastSeq: 0,
    checkpoints: [],
    writes: [],
  };
  state.threads.set(threadId, created);
  return created;
}

/** A linked thread's writes belong to its session too (S4). */
function touchThread(state: TenantState, thread: ModelThread): void {
  thread.updatedAt = Math.max(thread.updatedAt, state.now());
  const session = thread.sessionId === undefined ? undefined : state.sessions.get(thread.sessionId);
  if (session !== undefined) touch(session, state.now());
}

function find(thread: ModelThread, namespace: string, checkpointId: string): ModelCheckpoint | undefined {
  return thread.checkpoints.find((each) => each.namespace === namespace && each.checkpointId === checkpointId);
}

/** The one stored last, whatever clocks say (K2). */
function latest(thread: ModelThread | undefined, namespace: string): ModelCheckpoint | undefined {
  return thread?.checkpoints.filter((each) => each.namespace === namespace).sort((a, b) => b.seq - a.seq)[0];
}

function writeKey(write: { namespace: string; checkpointId: string; taskId: string; index: number }): string {
  return JSON.stringify([write.namespace, write.checkpointId, write.taskId, write.index]);
}

function presentInfo({ threadId }: ModelThread, checkpoint: ModelCheckpoint): CheckpointInfo {
  const { namespace, checkpointId, parentId, sessionId, metadata, seq, createdAt, needsParent } = checkpoint;
  return {
    threadId,
    namespace,
    checkpointId,
    ...(parentId === undefined ? {} : { parentId }),
    ...(sessionId === undefined ? {} : { sessionId }),
    metadata: copy(metadata),
    seq,
    createdAt: new Date(createdAt),
    needsParent,
    sizeBytes: 0,
  };
}

function presentWrites(
  thread: ModelThread,
  { namespace, checkpointId }: Pick<Checkpoint, "namespace" | "checkpointId">,
): { writes: CheckpointWrite[] } {
  const writes = thread.writes
    .filter((each) => each.namespace === namespace && each.checkpointId === checkpointId)
    .map(({ taskId, taskPath, index, channel, value }) => ({ taskId, taskPath, index, channel, value: copy(value) }))
    .sort((a, b) => byCodePoint(a.taskPath, b.taskPath) || byCodePoint(a.taskId, b.taskId) || a.index - b.index);
  return { writes };
}

function presentThread({ threadId, sessionId, checkpoints, createdAt, updatedAt }: ModelThread): ThreadInfo {
  return {
    threadId,
    ...(sessionId === undefined ? {} : { sessionId }),
    checkpointCount: checkpoints.length,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
  };
}
