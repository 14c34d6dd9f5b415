/** Rows of checkpoints, and reading them with the parts that are asked for: state, blocks and writes, in one statement. */
import { compareWrites } from "../../domain/checkpoints.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { type ReadBlocks, restoreState } from "../../domain/segments/restore.js";
import { type Sql, sql } from "./connection/sql.js";
import { NOTHING } from "./session-listing.js";

/** A checkpoint without its parts. */
export type CheckpointRow = Omit<StoredCheckpoint, "data" | "writes">;

/** In the order in which `toCheckpointRow` reads them. */
const HEAD: Sql = sql`json_build_array(k.namespace, k.checkpoint_id, k.parent_id, k.session_id, k.seq, k.created_at,
  k.needs_parent, k.size_bytes, encode(k.root, 'hex'))`;

export interface Parts {
  readonly data: boolean;
  /** Also the blocks of states, where a state has any. */
  readonly blocks: boolean;
  readonly writes: boolean;
}

/** The state comes with it. */
interface PartsOfOne {
  readonly writes: boolean;
  /** A state of this etag is left out. */
  readonly ifNoneMatch: string | null;
}

/** Anything else is no etag of ours, and hides nothing. */
const ETAG = /^[0-9a-f]{32}$/;

/**
 * A row of `selectWithParts`: a checkpoint, a block of a state, or a write. They have few columns, as each costs something for every row:
 * what is short is in the head, as JSON.
 */
export type PartRow =
  | { readonly part: "k"; readonly head: string; readonly text: string; readonly body: string | null }
  | { readonly part: "b"; readonly name: Buffer; readonly bytes: Buffer }
  | { readonly part: "w"; readonly head: string; readonly text: string };

/**
 * Checkpoints of a thread with their parts, of one moment of the store (K5).
 * @param chosen rows of `@checkpoints k`, from `FROM` on
 */
export function selectWithParts(tenant: string, threadId: string, chosen: Sql, parts: Parts): Sql {
  return sql`WITH RECURSIVE chosen AS MATERIALIZED (SELECT k.* ${chosen})
    ${parts.blocks ? sql`, ${blockTree(tenant, threadId)}` : NOTHING}
    SELECT 'k' AS part, ${HEAD}::text AS head, k.metadata::text AS text, ${parts.data ? sql`k.manifest` : sql`NULL::text`} AS body,
      NULL::bytea AS name, NULL::bytea AS bytes
    FROM chosen k
    ${parts.blocks ? sql`UNION ALL ${selectBlocks(tenant, threadId)}` : NOTHING}
    ${parts.writes ? sql`UNION ALL ${selectChosenWrites(tenant, threadId)}` : NOTHING}`;
}

/**
 * One checkpoint with its parts, of one moment of the store, in one round trip whatever its state is made of (K5).
 * @param chosen a row of `@checkpoints k`, from `FROM` on
 */
export function selectOne(tenant: string, threadId: string, chosen: Sql, parts: PartsOfOne): Sql {
  const known = knownRoot(parts.ifNoneMatch);
  const [manifest, root] =
    known === null
      ? [sql`k.manifest`, sql`k.root`]
      : [sql`CASE WHEN ${isOther(known)} THEN k.manifest END`, sql`CASE WHEN ${isOther(known)} THEN k.root END`];
  // The blocks come in some values: what else is long stands beside the first.
  const first = (column: Sql): Sql => sql`CASE WHEN b.n > 1 THEN NULL ELSE ${column} END`;
  const row = (from: Sql): Sql => sql`SELECT CASE WHEN b.n > 1 THEN 'b' ELSE 'k' END AS part, k.namespace,
      k.checkpoint_id AS "checkpointId", k.parent_id AS "parentId", k.session_id AS "sessionId", k.seq,
      k.created_at AS "createdAt", k.needs_parent AS "needsParent", k.size_bytes AS "sizeBytes", encode(k.root, 'hex') AS etag,
      ${first(sql`k.metadata::text`)} AS metadata, ${first(manifest)} AS manifest, b.bytes
    FROM ${from} k LEFT JOIN LATERAL @blocks_of_state(${tenant}, ${threadId}, ${root}) WITH ORDINALITY AS b (bytes, n) ON true`;
  if (!parts.writes) return row(sql`(SELECT k.* ${chosen})`);
  return sql`WITH chosen AS MATERIALIZED (SELECT k.* ${chosen})
    ${row(sql`chosen`)}
    UNION ALL SELECT 'w', NULL, w.task_id, w.task_path, w.channel, w.idx, NULL, NULL, NULL, NULL, w.value, NULL, NULL
    FROM chosen k JOIN @checkpoint_writes w ON w.tenant = ${tenant} AND w.thread_id = ${threadId}
      AND w.namespace = k.namespace AND w.checkpoint_id = k.checkpoint_id`;
}

const isOther = (known: Uint8Array): Sql => sql`k.root IS DISTINCT FROM ${known}::bytea`;

function knownRoot(ifNoneMatch: string | null): Uint8Array | null {
  return ifNoneMatch !== null && ETAG.test(ifNoneMatch) ? Buffer.from(ifNoneMatch, "hex") : null;
}

/** From the roots down, each block once. The lateral part keeps the server on the key: one look-up a name. */
function blockTree(tenant: string, threadId: string): Sql {
  return sql`tree (name) AS (
      SELECT root FROM chosen WHERE root IS NOT NULL
      UNION
      SELECT child FROM tree, LATERAL (SELECT children FROM @checkpoint_blocks WHERE tenant = ${tenant}
          AND thread_id = ${threadId} AND name = tree.name AND children IS NOT NULL OFFSET 0) b,
        unnest(b.children) AS below (child))`;
}

