/** Rows of checkpoints; their states and writes are kept beside them. */
import { quoteIdentifier } from "../../contract/errors.js";
import { type CheckpointParts, isNotModified } from "../../domain/checkpoints.js";
import type { Call } from "../../domain/driver/call.js";
import type { StoredCheckpoint } from "../../domain/driver/stored.js";
import { type MetadataCondition, matchesMetadata } from "../../domain/metadata-filter.js";
import { type CollectedState, joinInSteps } from "../../domain/segments/restore.js";
import { EACH_STEP, runAtOnce, Slices } from "../../domain/slices.js";
import { collectState, readState } from "./checkpoint-states.js";
import { selectWrites } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import type { ReadStep } from "./connection/snapshots.js";
import { Portion, SHORT_TEXT } from "./portion.js";

/** A checkpoint without its parts, with its number. */
export interface CheckpointRow extends Omit<StoredCheckpoint, "needsParent" | "data" | "writes"> {
  readonly id: number;
  /** 0 or 1. */
  readonly needsParent: number;
}

/** A checkpoint of a page: metadata that is not short is read by itself. */
export type CheckpointInPage = Omit<CheckpointRow, "metadata"> & { readonly metadata: string | null };

/** The name of the state's root, which ends a manifest that begins with `@` (64). A damaged one matches nothing that a caller has. */
const ETAG = `(SELECT CASE unicode(data) WHEN 64 THEN substr(data, -32) END FROM checkpoint_states
  WHERE checkpoint = checkpoints.id) AS etag`;

const BESIDE_METADATA = `id, namespace, checkpoint_id AS checkpointId, parent_id AS parentId, session_id AS sessionId, seq,
  created_at AS createdAt, needs_parent AS needsParent, size_bytes AS sizeBytes, ${ETAG}`;

const COLUMNS = `${BESIDE_METADATA}, metadata`;

const IN_PAGE = `${BESIDE_METADATA}, CASE WHEN octet_length(metadata) <= ${SHORT_TEXT} THEN metadata END AS metadata`;

const METADATA = "SELECT metadata FROM checkpoints WHERE id = ?";

const BY_ID = `SELECT ${COLUMNS} FROM checkpoints INDEXED BY checkpoints_by_id
  WHERE thread = ? AND namespace = ? AND checkpoint_id = ?`;

const LATEST = `SELECT ${COLUMNS} FROM checkpoints INDEXED BY checkpoints_by_namespace
  WHERE thread = ? AND namespace = ? ORDER BY seq DESC LIMIT 1`;

const NEWEST = `SELECT ${IN_PAGE} FROM checkpoints INDEXED BY checkpoints_by_seq
  WHERE thread = ? AND seq < ? ORDER BY seq DESC LIMIT ?`;

const NEWEST_OF_NAMESPACE = `SELECT ${IN_PAGE} FROM checkpoints INDEXED BY checkpoints_by_namespace
  WHERE thread = ? AND namespace = ? AND seq < ? ORDER BY seq DESC LIMIT ?`;

const OLDEST = `SELECT ${IN_PAGE} FROM checkpoints INDEXED BY checkpoints_by_seq
  WHERE thread = ? AND seq > ? ORDER BY seq LIMIT ?`;

/** Above every `seq`. */
export const NO_BOUND: number = Number.MAX_SAFE_INTEGER;

export function findCheckpoint(
  db: Connection,
  thread: number,
  namespace: string,
  checkpointId: string,
): CheckpointRow | undefined {
  return db.get<CheckpointRow>(BY_ID, thread, namespace, checkpointId);
}

/** The one stored last in the namespace (K2). */
export function latestCheckpoint(db: Connection, thread: number, namespace: string): CheckpointRow | undefined {
  return db.get<CheckpointRow>(LATEST, thread, namespace);
}

/** Newest first, of one namespace or of all (`null`). */
export function newestCheckpoints(
  db: Connection,
  thread: number,
  namespace: string | null,
  before: number,
  limit: number,
): CheckpointInPage[] {
  return namespace === null
    ? db.all<CheckpointInPage>(NEWEST, thread, before, limit)
    : db.all<CheckpointInPage>(NEWEST_OF_NAMESPACE, thread, namespace, before, limit);
}

/** Oldest first, of all namespaces. */
export function oldestCheckpoints(db: Connection, thread: number, after: number, limit: number): CheckpointInPage[] {
  return db.all<CheckpointInPage>(OLDEST, thread, after, limit);
}

/** The metadata of a checkpoint; `undefined` when it is deleted meanwhile. */
export function metadataOf(db: Connection, row: CheckpointInPage): string | undefined {
  return row.metadata ?? db.get<{ metadata: string }>(METADATA, row.id)?.metadata;
}

/** Those whose metadata matches, with it; `most` at most, and those that are not there any more. */
export function* matchingRows(
  db: Connection,
  rows: readonly CheckpointInPage[],
  filter: readonly MetadataCondition[],
  most: number,
): Generator<void, CheckpointInPage[], void> {
  if (filter.length === 0) return rows.slice(0, most);
  const found: CheckpointInPage[] = [];
  const portion = new Portion(rows.length + 1);
  for (const row of rows) {
    const metadata = metadataOf(db, row);
    if (metadata !== undefined && matchesMetadata(metadata, filter)) found.push(row);
    if (found.length === most) break;
    if (portion.isFull(metadata?.length ?? 0)) yield;
  }
  return found;
}

/** Without parts; `needsParent` as a boolean. */
export type CheckpointFields = Omit<StoredCheckpoint, "etag" | "data" | "writes">;

