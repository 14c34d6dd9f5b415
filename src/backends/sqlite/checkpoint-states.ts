/** States of checkpoints, the one place that knows how they are stored: a manifest each, and the blocks of their thread (K4, K5). */
import { type CollectedState, collectInSteps, restoreState } from "../../domain/segments/restore.js";
import type { SplitState } from "../../domain/segments/split.js";
import { blocksOf, noteLoose, putBlocks, sweepLoose } from "./checkpoint-blocks.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";

/** The checkpoint's own row. */
export interface StateOwner {
  readonly id: number;
}

/** What stands for a thread where outlines of its states are remembered. */
export function outlineKey(tenant: string, threadId: string): string {
  return `${tenant}\0${threadId}`;
}

/** Stores the state of a checkpoint, in place of the one that it had. */
export function* putState(
  tx: Connection,
  thread: number,
  { id }: StateOwner,
  state: SplitState,
): Generator<void, void, void> {
  const added = yield* putBlocks(tx, thread, state);
  const replaced = leavesOf(tx, id);
  tx.run(
    `INSERT INTO checkpoint_states (checkpoint, checksum, leaves, data) VALUES (?, ?, ?, ?) ON CONFLICT (checkpoint)
     DO UPDATE SET checksum = excluded.checksum, leaves = excluded.leaves, data = excluded.data`,
    id,
    checksum(state.manifest),
    state.root === null ? 0 : added + 1,
    state.manifest,
  );
  if (replaced === 0) return;
  noteLoose(tx, thread, replaced);
  yield* sweepLoose(tx, thread, "many");
}

/** The state, `null` if it is missing. @throws CorruptionError if it or a block of it is damaged (K5) */
export function readState(db: Connection, thread: number, owner: StateOwner, name: () => string): string | null {
  const manifest = readManifest(db, owner, name);
  return manifest === null ? null : restoreState(manifest, blocksOf(db, thread));
}

/** What a state is made of, `null` if it is missing: read with a pause where it yields, from the connection that `db` gives then. */
export function* collectState(
  db: () => Connection,
  thread: number,
  owner: StateOwner,
  name: () => string,
): Generator<void, CollectedState | null, void> {
  const manifest = readManifest(db(), owner, name);
  return manifest === null ? null : yield* collectInSteps(manifest, (names) => blocksOf(db(), thread)(names));
}

function readManifest(db: Connection, { id }: StateOwner, name: () => string): string | null {
  const row = db.get<{ checksum: number | null; data: string }>(
    "SELECT checksum, data FROM checkpoint_states WHERE checkpoint = ?",
    id,
  );
  if (row === undefined) return null;
  assertIntact(row.checksum, name, row.data);
  return row.data;
}

/** Copies a state to a checkpoint of another thread, to which the blocks are copied too: they share no fate (K7). */
export function copyState(tx: Connection, from: StateOwner, to: StateOwner): void {
  tx.run(
    `INSERT INTO checkpoint_states (checkpoint, checksum, leaves, data)
     SELECT ?, checksum, leaves, data FROM checkpoint_states WHERE checkpoint = ?`,
    to.id,
    from.id,
  );
}

/** Deletes a state; the blocks that it leaves are swept later. */
export function deleteState(tx: Connection, thread: number, { id }: StateOwner): void {
  noteLoose(tx, thread, leavesOf(tx, id));
  tx.run("DELETE FROM checkpoint_states WHERE checkpoint = ?", id);
}

function leavesOf(db: Connection, id: number): number {
  return db.get<{ leaves: number }>("SELECT leaves FROM checkpoint_states WHERE checkpoint = ?", id)?.leaves ?? 0;
}
