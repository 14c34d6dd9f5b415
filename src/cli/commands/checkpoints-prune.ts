/** `waystone checkpoints prune`: removes old checkpoints, never a head, what a kept one needs, or an open interrupt (K6). */
import type { PrunePolicy, PruneReport } from "../../contract/checkpoint-storage.js";
import { CommandFailure } from "../command-failure.js";
import { confirm } from "../confirm.js";
import { type Invocation, longCall } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { count, counted, size } from "../output/units.js";
import { withStore } from "../store.js";

export interface CheckpointsPruneOptions {
  readonly keepLast?: number;
  /** Milliseconds. */
  readonly maxAge?: number;
  readonly thread?: string;
  readonly dryRun?: boolean;
}

export async function checkpointsPrune(
  invocation: Invocation,
  _args: readonly [],
  { keepLast, maxAge, thread, dryRun = false }: CheckpointsPruneOptions,
): Promise<void> {
  if (keepLast === undefined && maxAge === undefined) {
    throw new CommandFailure("USAGE", "nothing says what may go: pass --keep-last, --max-age or both");
  }
  const call = longCall(invocation);
  const policy: PrunePolicy = { keepLast, maxAgeMs: maxAge, threadId: thread };
  await withStore(invocation, async (storage) => {
    const planned = await storage.pruneCheckpoints(policy, { dryRun: true, ...call });
    if (dryRun || planned.removedCheckpoints === 0) {
      return printChange(
        invocation,
        { ...planned, changed: 0, planned: planned.removedCheckpoints },
        sentence("would remove", planned),
      );
    }
    await confirm(invocation, [sentence("remove", planned), "what is removed cannot be brought back"]);
    const report = await storage.pruneCheckpoints(policy, call);
    return printChange(invocation, { ...report, changed: report.removedCheckpoints }, sentence("removed", report));
  });
}

function sentence(verb: string, report: PruneReport): string {
  const { removedCheckpoints, removedWrites, removedBytes, keptCheckpoints, threads } = report;
  return (
    `${verb} ${counted(removedCheckpoints, "checkpoint")} and ${counted(removedWrites, "write")} (${size(removedBytes)}) ` +
    `of ${counted(threads, "thread")}, keeping ${count(keptCheckpoints)}`
  );
}
