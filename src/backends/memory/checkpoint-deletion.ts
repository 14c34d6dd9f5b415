/** Deleting checkpoints by name (K9). */
import type { FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, DeletionCounts } from "../../domain/driver/storage-driver.js";
import { type NeededParent, neededOfNamed } from "../../domain/pruning.js";
import { findCheckpoint, touchThread } from "./checkpoints.js";
import { checkFence } from "./leases.js";
import type { NamespaceEntry, Tenant } from "./state.js";
import { liveThread } from "./state.js";
import { removeCheckpoints, writesOf } from "./thread-entries.js";

type Target = Parameters<CheckpointDriver["deleteCheckpoints"]>[2];

/** All of it in one step. @throws FencedError */
export function deleteNamed(
  tenant: Tenant,
  threadId: string,
  { namespace, checkpointIds }: Target,
  fence: FencingToken | null,
  now: number,
): DeletionCounts {
  checkFence(tenant, fence, now);
  const thread = liveThread(tenant, threadId, now);
  const entry = thread?.namespaces.get(namespace);
  if (thread === undefined || entry === undefined) {
    return { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };
  }
  const needed = neededOfNamed(new Set(checkpointIds), needsOf(entry));
  const going = checkpointIds.filter((id) => !needed.has(id));
  const checkpoints = going.map((id) => findCheckpoint(thread, namespace, id)).filter((row) => row !== undefined);
  const writes = going.flatMap((id) => writesOf(thread, namespace, id));
  if (checkpoints.length + writes.length > 0) {
    removeCheckpoints(thread, checkpoints);
    for (const id of going) entry.writes.delete(id);
    touchThread(tenant, thread, thread.row.sessionId, now);
  }
  return {
    removedCheckpoints: checkpoints.length,
    removedWrites: writes.length,
    removedBytes:
      checkpoints.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) +
      writes.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0),
    kept: checkpointIds.filter((id) => needed.has(id) && entry.seqs.has(id)),
  };
}

function* needsOf({ checkpoints }: NamespaceEntry): Generator<NeededParent> {
  for (const { checkpointId, parentId, needsParent } of checkpoints.toArray()) {
    if (needsParent && parentId !== null) yield { checkpointId, parentId };
  }
}
