/** `waystone threads rm`: deletes threads with their checkpoints and writes. */
import { quoteIdentifier } from "../../contract/errors.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { CommandFailure } from "../command-failure.js";
import { confirm } from "../confirm.js";
import { type Invocation, longCall } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { counted, relativeTime, size } from "../output/units.js";
import { withStore } from "../store.js";
import type { DeleteOptions } from "./sessions-rm.js";

/** Checkpoints of a thread that are counted for the plan. */
const MOST_COUNTED = 1000;

export async function threadsRm(
  invocation: Invocation,
  [given]: readonly [readonly string[]],
  { dryRun = false }: DeleteOptions,
): Promise<void> {
  const ids = [...new Set(given)];
  await withStore(invocation, async (storage) => {
    const plan: string[] = [];
    for (const id of ids) plan.push(await planLine(storage, id, invocation));
    if (dryRun) {
      for (const line of plan) invocation.note(line);
      return printChange(
        invocation,
        { changed: 0, planned: ids.length },
        `would delete ${counted(ids.length, "thread")}`,
      );
    }
    await confirm(invocation, plan);
    let changed = 0;
    for (const id of ids) if (await storage.deleteThread(id, longCall(invocation))) changed += 1;
    return printChange(invocation, { changed }, `deleted ${counted(changed, "thread")}`);
  });
}

async function planLine(storage: StorageBackend, threadId: string, { signal, style }: Invocation): Promise<string> {
  const checkpoints = await storage.listCheckpoints(threadId, { limit: MOST_COUNTED, signal });
  const newest = checkpoints[0];
  if (newest === undefined) throw noCheckpoints(threadId);
  const bytes = checkpoints.reduce((sum, each) => sum + each.sizeBytes, 0);
  const many = checkpoints.length === MOST_COUNTED ? "at least " : "";
  return `delete thread ${threadId}: ${many}${counted(checkpoints.length, "checkpoint")} (${size(bytes)}), newest ${relativeTime(newest.createdAt, style.now)}`;
}

/** The failure of a thread that is not there, or has no checkpoint yet. */
export function noCheckpoints(threadId: string): CommandFailure {
  return new CommandFailure("NOT_FOUND", `thread ${quoteIdentifier(threadId)} has no checkpoints`, {
    hint: "`waystone threads ls` lists the threads of the tenant",
  });
}
