/** Deleting checkpoints by name (K9): the domain says what must stay, one transaction in slices removes the rest. */
import { FencedError } from "../../contract/errors.js";
import type { FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, DeletionCounts } from "../../domain/driver/storage-driver.js";
import { type NeededParent, neededOfNamed } from "../../domain/pruning.js";
import { sweepLoose } from "./checkpoint-blocks.js";
import { findCheckpoint } from "./checkpoint-rows.js";
import { deleteState } from "./checkpoint-states.js";
import { removeWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { assertFence } from "./lease-rows.js";
import { liveThread, touchThread } from "./thread-rows.js";

type Target = Parameters<CheckpointDriver["deleteCheckpoints"]>[2];

/** Checkpoints looked at between two looks at the time. */
const PIECE_ROWS = 200;

/** Which checkpoints go, and with which lease. */
export interface CheckpointDeletion {
  readonly threadId: string;
  readonly target: Target;
  readonly fence: FencingToken | null;
  readonly now: number;
}

/** The lease is not the current one: whoever is told so asks for the refusal, which does not come whole out of another thread. */
export type Fenced = "fenced";

/** All in one step; what others need stays. */
export function* deleteCheckpoints(
  tx: Connection,
  tenant: number,
  { threadId, target, fence, now }: CheckpointDeletion,
): Generator<void, DeletionCounts | Fenced, void> {
  try {
    assertFence(tx, tenant, fence, now);
  } catch (error) {
    if (error instanceof FencedError) return "fenced";
    throw error;
  }
  const thread = liveThread(tx, tenant, threadId, now);
  if (thread === undefined) return { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, kept: [] };
  const removed = yield* removeNamed(tx, thread.id, target);
  if (removed.removedCheckpoints + removed.removedWrites > 0) {
    const checkpointCount = thread.checkpointCount - removed.removedCheckpoints;
    touchThread(tx, thread, { link: null, lastSeq: thread.lastSeq, checkpointCount }, now);
  }
  yield* sweepLoose(tx, thread.id, "all");
  return removed;
}

function* removeNamed(
  tx: Connection,
  thread: number,
  { namespace, checkpointIds }: Target,
): Generator<void, DeletionCounts, void> {
  const named = new Set(checkpointIds);
  const needed = neededOfNamed(named, yield* selectNeeds(tx, thread, namespace, named));
  const kept: string[] = [];
  let [removedCheckpoints, removedWrites, removedBytes] = [0, 0, 0];
  for (const checkpointId of checkpointIds) {
    const row = findCheckpoint(tx, thread, namespace, checkpointId);
    if (needed.has(checkpointId)) {
      if (row !== undefined) kept.push(checkpointId);
      continue;
    }
    const { count, bytes } = yield* removeWrites(tx, thread, { namespace, checkpointId });
    if (row !== undefined) {
      deleteState(tx, thread, row);
      tx.run("DELETE FROM checkpoints WHERE id = ?", row.id);
      removedCheckpoints += 1;
    }
    removedWrites += count;
    removedBytes += bytes + (row?.sizeBytes ?? 0);
    yield;
  }
  return { removedCheckpoints, removedWrites, removedBytes, kept };
}

/** The checkpoints of a namespace that need their parent, as far as it is about named ones. */
function* selectNeeds(
  tx: Connection,
  thread: number,
  namespace: string,
  named: ReadonlySet<string>,
): Generator<void, NeededParent[], void> {
  const needs: NeededParent[] = [];
  for (let after = 0; ; ) {
    const rows = tx.all<{ seq: number; checkpointId: string; parentId: string | null; needsParent: number }>(
      `SELECT seq, checkpoint_id AS checkpointId, parent_id AS parentId, needs_parent AS needsParent
       FROM checkpoints INDEXED BY checkpoints_by_namespace
       WHERE thread = ? AND namespace = ? AND seq > ? ORDER BY seq LIMIT ?`,
      thread,
      namespace,
      after,
      PIECE_ROWS,
    );
    for (const { seq, checkpointId, parentId, needsParent } of rows) {
      const isNeed = needsParent !== 0 && parentId !== null && (named.has(checkpointId) || named.has(parentId));
      if (isNeed) needs.push({ checkpointId, parentId });
      after = seq;
    }
    if (rows.length < PIECE_ROWS) return needs;
    yield;
  }
}
