/** Rows of checkpoints, and reading them with the parts that are asked for: state, blocks and writes, in one statement. */
import { compareWrites } from "../../domain/checkpoints.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { type ReadBlocks, restoreState } from "../../domain/segments/restore.js";
import { type Sql, sql } from "./connection/sql.js";
import { NOTHING } from "./session-listing.js";

/** A checkpoint without its parts. */
export type CheckpointRow = Omit<StoredCheckpoint, "data" | "writes">;

export const CHECKPOINT_COLUMNS: Sql = sql`k.namespace, k.checkpoint_id AS "checkpointId", k.parent_id AS "parentId",
  k.session_id AS "sessionId", k.metadata, k.seq, k.created_at AS "createdAt", k.needs_parent AS "needsParent",
  k.size_bytes AS "sizeBytes", encode(k.root, 'hex') AS etag`;

export interface Parts {
  readonly data: boolean;
  readonly writes: boolean;
  /** A state of this etag is left out. */
  readonly ifNoneMatch?: string | null;
}

/** Anything else is no etag of ours, and hides nothing. */
const ETAG = /^[0-9a-f]{32}$/;

/** A row of `selectWithParts`: a checkpoint, a block of a state, or a write. */
type PartRow =
  | (CheckpointRow & { readonly part: "checkpoint"; readonly manifest: string | null })
  | { readonly part: "block"; readonly name: Buffer; readonly bytes: Buffer }
  | (StoredWrite & { readonly part: "write"; readonly namespace: string; readonly checkpointId: string });

/**
 * Checkpoints of a thread with their parts, of one moment of the store (K5).
 * @param chosen rows of `@checkpoints k`, from `FROM` on
 */
export function selectWithParts(tenant: string, threadId: string, chosen: Sql, parts: Parts): Sql {
  const { ifNoneMatch } = parts;
  const known = ifNoneMatch != null && ETAG.test(ifNoneMatch) ? Buffer.from(ifNoneMatch, "hex") : null;
  const manifest =
    known === null ? sql`k.manifest` : sql`CASE WHEN k.root IS DISTINCT FROM ${known} THEN k.manifest END`;
  return sql`WITH RECURSIVE chosen AS MATERIALIZED (SELECT k.* ${chosen})
    ${parts.data ? sql`, ${blockTree(tenant, threadId, known)}` : NOTHING}
    SELECT 'checkpoint' AS part, ${CHECKPOINT_COLUMNS}, ${parts.data ? manifest : sql`NULL::text`} AS manifest,
      NULL::bytea AS name, NULL::bytea AS bytes,
      NULL::text AS "taskId", NULL::text AS "taskPath", NULL::bigint AS index, NULL::text AS channel, NULL::text AS value
    FROM chosen k
    ${parts.data ? sql`UNION ALL ${selectBlocks(tenant, threadId)}` : NOTHING}
    ${parts.writes ? sql`UNION ALL ${selectChosenWrites(tenant, threadId)}` : NOTHING}`;
}

/** From the roots down, each block once. The lateral part keeps the server on the key: one look-up a name. */
function blockTree(tenant: string, threadId: string, known: Uint8Array | null): Sql {
  return sql`tree (name) AS (
      SELECT root FROM chosen WHERE root IS NOT NULL ${known === null ? NOTHING : sql`AND root <> ${known}`}
      UNION
      SELECT child FROM tree, LATERAL (SELECT children FROM @checkpoint_blocks WHERE tenant = ${tenant}
          AND thread_id = ${threadId} AND name = tree.name AND children IS NOT NULL OFFSET 0) b,
        unnest(b.children) AS below (child))`;
}

function selectBlocks(tenant: string, threadId: string): Sql {
  return sql`SELECT 'block', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, b.name, b.data,
      NULL, NULL, NULL, NULL, NULL
    FROM tree, LATERAL (SELECT name, data FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ${threadId}
      AND name = tree.name OFFSET 0) b`;
}

function selectChosenWrites(tenant: string, threadId: string): Sql {
  return sql`SELECT 'write', w.namespace, w.checkpoint_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      w.task_id, w.task_path, w.idx, w.channel, w.value
    FROM chosen k JOIN @checkpoint_writes w ON w.tenant = ${tenant} AND w.thread_id = ${threadId}
      AND w.namespace = k.namespace AND w.checkpoint_id = k.checkpoint_id`;
}

/** The rows of `selectWithParts` as checkpoints, newest first. @throws CorruptionError (K5) */
export function assemble(rows: readonly PartRow[], parts: Parts): StoredCheckpoint[] {
  const blocks = new Map<string, Uint8Array>();
  const writes = new Map<string, StoredWrite[]>();
  const checkpoints: Extract<PartRow, { readonly part: "checkpoint" }>[] = [];
  const place = (namespace: string, checkpointId: string): string => `${namespace}\0${checkpointId}`;
  for (const row of rows) {
    if (row.part === "checkpoint") checkpoints.push(row);
    else if (row.part === "block") blocks.set(row.name.toString("hex"), row.bytes);
    else {
      const { taskId, taskPath, index, channel, value } = row;
      const key = place(row.namespace, row.checkpointId);
      const some = writes.get(key) ?? [];
      some.push({ taskId, taskPath, index, channel, value });
      writes.set(key, some);
    }
  }
  const read: ReadBlocks = (names) => names.map((name) => blocks.get(name));
  return checkpoints
    .sort((a, b) => b.seq - a.seq)
    .map((row) => ({
      ...toCheckpointRow(row),
      data: parts.data && row.manifest !== null ? restoreState(row.manifest, read) : null,
      writes: parts.writes ? (writes.get(place(row.namespace, row.checkpointId)) ?? []).sort(compareWrites) : null,
    }));
}

/** The blocks that came with some checkpoints, the roots last. */
export function blockNames(rows: readonly PartRow[]): string[] {
  return rows.flatMap((row) => (row.part === "block" ? [row.name.toString("hex")] : [])).reverse();
}

function toCheckpointRow(row: CheckpointRow): CheckpointRow {
  const { namespace, checkpointId, parentId, sessionId, metadata, seq, createdAt, needsParent, sizeBytes, etag } = row;
  return { namespace, checkpointId, parentId, sessionId, metadata, seq, createdAt, needsParent, sizeBytes, etag };
}

/** The order of writes, by the server (K3). */
export function selectWrites(tenant: string, threadId: string, namespace: string, checkpointId: string): Sql {
  return sql`SELECT task_id AS "taskId", task_path AS "taskPath", idx AS index, channel, value FROM @checkpoint_writes w
    WHERE w.tenant = ${tenant} AND w.thread_id = ${threadId} AND w.namespace = ${namespace}
      AND w.checkpoint_id = ${checkpointId}`;
}

export type { PartRow };
