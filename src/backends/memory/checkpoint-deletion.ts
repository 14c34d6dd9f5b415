/** Deleting checkpoints by name (K9). */
import { bytesOf } from "../../domain/codec/long-text.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, DeletionCounts } from "../../domain/driver/storage-driver.js";
import { type NeededParent, neededOfNamed } from "../../domain/pruning.js";
import { Slices } from "../../domain/slices.js";
import { findCheckpoint, touchThread } from "./checkpoints.js";
import { checkFence } from "./leases.js";
import type { NamespaceEntry, Tenant } from "./state.js";
import { liveThread } from "./state.js";
import { removeCheckpoints, writesOf } from "./thread-entries.js";

type Target = Parameters<CheckpointDriver["deleteCheckpoints"]>[2];

/** To be run by who has the tenant for himself. Given up before the first checkpoint goes, it changes nothing. @throws FencedError */
export async function deleteNamed(
  call: Call,
  tenant: Tenant,
  threadId: string,
  { namespace, checkpointIds }: Target,
  fence: FencingToken | null,
  now: number,
): Promise<DeletionCounts> {
  checkFence(tenant, fence, now);
  const thread = liveThread(tenant, threadId, now);
  const entry = thread?.namespaces.get(namespace);
  if (thread === undefined || entry === undefined) {
    return { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };
  }
  const slices = new Slices(call);
  const named = new Set(checkpointIds);
  const needed = neededOfNamed(named, await slices.run(needsAround(entry, named)));
  const going = checkpointIds.filter((id) => !needed.has(id));
  const checkpoints = going.map((id) => findCheckpoint(thread, namespace, id)).filter((row) => row !== undefined);
  const writes = going.flatMap((id) => writesOf(thread, namespace, id));
  const counts = {
    removedCheckpoints: checkpoints.length,
    removedWrites: writes.length,
    removedBytes:
      checkpoints.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) +
      writes.reduce((sum, { value }) => sum + bytesOf(value), 0),
    kept: checkpointIds.filter((id) => needed.has(id) && entry.seqs.has(id)),
  };
  if (checkpoints.length + writes.length > 0) {
    await slices.finish(removeCheckpoints(thread, checkpoints));
    for (const id of going) entry.writes.delete(id);
    touchThread(tenant, thread, thread.row.sessionId, now);
  }
  return counts;
}

/** Who needs whom, as far as it is about named ones. */
function* needsAround(
  { checkpoints }: NamespaceEntry,
  named: ReadonlySet<string>,
): Generator<void, NeededParent[], void> {
  const needs: NeededParent[] = [];
  for (const { checkpointId, parentId, needsParent } of checkpoints.toArray()) {
    const isNeed = needsParent && parentId !== null && (named.has(checkpointId) || named.has(parentId));
    if (isNeed) needs.push({ checkpointId, parentId });
    yield;
  }
  return needs;
}
