/** Removing what given runs have stored, without cutting what other checkpoints are rebuilt from (K9). */
import type { CallOptions } from "../../contract/call.js";
import type { CheckpointStorage, ListedCheckpoint } from "../../contract/checkpoint-storage.js";
import type { TupleReader } from "./read-tuples.js";
import { isStoredState } from "./stored-state.js";

/** Checkpoints that one call deletes. */
const DELETED_AT_ONCE = 1000;

/** What `deleteForRuns` has done. */
export interface RunDeletion {
  /** Threads that held nothing else and are gone. */
  readonly removedThreads: number;
  /** Checkpoints removed, those of removed threads included. */
  readonly removedCheckpoints: number;
  /** Checkpoints of these runs that stay because a kept one is rebuilt from them. */
  readonly keptCheckpoints: number;
}

/** A thread of these runs alone is deleted; of another one their checkpoints, each with its writes. */
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
    let others = 0;
    let ofRuns = 0;
    for await (const page of reader.pages(threadId, { ...options }, 1000)) {
      for (const { metadata } of page) {
        if (typeof metadata.run_id === "string" && runs.has(metadata.run_id)) ofRuns += 1;
        else others += 1;
      }
    }
    if (ofRuns === 0) continue;
    const stored = await storedByRuns(reader, threadId, runs, options);
    if (stored.length === 0) continue;
    if (others === 0 && stored.length === ofRuns) {
      await storage.deleteThread(threadId, options);
      total.removedThreads += 1;
      total.removedCheckpoints += ofRuns;
      continue;
    }
    for (const [namespace, ids] of byNamespace(stored)) {
      for (let i = 0; i < ids.length; i += DELETED_AT_ONCE) {
        const some = ids.slice(i, i + DELETED_AT_ONCE);
        const done = await storage.deleteCheckpoints(threadId, some, { ...options, namespace });
        total.removedCheckpoints += done.removedCheckpoints;
        total.keptCheckpoints += done.keptCheckpointIds.length;
      }
    }
  }
  return total;
}

/** The states of LangGraph that the runs stored, the newest first; others may have a `run_id` in their metadata too. */
async function storedByRuns(
  reader: TupleReader,
  threadId: string,
  runs: ReadonlySet<string>,
  options: CallOptions,
): Promise<ListedCheckpoint[]> {
  const stored: ListedCheckpoint[] = [];
  for (const run_id of runs) {
    for await (const page of reader.pages(threadId, { ...options, metadata: { run_id }, data: true })) {
      for (const { data, ...info } of page) if (isStoredState(data)) stored.push(info);
    }
  }
  return stored.sort((a, b) => b.seq - a.seq);
}

/** Ids by namespace, in their order: what needs another one goes before it, also in a call of its own. */
function byNamespace(checkpoints: readonly ListedCheckpoint[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { namespace, checkpointId } of checkpoints) {
    const ids = found.get(namespace);
    if (ids === undefined) found.set(namespace, [checkpointId]);
    else ids.push(checkpointId);
  }
  return found;
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
