/** Intermediate writes of checkpoints. They are kept by the checkpoint's name: they may come before it (K3). */

import { quoteIdentifier } from "../../contract/errors.js";
import { compareWrites } from "../../domain/checkpoints.js";
import { LongText, type StoredText } from "../../domain/codec/long-text.js";
import { compactText, HEADER_BYTES, plainText, textBytes } from "../../domain/compact-text.js";
import type { StoredWrite } from "../../domain/driver/stored.js";
import { sortInSteps } from "../../domain/sort-in-steps.js";
import { assertIntact, checksum } from "./checksums.js";
import type { Connection } from "./connection/connection.js";
import {
  copyText,
  dropText,
  isInPieces,
  readText,
  type TextInPieces,
  type TextOfRow,
  untilWhole,
} from "./long-text-rows.js";
import { Portion, SHORT_TEXT } from "./portion.js";

const INSERT = `INSERT INTO checkpoint_writes
  (thread, namespace, checkpoint_id, task_id, idx, task_path, channel, checksum, value, long)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (thread, namespace, checkpoint_id, task_id, idx) `;

const KEEP_FIRST = `${INSERT} DO NOTHING`;

const OVERWRITE = `${INSERT} DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel,
  checksum = excluded.checksum, value = excluded.value, long = excluded.long`;

const BESIDE_VALUE = 'task_id AS taskId, task_path AS taskPath, idx AS "index", channel, checksum, long';

const COLUMNS = `${BESIDE_VALUE}, value`;

/** A write with the checkpoint that it is for. */
export interface NamedWrite extends StoredWrite {
  readonly namespace: string;
  readonly checkpointId: string;
}

/** A write as its row holds it: the value is compacted, or kept in pieces. */
export interface CompactWrite extends Omit<StoredWrite, "value">, TextOfRow {
  readonly value: string | Uint8Array;
}

/** A write as it was read: a value that is kept in pieces is put in its place. */
export type ReadWrite<Row extends CompactWrite = CompactWrite> = Omit<Row, "value"> & {
  readonly value: StoredText | Uint8Array;
};

/** Ready to be stored. The checksum is of the text. */
export function compactWrite(write: StoredWrite): CompactWrite {
  const value = String(write.value);
  return { ...write, checksum: checksum(value), value: compactText(value), long: null };
}

/** Ready to be stored, with a value that is kept in pieces. */
export function writeInPieces(write: StoredWrite, text: TextInPieces): CompactWrite {
  return { ...write, ...text, value: "" };
}

export function putWrite(
  tx: Connection,
  thread: number,
  target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
  write: CompactWrite,
): void {
  const changed = tx.run(
    target.overwrite ? OVERWRITE : KEEP_FIRST,
    thread,
    target.namespace,
    target.checkpointId,
    write.taskId,
    write.index,
    write.taskPath,
    write.channel,
    write.checksum,
    write.value,
    write.long,
  );
  if (changed === 0 && write.long !== null) dropText(tx, write.long);
}

/** The places of a checkpoint's writes, of one page; a value that is not short is read by itself. */
const SHORT_AFTER = `SELECT ${BESIDE_VALUE}, CASE WHEN octet_length(value) <= ${SHORT_TEXT} THEN value END AS value
  FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND (task_id, idx) > (?, ?) ORDER BY task_id, idx LIMIT ?`;

/** Writes read in one step, where they are short. */
const READ_AT_ONCE = 200;

/** In the order of K3. @throws CorruptionError */
export function selectWrites(
  db: Connection,
  thread: number,
  namespace: string,
  checkpointId: string,
): Generator<void, StoredWrite[], void> {
  return readWrites(db, thread, { namespace, checkpointId }, (row) => intact(row, checkpointId));
}

/** In the order of K3, and as they are stored but for those in pieces: `intact` makes texts of the others, which takes its time. */
export function selectCompact(
  db: Connection,
  thread: number,
  namespace: string,
  checkpointId: string,
): Generator<void, ReadWrite[], void> {
  return readWrites(db, thread, { namespace, checkpointId }, (row) => row);
}

