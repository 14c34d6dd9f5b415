/** Removing what given runs have stored, without cutting what other checkpoints are rebuilt from. */
import type { CallOptions } from "../../contract/call.js";
import type { CheckpointStorage, ListedCheckpoint } from "../../contract/checkpoint-storage.js";
import type { TupleReader } from "./read-tuples.js";
import { isStoredState, REMOVED, REMOVED_METADATA } from "./stored-state.js";

/** What `deleteForRuns` has done. */
export interface RunDeletion {
  /** Threads that held nothing else and are gone. */
  readonly removedThreads: number;
  /** Checkpoints removed, those of removed threads included. */
  readonly removedCheckpoints: number;
  /** Checkpoints of these runs that stay because a kept one is rebuilt from them. */
  readonly keptCheckpoints: number;
}

/**
 * A thread of these runs alone is deleted. In another one each checkpoint is replaced, atomically, by an empty mark that no reader
 * shows, and each of its writes by an empty value: contents are gone at once, pruning takes the marks.
 */
export async function deleteForRuns(
  storage: CheckpointStorage,
  reader: TupleReader,
  runIds: readonly string[],
  options: CallOptions = {},
): Promise<RunDeletion> {
  const runs = new Set(runIds);
  const total = { removedThreads: 0, removedCheckpoints: 0, keptCheckpoints: 0 };
  if (runs.size === 0) return total;
  for (const threadId of await threadIds(storage, options)) {
    const all: ListedCheckpoint[] = [];
    for await (const page of reader.pages(threadId, { ...options }, 1000)) all.push(...page);
    if (!all.some(({ metadata }) => typeof metadata.run_id === "string" && runs.has(metadata.run_id))) continue;
    const ours = await storedByRuns(reader, threadId, runs, options);
    const ofRuns = all.filter(({ namespace, checkpointId }) => ours.has(keyOf(namespace, checkpointId)));
    if (ofRuns.length === 0) continue;
    const others = all.filter((each) => !ofRuns.includes(each) && !isMark(each));
    if (others.length === 0) {
      await storage.deleteThread(threadId, options);
      total.removedThreads += 1;
      total.removedCheckpoints += ofRuns.length;
      continue;
    }
    const needed = neededBy(all, new Set(ofRuns));
    for (const checkpoint of ofRuns) {
      if (needed.has(keyOf(checkpoint.namespace, checkpoint.checkpointId))) {
        total.keptCheckpoints += 1;
        continue;
      }
      await empty(storage, checkpoint, options);
      total.removedCheckpoints += 1;
    }
  }
  return total;
}

/** The states of LangGraph that the runs stored; others may have a `run_id` in their metadata too. */
async function storedByRuns(
  reader: TupleReader,
  threadId: string,
  runs: ReadonlySet<string>,
  options: CallOptions,
): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const run_id of runs) {
    for await (const page of reader.pages(threadId, { ...options, metadata: { run_id }, data: true })) {
      const ours = page.filter(({ data }) => isStoredState(data));
      for (const { namespace, checkpointId } of ours) keys.add(keyOf(namespace, checkpointId));
    }
  }
  return keys;
}

function isMark({ metadata }: ListedCheckpoint): boolean {
  return Object.keys(REMOVED_METADATA).every((key) => metadata[key] === true);
}

async function threadIds(storage: CheckpointStorage, options: CallOptions): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await storage.listThreads({ ...options, orderBy: "createdAt", limit: 1000, cursor });
    ids.push(...page.items.map(({ threadId }) => threadId));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

/** What the checkpoints outside of `going` need, parent by parent. */
function neededBy(all: readonly ListedCheckpoint[], going: ReadonlySet<ListedCheckpoint>): Set<string> {
  const byKey = new Map(all.map((each) => [keyOf(each.namespace, each.checkpointId), each]));
  const needed = new Set<string>();
  for (const kept of all) {
    if (going.has(kept) || isMark(kept)) continue;
    let at: ListedCheckpoint | undefined = kept;
    while (at?.needsParent && at.parentId !== undefined) {
      const key = keyOf(at.namespace, at.parentId);
      if (needed.has(key)) break;
      needed.add(key);
      at = byKey.get(key);
    }
  }
  return needed;
}

async function empty(storage: CheckpointStorage, checkpoint: ListedCheckpoint, options: CallOptions): Promise<void> {
  const { threadId, namespace, checkpointId, parentId } = checkpoint;
  const mark = { ...options, namespace, parentId, metadata: REMOVED_METADATA };
  await storage.storeCheckpoint(threadId, checkpointId, REMOVED, mark);
  const writes = await storage.getWrites(threadId, checkpointId, { ...options, namespace });
  const byTask = Map.groupBy(writes, ({ taskId, taskPath }) => JSON.stringify([taskId, taskPath]));
  for (const [first, ...rest] of [...byTask.values()]) {
    if (first === undefined) continue;
    const emptied = [first, ...rest].map(({ channel, index }) => [channel, null, index] as const);
    const { taskId, taskPath } = first;
    await storage.putWrites(threadId, checkpointId, taskId, emptied, {
      ...options,
      namespace,
      taskPath,
      overwrite: true,
    });
  }
}

function keyOf(namespace: string, checkpointId: string): string {
  return JSON.stringify([namespace, checkpointId]);
}
