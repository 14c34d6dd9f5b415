/** Intermediate writes of checkpoints. They are kept by the checkpoint's name: they may come before it (K3). */
import { quoteIdentifier } from "../../contract/errors.js";
import { compareWrites } from "../../domain/checkpoints.js";
import { compactText, HEADER_BYTES, plainText, textBytes } from "../../domain/compact-text.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import type { LongText } from "./long-text.js";

const INSERT = `INSERT INTO checkpoint_writes
  (thread, namespace, checkpoint_id, task_id, idx, task_path, channel, checksum, value)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, namespace, checkpoint_id, task_id, idx) `;

const KEEP_FIRST = `${INSERT} DO NOTHING`;

const OVERWRITE = `${INSERT} DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel,
  checksum = excluded.checksum, value = excluded.value`;

/** For the bytes of a long text. */
const asText = (insert: string): string => insert.replace("?, ?)", "?, CAST(? AS TEXT))");
const KEEP_FIRST_LONG = asText(KEEP_FIRST);
const OVERWRITE_LONG = asText(OVERWRITE);

const COLUMNS = 'task_id AS taskId, task_path AS taskPath, idx AS "index", channel, checksum, value';

const BY_CHECKPOINT = `SELECT ${COLUMNS} FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ?`;

/** A write with the checkpoint that it is for. */
export interface NamedWrite extends StoredWrite {
  readonly namespace: string;
  readonly checkpointId: string;
}

/** A write as its row holds it: a long value is compacted. */
export interface CompactWrite extends Omit<StoredWrite, "value"> {
  readonly checksum: number | null;
  readonly value: string | Uint8Array;
}

/** Ready to be stored. The checksum is of the text. */
export function compactWrite(write: StoredWrite): CompactWrite {
  return { ...write, checksum: checksum(write.value), value: compactText(write.value) };
}

export function putWrite(
  tx: Connection,
  thread: number,
  target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
  write: CompactWrite,
  long?: LongText | undefined,
): void {
  tx.run(
    long === undefined
      ? target.overwrite
        ? OVERWRITE
        : KEEP_FIRST
      : target.overwrite
        ? OVERWRITE_LONG
        : KEEP_FIRST_LONG,
    thread,
    target.namespace,
    target.checkpointId,
    write.taskId,
    write.index,
    write.taskPath,
    write.channel,
    long?.checksum ?? write.checksum,
    long?.bytes ?? write.value,
  );
}

/** In the order of K3. @throws CorruptionError */
export function selectWrites(db: Connection, thread: number, namespace: string, checkpointId: string): StoredWrite[] {
  return selectCompact(db, thread, namespace, checkpointId).map((row) => intact(row, checkpointId));
}

/** In the order of K3, and as they are stored: `intact` makes texts of them, which takes its time. */
export function selectCompact(db: Connection, thread: number, namespace: string, checkpointId: string): CompactWrite[] {
  return db.all<CompactWrite>(BY_CHECKPOINT, thread, namespace, checkpointId).sort(compareWrites);
}

/** One write. @throws CorruptionError */
export function selectWrite(db: Connection, thread: number, place: WritePlace): StoredWrite | undefined {
  const { namespace, checkpointId, taskId, index } = place;
  const sql = `${BY_CHECKPOINT} AND task_id = ? AND idx = ?`;
  const row = db.get<CompactWrite>(sql, thread, namespace, checkpointId, taskId, index);
  return row && intact(row, checkpointId);
}

/** Where a write stands among those of its checkpoint. */
export type TaskPlace = Pick<StoredWrite, "taskId" | "index">;

/** Some writes of a checkpoint after a place, place by place. @throws CorruptionError */
export function selectSomeWrites(
  db: Connection,
  thread: number,
  { namespace, checkpointId }: Pick<NamedWrite, "namespace" | "checkpointId">,
  after: TaskPlace,
  limit: number,
): StoredWrite[] {
  const rows = db.all<CompactWrite>(
    `${BY_CHECKPOINT} AND (task_id, idx) > (?, ?) ORDER BY task_id, idx LIMIT ?`,
    thread,
    namespace,
    checkpointId,
    after.taskId,
    after.index,
    limit,
  );
  return rows.map((row) => intact(row, checkpointId));
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
  const rows = selectCompactAfter(db, thread, after, limit);
  return rows.map((row) => intact(row, row.checkpointId));
}

function selectCompactAfter(
  db: Connection,
  thread: number,
  after: WritePlace,
  limit: number,
): (CompactWrite & WritePlace)[] {
  return db.all(
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

/** @throws CorruptionError */
export function intact<Row extends CompactWrite>(
  { checksum: sum, value: stored, ...write }: Row,
  checkpointId: string,
): Omit<Row, "checksum" | "value"> & { readonly value: string } {
  const record = (): string => `a write of checkpoint ${quoteIdentifier(checkpointId)}`;
  const value = plainText(stored, record);
  assertIntact(sum, record, value);
  return { ...write, value };
}

/** Writes copied between two looks at the time. */
const COPIED_AT_ONCE = 20;

/** Copies all writes of a thread to another one. */
export function* copyWrites(tx: Connection, from: number, to: number): Generator<void, void, void> {
  for (let after = FIRST_PLACE; ; ) {
    const rows = selectCompactAfter(tx, from, after, COPIED_AT_ONCE);
    for (const row of rows) {
      const { namespace, checkpointId } = row;
      const { value: text } = intact(row, checkpointId);
      putWrite(tx, to, { namespace, checkpointId, overwrite: false }, { ...row, checksum: checksum(text) });
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
  // Of a compacted value its header alone says the bytes; a damaged one can be removed too.
  const rows = db.all<{ bytes: number; start: string | Uint8Array }>(
    `SELECT octet_length(value) AS bytes, substr(value, 1, ${HEADER_BYTES}) AS start FROM checkpoint_writes
     WHERE thread = ? AND namespace = ? AND checkpoint_id = ?`,
    thread,
    namespace,
    checkpointId,
  );
  const bytes = rows.reduce((sum, row) => sum + (typeof row.start === "string" ? row.bytes : textBytes(row.start)), 0);
  return { count: rows.length, bytes };
}
