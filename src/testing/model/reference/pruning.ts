/** Which checkpoints of a thread stay in the reference model (K6, K9). */
import type { PrunePolicy } from "../../../contract/checkpoint-storage.js";
import type { ModelCheckpoint, ModelThread, ModelWrite } from "./state.js";

/** What is left of a thread. Writes go with their checkpoint; those whose checkpoint has not come yet stay. */
export function pruneThread(
  thread: ModelThread,
  policy: Pick<PrunePolicy, "keepLast" | "maxAgeMs">,
  now: number,
): { readonly kept: ModelCheckpoint[]; readonly keptWrites: ModelWrite[] } {
  const { checkpoints } = thread;
  const staying = new Set(checkpoints.filter((each) => staysByItself(thread, each, policy, now)));
  // Sets give what is added while they are walked: parents of parents come too.
  for (const each of staying) {
    const parent = each.needsParent ? checkpoints.find((other) => isParent(other, each)) : undefined;
    if (parent !== undefined) staying.add(parent);
  }
  const removed = checkpoints.filter((each) => !staying.has(each));
  return {
    kept: checkpoints.filter((each) => staying.has(each)),
    keptWrites: thread.writes.filter((write) => !removed.some((each) => belongs(write, each))),
  };
}

/** The named ids of a namespace under which nothing is to stay: round by round those leave the list that one outside of it needs. */
export function goingByName(thread: ModelThread, namespace: string, named: readonly string[]): readonly string[] {
  const staying = thread.checkpoints.filter(
    (each) => each.namespace === namespace && each.needsParent && !named.includes(each.checkpointId),
  );
  const left = named.filter((id) => !staying.some(({ parentId }) => parentId === id));
  return left.length === named.length ? named : goingByName(thread, namespace, left);
}

function staysByItself(
  { checkpoints, writes }: ModelThread,
  checkpoint: ModelCheckpoint,
  { keepLast, maxAgeMs }: Pick<PrunePolicy, "keepLast" | "maxAgeMs">,
  now: number,
): boolean {
  const newer = checkpoints.filter((each) => each.namespace === checkpoint.namespace && each.seq > checkpoint.seq);
  const continued = checkpoints.some((each) => each !== checkpoint && isParent(checkpoint, each));
  const openInterrupt = !continued && writes.some((write) => belongs(write, checkpoint));
  const byCount = keepLast !== undefined && newer.length < keepLast;
  const byAge = maxAgeMs !== undefined && now - checkpoint.createdAt < maxAgeMs;
  return newer.length === 0 || openInterrupt || byCount || byAge;
}

function isParent(parent: ModelCheckpoint, child: ModelCheckpoint): boolean {
  return child.namespace === parent.namespace && child.parentId === parent.checkpointId;
}

function belongs(write: ModelWrite, checkpoint: ModelCheckpoint): boolean {
  return write.namespace === checkpoint.namespace && write.checkpointId === checkpoint.checkpointId;
}
