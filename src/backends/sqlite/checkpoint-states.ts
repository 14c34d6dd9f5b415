/** States of checkpoints, the one place that knows how they are stored: whole, one row each. */
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";

/** The checkpoint's own row. */
export interface StateOwner {
  readonly id: number;
}

/** Stores the state of a checkpoint, in place of the one that it had. */
export function putState(tx: Connection, { id }: StateOwner, data: string): void {
  tx.run(
    "INSERT INTO checkpoint_states (checkpoint, checksum, data) VALUES (?, ?, ?) " +
      "ON CONFLICT (checkpoint) DO UPDATE SET checksum = excluded.checksum, data = excluded.data",
    id,
    checksum(data),
    data,
  );
}

/** The state, `null` if it is missing. @throws CorruptionError if it is damaged (K5) */
export function readState(db: Connection, { id }: StateOwner, name: () => string): string | null {
  const row = db.get<{ checksum: number | null; data: string }>(
    "SELECT checksum, data FROM checkpoint_states WHERE checkpoint = ?",
    id,
  );
  if (row === undefined) return null;
  assertIntact(row.checksum, name, row.data);
  return row.data;
}

/** Copies a state to another checkpoint; they share no fate. */
export function copyState(tx: Connection, from: StateOwner, to: StateOwner): void {
  tx.run(
    "INSERT INTO checkpoint_states (checkpoint, checksum, data) SELECT ?, checksum, data FROM checkpoint_states WHERE checkpoint = ?",
    to.id,
    from.id,
  );
}

export function deleteStates(tx: Connection, owners: readonly StateOwner[]): void {
  for (const { id } of owners) tx.run("DELETE FROM checkpoint_states WHERE checkpoint = ?", id);
}