function selectBlocks(tenant: string, threadId: string): Sql {
  return sql`SELECT 'b', NULL, NULL, NULL, b.name, b.data
    FROM tree, LATERAL (SELECT name, data FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${threadId}
      AND name = tree.name OFFSET 0) b`;
}

function selectChosenWrites(tenant: string, threadId: string): Sql {
  return sql`SELECT 'w', json_build_array(w.namespace, w.checkpoint_id, w.task_id, w.task_path, w.idx, w.channel)::text, w.value,
      NULL, NULL, NULL
    FROM chosen k JOIN @checkpoint_writes w ON w.tenant = ${tenant} AND w.thread_id = ${threadId}
      AND w.namespace = k.namespace AND w.checkpoint_id = k.checkpoint_id`;
}

/** A row of `selectOne`. A write has its task, path, channel, index and value where a checkpoint has other columns of the same type. */
export type PartOfOneRow = CheckpointRow & {
  readonly part: "k" | "b" | "w";
  readonly manifest: string | null;
  readonly bytes: Buffer | null;
};

/** The rows of `selectOne` as the checkpoint that they are of, and the names of its blocks, the root last. @throws CorruptionError (K5) */
export function assembleOne(
  rows: readonly PartOfOneRow[],
  withWrites: boolean,
): { readonly checkpoint: StoredCheckpoint | undefined; readonly names: readonly string[] } {
  const blocks = new Map<string, Uint8Array>();
  const writes: StoredWrite[] = [];
  let head: PartOfOneRow | undefined;
  for (const row of rows) {
    if (row.part === "w") writes.push(toWrite(row));
    else if (row.part === "k") head = row;
    if (row.bytes !== null) takeBlocks(row.bytes, blocks);
  }
  if (head === undefined) return { checkpoint: undefined, names: [] };
  const { part: _, manifest, bytes: __, ...row } = head;
  const checkpoint = {
    ...row,
    data: manifest === null ? null : restoreState(manifest, (names) => names.map((name) => blocks.get(name))),
    writes: withWrites ? writes.sort(compareWrites) : null,
  };
  return { checkpoint, names: [...blocks.keys()].reverse() };
}

function toWrite({ checkpointId, parentId, sessionId, seq, metadata }: PartOfOneRow): StoredWrite {
  return { taskId: checkpointId, taskPath: parentId ?? "", index: seq, channel: sessionId ?? "", value: metadata };
}

/** As `blocks_of_state` joins them: the name, the length, the block. */
function takeBlocks(all: Buffer, blocks: Map<string, Uint8Array>): void {
  for (let at = 0; at < all.length; ) {
    const start = at + NAME_BYTES + LENGTH_BYTES;
    const end = start + all.readInt32BE(at + NAME_BYTES);
    blocks.set(all.toString("hex", at, at + NAME_BYTES), all.subarray(start, end));
    at = end;
  }
}

const NAME_BYTES = 16;
const LENGTH_BYTES = 4;

/** The rows of `selectWithParts` as checkpoints, newest first. @throws CorruptionError (K5) */
export function assemble(rows: readonly PartRow[], parts: Pick<Parts, "data" | "writes">): StoredCheckpoint[] {
  const blocks = new Map<string, Uint8Array>();
  const writes = new Map<string, StoredWrite[]>();
  const checkpoints: { readonly row: CheckpointRow; readonly manifest: string | null }[] = [];
  const place = (namespace: string, checkpointId: string): string => `${namespace}\0${checkpointId}`;
  for (const row of rows) {
    if (row.part === "k") checkpoints.push({ row: toCheckpointRow(row.head, row.text), manifest: row.body });
    else if (row.part === "b") blocks.set(row.name.toString("hex"), row.bytes);
    else {
      const [namespace, checkpointId, taskId, taskPath, index, channel] = JSON.parse(row.head) as WriteHead;
      const key = place(namespace, checkpointId);
      const some = writes.get(key) ?? [];
      some.push({ taskId, taskPath, index, channel, value: row.text });
      writes.set(key, some);
    }
  }
  const read: ReadBlocks = (names) => names.map((name) => blocks.get(name));
  return checkpoints
    .sort((a, b) => b.row.seq - a.row.seq)
    .map(({ row, manifest }) => ({
      ...row,
      data: parts.data && manifest !== null ? restoreState(manifest, read) : null,
      writes: parts.writes ? (writes.get(place(row.namespace, row.checkpointId)) ?? []).sort(compareWrites) : null,
    }));
}

type CheckpointHead = readonly [
  namespace: string,
  checkpointId: string,
  parentId: string | null,
  sessionId: string | null,
  seq: number,
  createdAt: number,
  needsParent: boolean,
  sizeBytes: number,
  etag: string | null,
];

type WriteHead = readonly [
  namespace: string,
  checkpointId: string,
  taskId: string,
  taskPath: string,
  index: number,
  channel: string,
];

function toCheckpointRow(head: string, metadata: string): CheckpointRow {
  const [namespace, checkpointId, parentId, sessionId, seq, createdAt, needsParent, sizeBytes, etag] = JSON.parse(
    head,
  ) as CheckpointHead;
  return { namespace, checkpointId, parentId, sessionId, metadata, seq, createdAt, needsParent, sizeBytes, etag };
}

/** The order of writes, by the server (K3). */
export function selectWrites(tenant: string, threadId: string, namespace: string, checkpointId: string): Sql {
  return sql`SELECT task_id AS "taskId", task_path AS "taskPath", idx AS index, channel, value FROM @checkpoint_writes w
    WHERE w.tenant = ${tenant} AND w.thread_id = ${threadId} AND w.namespace = ${namespace}
      AND w.checkpoint_id = ${checkpointId}`;
}
