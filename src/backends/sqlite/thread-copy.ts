/** A thread copied whole (K7): blocks, checkpoints and writes. */
import { copyBlocks } from "./checkpoint-blocks.js";
import { insertCheckpoint, metadataOf, oldestCheckpoints } from "./checkpoint-rows.js";
import { copyState } from "./checkpoint-states.js";
import { copyWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { discardThread, newBatch } from "./garbage.js";
import { findThread, insertThread, isThreadGone, liveThread } from "./thread-rows.js";

/** Encoded bytes of the states that are copied between two looks at the time. */
const COPIED_AT_ONCE = 256 * 1024;

/** Checkpoints that are read at once to be copied. */
const COPIED_ROWS = 50;

/** What is to be copied where. `now` decides which threads have expired with their session. */
export interface ThreadCopy {
  readonly from: string;
  readonly to: string;
  readonly now: number;
}

export function* copyThread(
  tx: Connection,
  tenant: number,
  { from, to, now }: ThreadCopy,
): Generator<void, "copied" | "absent" | "exists", void> {
  const source = liveThread(tx, tenant, from, now);
  if (source === undefined) return "absent";
  const target = findThread(tx, tenant, to);
  if (target !== undefined && !isThreadGone(target, now)) return "exists";
  if (target !== undefined) discardThread(tx, newBatch(tx), { ...target, tenant });
  const copy = insertThread(tx, tenant, { ...source, threadId: to, session: null });
  yield* copyBlocks(tx, source.id, copy);
  yield* copyCheckpoints(tx, source.id, copy);
  yield* copyWrites(tx, source.id, copy);
  return "copied";
}

function* copyCheckpoints(tx: Connection, from: number, to: number): Generator<void, void, void> {
  let after = 0;
  let copied = 0;
  for (;;) {
    const rows = oldestCheckpoints(tx, from, after, COPIED_ROWS);
    for (const row of rows) {
      const metadata = metadataOf(tx, row) ?? "{}";
      const id = insertCheckpoint(tx, to, { ...row, metadata, needsParent: row.needsParent !== 0 });
      copyState(tx, row, { id });
      copied += row.sizeBytes + metadata.length;
      after = row.seq;
      if (copied < COPIED_AT_ONCE) continue;
      copied = 0;
      yield;
    }
    if (rows.length === 0) return;
    yield;
  }
}
