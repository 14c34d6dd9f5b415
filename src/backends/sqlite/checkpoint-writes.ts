/** Intermediate writes of checkpoints. They are kept by the checkpoint's name: they may come before it (K3). */
import { quoteIdentifier } from "../../contract/errors.js";
import { compareWrites } from "../../domain/checkpoints.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";

const INSERT = `INSERT INTO checkpoint_writes
  (thread, namespace, checkpoint_id, task_id, idx, task_path, channel, checksum, value)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, namespace, checkpoint_id, task_id, idx) `;

const KEEP_FIRST = `${INSERT} DO NOTHING`;

const OVERWRITE = `${INSERT} DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel,
  checksum = excluded.checksum, value = excluded.value`;

const COLUMNS = 'task_id AS taskId, task_path AS taskPath, idx AS "index", channel, checksum, value';

const BY_CHECKPOINT = `SELECT ${COLUMNS} FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ?`;

/** A write with the checkpoint that it is for. */
export interface NamedWrite extends StoredWrite {
  readonly namespace: string;
  readonly checkpointId: string;
}

interface WriteRow extends StoredWrite {
  readonly checksum: number | null;
}

export function putWrite(
  tx: Connection,
  thread: number,
  target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
  write: StoredWrite,
): void {
  tx.run(
    target.overwrite ? OVERWRITE : KEEP_FIRST,
    thread,
    target.namespace,
    target.checkpointId,
    write.taskId,
    write.index,
    write.taskPath,
    write.channel,
    checksum(write.value),
    write.value,
  );
}

/** In the order of K3. @throws CorruptionError */
export function selectWrites(db: Connection, thread: number, namespace: string, checkpointId: string): StoredWrite[] {
  const rows = db.all<WriteRow>(BY_CHECKPOINT, thread, namespace, checkpointId);
  return rows.map((row) => intact(row, checkpointId)).sort(compareWrites);
}

/** Where a write stands among those of its thread. */
export type WritePlace = Pick<NamedWrite, "namespace" | "checkpointId" | "taskId" | "index">;

/** Before every write. */
export const FIRST_PLACE: WritePlace = {
  namespace: "",
  checkpointId: "",
  taskId: "",
  index: Number.MIN_SAFE_INTEGER,
};

/** Writes of a thread after a place, place by place. @throws CorruptionError */
export function selectWritesAfter(db: Connection, thread: number, after: WritePlace, limit: number): NamedWrite[] {
  const rows = db.all<WriteRow & NamedWrite>(
    `SELECT namespace, checkpoint_id AS checkpointId, ${COLUMNS}
     FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
     WHERE thread = ? AND (namespace, checkpoint_id, task_id, idx) > (?, ?, ?, ?)
     ORDER BY namespace, checkpoint_id, task_id, idx LIMIT ?`,
    thread,
    after.namespace,
    after.checkpointId,
    after.taskId,
    after.index,
    limit,
  );
  return rows.map((row) => intact(row, row.checkpointId));
}

export function hasWrites(db: Connection, thread: number, namespace: string, checkpointId: string): boolean {
  return (
    db.get(
      "SELECT 1 FROM checkpoint_writes WHERE thread = ? AND namespace = ? AND checkpoint_id = ? LIMIT 1",
      thread,
      namespace,
      checkpointId,
    ) !== undefined
  );
}

export function deleteWrites(tx: Connection, thread: number, namespace: string, checkpointId: string): number {
  return tx.run(
    "DELETE FROM checkpoint_writes WHERE thread = ? AND namespace = ? AND checkpoint_id = ?",
    thread,
    namespace,
    checkpointId,
  );
}

function intact<Row extends WriteRow>({ checksum: sum, ...write }: Row, checkpointId: string): Omit<Row, "checksum"> {
  assertIntact(sum, () => `a write of checkpoint ${quoteIdentifier(checkpointId)}`, write.value);
  return write;
}

/** Writes copied between two looks at the time. */
const COPIED_AT_ONCE = 20;

/** Copies all writes of a thread to another one. */
export function* copyWrites(tx: Connection, from: number, to: number): Generator<void, void, void> {
  for (let after = FIRST_PLACE; ; ) {
    const rows = selectWritesAfter(tx, from, after, COPIED_AT_ONCE);
    for (const { namespace, checkpointId, ...write } of rows) {
      putWrite(tx, to, { namespace, checkpointId, overwrite: false }, write);
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
    yield;
  }
}

/** How many writes a checkpoint has, and the bytes of their encoded values. */
export function sizeOfWrites(
  db: Connection,
  thread: number,
  namespace: string,
  checkpointId: string,
): { count: number; bytes: number } {
  const row = db.get<{ count: number; bytes: number | null }>(
    `SELECT count(*) AS count, sum(octet_length(value)) AS bytes FROM checkpoint_writes
     WHERE thread = ? AND namespace = ? AND checkpoint_id = ?`,
    thread,
    namespace,
    checkpointId,
  );
  return { count: row?.count ?? 0, bytes: row?.bytes ?? 0 };
}
