/** `waystone checkpoints rm`: deletes checkpoints by name, but for what others need (K9). */
import type { CheckpointInfo } from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { neededOfNamed } from "../../domain/pruning.js";
import { confirm } from "../confirm.js";
import { type Invocation, longCall } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { counted, relativeTime, size } from "../output/units.js";
import { withStore } from "../store.js";
import { noCheckpoint } from "./checkpoints-show.js";

/** Checkpoints that are looked at in one call. */
const PAGE = 10_000;

export interface CheckpointsRmOptions {
  readonly namespace?: string;
  readonly dryRun?: boolean;
}

export async function checkpointsRm(
  invocation: Invocation,
  [threadId, given]: readonly [string, readonly string[]],
  { namespace = "", dryRun = false }: CheckpointsRmOptions,
): Promise<void> {
  const ids = [...new Set(given)];
  await withStore(invocation, async (storage) => {
    const { going, plan } = await planOf(storage, threadId, namespace, ids, invocation);
    if (dryRun) {
      for (const line of plan) invocation.note(line);
      const kept = ids.length - going;
      return printChange(
        invocation,
        { changed: 0, planned: going, kept },
        `would delete ${counted(going, "checkpoint")}${keeping(kept)}`,
      );
    }
    await confirm(invocation, plan);
    const report = await storage.deleteCheckpoints(threadId, ids, { ...longCall(invocation), namespace });
    const { removedCheckpoints, removedWrites, removedBytes, keptCheckpointIds } = report;
    return printChange(
      invocation,
      { changed: removedCheckpoints, ...report, kept: keptCheckpointIds.length },
      `deleted ${counted(removedCheckpoints, "checkpoint")} and ${counted(removedWrites, "write")} (${size(removedBytes)})${keeping(keptCheckpointIds.length)}`,
    );
  });
}

async function planOf(
  storage: StorageBackend,
  threadId: string,
  namespace: string,
  ids: readonly string[],
  { signal, style }: Invocation,
): Promise<{ readonly going: number; readonly plan: readonly string[] }> {
  const all = new Map<string, CheckpointInfo>();
  for (let before: number | undefined; ; ) {
    const page = await storage.listCheckpoints(threadId, { namespace, limit: PAGE, before, signal });
    for (const each of page) all.set(each.checkpointId, each);
    if (page.length < PAGE) break;
    before = page.at(-1)?.seq;
  }
  const needs = [...all.values()].flatMap(({ checkpointId, parentId, needsParent }) =>
    needsParent && parentId !== undefined ? [{ checkpointId, parentId }] : [],
  );
  const needed = neededOfNamed(new Set(ids), needs);
  const plan = ids.map((id) => {
    const found = all.get(id);
    if (found === undefined) throw noCheckpoint(threadId, id, namespace);
    if (needed.has(id)) return `keep checkpoint ${id} of thread ${threadId}: another one needs it`;
    return `delete checkpoint ${id} of thread ${threadId} (${size(found.sizeBytes)}), stored ${relativeTime(found.createdAt, style.now)}`;
  });
  return { going: ids.length - needed.size, plan };
}

function keeping(kept: number): string {
  return kept === 0 ? "" : `, keeping ${counted(kept, "checkpoint")} that others need`;
}