/** What `read` makes of all writes of a checkpoint, without those that are deleted while others are read. */
function* readWrites<Read extends Pick<ReadWrite, "taskPath" | "taskId" | "index" | "value">>(
  db: Connection,
  thread: number,
  target: Pick<NamedWrite, "namespace" | "checkpointId">,
  read: (row: ReadWrite) => Read,
): Generator<void, Read[], void> {
  const { namespace, checkpointId } = target;
  const found: Read[] = [];
  const portion = new Portion(READ_AT_ONCE);
  for (let { taskId, index } = FIRST_PLACE; ; ) {
    const rows = db.all<WriteInPage>(SHORT_AFTER, thread, namespace, checkpointId, taskId, index, READ_AT_ONCE);
    for (const row of rows) {
      ({ taskId, index } = row);
      const inRow = isShort(row) ? row : findWrite(db, thread, { ...target, taskId, index });
      if (inRow === undefined) continue;
      for (const whole of yield* withoutPieces(db, thread, target, [inRow])) {
        const write = read(whole);
        found.push(write);
        if (portion.isFull(write.value.length)) yield;
      }
    }
    if (rows.length < READ_AT_ONCE) return yield* sortInSteps(found, compareWrites);
  }
}

/** A write of a page, whose value is `null` where it is not short. */
type WriteInPage = Omit<CompactWrite, "value"> & { readonly value: CompactWrite["value"] | null };

function isShort(row: WriteInPage): row is CompactWrite {
  return row.value !== null;
}

/** One write as its row holds it. */
export function findWrite(db: Connection, thread: number, place: WritePlace): CompactWrite | undefined {
  const { namespace, checkpointId, taskId, index } = place;
  return db.get<CompactWrite>(ONE, thread, namespace, checkpointId, taskId, index);
}

const ONE = `SELECT ${COLUMNS} FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND task_id = ? AND idx = ?`;

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
export function* selectWritesAfter(
  db: Connection,
  thread: number,
  after: WritePlace,
  limit: number,
): Generator<void, NamedWrite[], void> {
  const found: NamedWrite[] = [];
  for (const row of selectCompactAfter(db, thread, after, limit)) {
    for (const whole of yield* withoutPieces(db, thread, row, [row])) found.push(intact(whole, row.checkpointId));
  }
  return found;
}

/** The rows with the values that are kept in pieces, without those that are deleted while others are read. */
function* withoutPieces<Row extends CompactWrite>(
  db: Connection,
  thread: number,
  target: Pick<NamedWrite, "namespace" | "checkpointId">,
  rows: Row[],
): Generator<void, ReadWrite<Row>[], void> {
  if (!rows.some((row) => isInPieces(row, row.value))) return rows;
  const found: ReadWrite<Row>[] = [];
  for (const row of rows) {
    const again = (): Row | undefined => {
      const now = findWrite(db, thread, { ...target, ...row });
      return now && { ...row, ...now };
    };
    const whole = yield* untilWhole(row, again, function* (each): Generator<void, ReadWrite<Row>, void> {
      if (!isInPieces(each, each.value)) return each;
      // Its checksum is asked here.
      return { ...each, value: yield* readText(db, each, nameOfWrite(target.checkpointId)), checksum: null };
    });
    if (whole !== undefined) found.push(whole);
  }
  return found;
}

export const nameOfWrite = (checkpointId: string) => (): string =>
  `a write of checkpoint ${quoteIdentifier(checkpointId)}`;

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