export function insertCheckpoint(tx: Connection, thread: number, checkpoint: CheckpointFields): number {
  return tx.insert(
    `INSERT INTO checkpoints (thread, namespace, checkpoint_id, seq, parent_id, session_id, needs_parent, size_bytes,
       created_at, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    thread,
    checkpoint.namespace,
    checkpoint.checkpointId,
    checkpoint.seq,
    checkpoint.parentId,
    checkpoint.sessionId,
    checkpoint.needsParent ? 1 : 0,
    checkpoint.sizeBytes,
    checkpoint.createdAt,
    checkpoint.metadata,
  );
}

/** Stores what storing the same id again replaces (K1). */
export function replaceCheckpoint(tx: Connection, id: number, checkpoint: CheckpointFields): void {
  tx.run(
    `UPDATE checkpoints SET parent_id = ?, session_id = ?, needs_parent = ?, size_bytes = ?, metadata = ? WHERE id = ?`,
    checkpoint.parentId,
    checkpoint.sessionId,
    checkpoint.needsParent ? 1 : 0,
    checkpoint.sizeBytes,
    checkpoint.metadata,
    id,
  );
}

/**
 * The checkpoint with the parts that are asked for; `undefined` when it is deleted meanwhile.
 * @throws CorruptionError if its state is damaged (K5)
 */
export function* withParts(
  db: Connection,
  thread: number,
  row: CheckpointInPage,
  parts: CheckpointParts,
): Generator<void, StoredCheckpoint | undefined, void> {
  const { id: _id, needsParent, ...fields } = row;
  const metadata = metadataOf(db, row);
  if (metadata === undefined) return undefined;
  return {
    ...fields,
    metadata,
    needsParent: needsParent !== 0,
    data:
      parts.data && !isNotModified(row.etag, parts.ifNoneMatch) ? readState(db, thread, row, () => nameOf(row)) : null,
    writes: parts.writes ? yield* selectWrites(db, thread, row.namespace, row.checkpointId) : null,
  };
}

/** @throws CorruptionError if a state is damaged (K5) */
export function* allWithParts(
  db: Connection,
  thread: number,
  rows: readonly CheckpointInPage[],
  parts: CheckpointParts,
): Generator<void, StoredCheckpoint[], void> {
  const checkpoints: StoredCheckpoint[] = [];
  let read = 0;
  for (const row of rows) {
    if (read >= TOGETHER) {
      read = 0;
      yield;
    }
    const checkpoint = yield* withParts(db, thread, row, parts);
    if (checkpoint === undefined) continue;
    checkpoints.push(checkpoint);
    read += checkpoint.metadata.length + (checkpoint.data?.length ?? 0);
    // Writes have pauses of their own, and none after the last of them.
    if ((checkpoint.writes?.length ?? 0) > 0) read += WITH_WRITES;
  }
  return checkpoints;
}

/** Characters of states and of metadata that are read in one step, where one alone does not take more of them. */
const TOGETHER = 512 * 1024;

/** Checkpoints with writes count for so much more. */
const WITH_WRITES = TOGETHER / 4;

/** Bytes of a state up to which it is read in one step. */
const READ_AT_ONCE = 1024 * 1024;

/** Whether the checkpoint's state takes so long to read that it is done in steps. */
export function isLarge(row: Pick<CheckpointRow, "sizeBytes" | "etag">, parts: CheckpointParts): boolean {
  return parts.data && row.sizeBytes > READ_AT_ONCE && !isNotModified(row.etag, parts.ifNoneMatch);
}

/** A checkpoint as it is found in the store. */
export interface FoundCheckpoint {
  readonly thread: number;
  readonly row: CheckpointInPage;
}

/**
 * The checkpoint that `find` finds, with a large state: that is read in steps where they see one moment, and put together outside of
 * the store. @throws CorruptionError if the state is damaged (K5)
 */
export async function readLarge(
  call: Call,
  read: ReadStep,
  seesOneMoment: boolean,
  parts: CheckpointParts,
  find: (db: Connection) => FoundCheckpoint | undefined,
): Promise<StoredCheckpoint | undefined> {
  let connection: Connection | undefined;
  let reading: ReturnType<typeof readParts> | undefined;
  const step = (db: Connection): IteratorResult<void, PartsRead> | undefined => {
    connection = db;
    if (reading === undefined || !seesOneMoment) {
      const at = find(db);
      if (at === undefined) return undefined;
      reading = readParts(() => connection ?? db, at, parts);
    }
    return seesOneMoment ? reading.next() : { done: true, value: runAtOnce(reading) };
  };
  let result = await read(step);
  while (result?.done === false) result = await read(step);
  if (result?.done !== true) return undefined;
  const { checkpoint, collected } = result.value;
  if (checkpoint === undefined) return undefined;
  const data = !collected ? null : await new Slices(call, EACH_STEP).run(joinInSteps(collected));
  return { ...checkpoint, data };
}

interface PartsRead {
  /** `undefined` when it is deleted meanwhile. */
  readonly checkpoint: StoredCheckpoint | undefined;
  readonly collected: CollectedState | null;
}

function* readParts(
  db: () => Connection,
  { thread, row }: FoundCheckpoint,
  parts: CheckpointParts,
): Generator<void, PartsRead, void> {
  const checkpoint = yield* withParts(db(), thread, row, { ...parts, data: false });
  if (checkpoint === undefined) return { checkpoint, collected: null };
  return { checkpoint, collected: yield* collectState(db, thread, row, () => nameOf(row)) };
}

function nameOf({ checkpointId }: Pick<CheckpointRow, "checkpointId">): string {
  return `checkpoint ${quoteIdentifier(checkpointId)}`;
}