/** Deletes the writes of a checkpoint; returns what they were. */
export function* removeWrites(
  tx: Connection,
  thread: number,
  { namespace, checkpointId }: Pick<NamedWrite, "namespace" | "checkpointId">,
): Generator<void, SizeOfWrites, void> {
  let removed = NO_WRITES;
  for (;;) {
    const { last, ...size } = sizeOfSome(tx, thread, { namespace, checkpointId, ...FIRST_TASK });
    if (last === undefined) return removed;
    removed = { count: removed.count + size.count, bytes: removed.bytes + size.bytes };
    const { taskId, index } = last;
    tx.run(DELETE_UP_TO, thread, namespace, checkpointId, taskId, index);
    if (size.count < REMOVED_AT_ONCE) return removed;
    yield;
  }
}

/** Writes removed or counted between two looks at the time. */
const REMOVED_AT_ONCE = 200;

const DELETE_UP_TO = `DELETE FROM checkpoint_writes
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND (task_id, idx) <= (?, ?)`;

/** With its text, which is not kept in pieces any more. @throws CorruptionError */
export function intact<Row extends ReadWrite>(
  { checksum: sum, long: _long, value: stored, ...write }: Row,
  checkpointId: string,
): Omit<Row, "checksum" | "long" | "value"> & { readonly value: StoredText } {
  if (stored instanceof LongText) return { ...write, value: stored };
  const record = nameOfWrite(checkpointId);
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
      const target = { namespace, checkpointId, overwrite: false };
      if (isInPieces(row, row.value)) {
        putWrite(tx, to, target, { ...row, long: yield* copyText(tx, row.long) });
      } else {
        const { value: text } = intact(row, checkpointId);
        putWrite(tx, to, target, { ...row, checksum: checksum(String(text)), long: null });
      }
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
    yield;
  }
}

/** How many writes there are, and the bytes of their encoded values. */
export interface SizeOfWrites {
  readonly count: number;
  readonly bytes: number;
}

const NO_WRITES: SizeOfWrites = { count: 0, bytes: 0 };

/** What the writes of a checkpoint are. */
export function* sizeOfWrites(
  db: Connection,
  thread: number,
  target: Pick<NamedWrite, "namespace" | "checkpointId">,
): Generator<void, SizeOfWrites, void> {
  let all = NO_WRITES;
  for (let after = FIRST_TASK; ; ) {
    const { count, bytes, last } = sizeOfSome(db, thread, { ...target, ...after });
    all = { count: all.count + count, bytes: all.bytes + bytes };
    if (last === undefined || count < REMOVED_AT_ONCE) return all;
    after = last;
    yield;
  }
}

type TaskPlace = Pick<WritePlace, "taskId" | "index">;

const FIRST_TASK: TaskPlace = { taskId: FIRST_PLACE.taskId, index: FIRST_PLACE.index };

/** Of a compacted value its header alone says the bytes; a damaged one can be removed too. The text of another one is not read. */
const SIZES = `SELECT task_id AS taskId, idx AS "index",
    CASE WHEN long IS NULL OR octet_length(value) > 0 THEN octet_length(value)
      ELSE coalesce((SELECT bytes FROM long_texts WHERE long_texts.id = long), 0) END AS bytes,
    CASE typeof(value) WHEN ? THEN substr(value, 1, ${HEADER_BYTES}) END AS header
  FROM checkpoint_writes INDEXED BY checkpoint_writes_by_task
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ? AND (task_id, idx) > (?, ?) ORDER BY task_id, idx LIMIT ?`;

function sizeOfSome(
  db: Connection,
  thread: number,
  { namespace, checkpointId, taskId, index }: WritePlace,
): SizeOfWrites & { readonly last: TaskPlace | undefined } {
  const rows = db.all<TaskPlace & { readonly bytes: number; readonly header: Uint8Array | null }>(
    SIZES,
    "blob",
    thread,
    namespace,
    checkpointId,
    taskId,
    index,
    REMOVED_AT_ONCE,
  );
  const bytes = rows.reduce((sum, row) => sum + (row.header === null ? row.bytes : textBytes(row.header)), 0);
  return { count: rows.length, bytes, last: rows.at(-1) };
}
