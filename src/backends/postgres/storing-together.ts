/** Checkpoints of several threads that are stored at the same moment: one statement (K1, K4). */
import { insertBlocksOf } from "./blocks.js";
import { type Sql, sql } from "./connection/sql.js";
import { jsonTexts } from "./message-rows.js";
import type { Storing } from "./sending.js";
import { NOTHING } from "./session-listing.js";

/**
 * Stores the next checkpoint of each of several threads: of those that are there, that nobody else is writing to, that have no session,
 * no checkpoint of the id and all blocks that are not sent. It waits for nobody's lock, so that one thread holds up no other, and two such
 * statements never wait for each other. Each thread has one, which comes as its place in the list and its `seq`.
 */
export function insertTogether(tenant: string, storings: readonly Storing[], now: number): Sql {
  const checkpoints = storings.map(({ checkpoint }) => checkpoint);
  const column = <T>(value: (checkpoint: Storing["checkpoint"]) => T): T[] => checkpoints.map(value);
  const witnesses = storings.flatMap(({ sending }, i) => sending.witnesses.map((name) => ({ name, n: i + 1 })));
  const blocks = storings.flatMap(({ sending }, i) => sending.blocks.map((block) => ({ ...block, n: i + 1 })));
  const ids = storings.map(({ threadId }) => threadId);
  const names = Buffer.from(witnesses.map(({ name }) => name).join(""), "hex");
  // As in the statement for one: of what is decided by what is read of the thread.
  const areThere =
    witnesses.length === 0
      ? NOTHING
      : sql`AND t.xmin = (SELECT x.xmin FROM @threads x WHERE x.tenant = ${tenant} AND x.thread_id = w.thread_id)
        AND w.witnesses = (SELECT count(*) FROM unnest(${witnesses.map(({ n }) => n)}::int[]) WITH ORDINALITY AS a (n, i),
          LATERAL (SELECT 1 FROM @checkpoint_blocks b WHERE b.tenant = ${tenant} AND b.thread_id = w.thread_id
            AND b.name = substring(${names}::bytea FROM (a.i::int - 1) * 16 + 1 FOR 16) OFFSET 0) b
          WHERE a.n = w.n)`;
  // Behind a SELECT, where the server does not look how long they are, and plans once.
  return sql`WITH locked AS MATERIALIZED (
      SELECT t.thread_id FROM @threads t
      WHERE t.tenant = ${tenant} AND t.thread_id = ANY((SELECT ${ids}::text[])::text[]) AND t.session_id IS NULL
      FOR NO KEY UPDATE SKIP LOCKED),
    thread AS (
      UPDATE @threads t SET last_seq = t.last_seq + 1, checkpoint_count = t.checkpoint_count + 1,
        updated_at = greatest(t.updated_at, ${now}::bigint)
      FROM locked, unnest((SELECT ${ids}::text[]), (SELECT ${column((each) => each.namespace)}::text[]),
        (SELECT ${column((each) => each.checkpointId)}::text[]),
        (SELECT ${storings.map(({ sending }) => sending.witnesses.length)}::int[])) WITH ORDINALITY
        AS w (thread_id, namespace, checkpoint_id, witnesses, n)
      WHERE w.thread_id = locked.thread_id AND t.tenant = ${tenant} AND t.thread_id = locked.thread_id
        AND NOT EXISTS (SELECT 1 FROM @checkpoints k WHERE k.tenant = ${tenant} AND k.thread_id = w.thread_id
          AND k.namespace = w.namespace AND k.checkpoint_id = w.checkpoint_id OFFSET 0)
        ${areThere}
      RETURNING t.thread_id, w.n, t.last_seq),
    ${blocks.length === 0 ? NOTHING : sql`sent AS (${insertBlocksOf(tenant, blocks)}),`}
    stored AS (
      INSERT INTO @checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, parent_id, needs_parent, size_bytes,
        created_at, blocks, root, metadata, manifest)
      SELECT ${tenant}, thread.thread_id, new.namespace, new.checkpoint_id, thread.last_seq, new.parent_id, new.needs_parent,
        new.size_bytes, ${now}::bigint, new.blocks, decode(new.root, 'hex'), new.metadata::jsonb, new.manifest
      FROM thread JOIN unnest(${column((each) => each.namespace)}::text[], ${column((each) => each.checkpointId)}::text[],
          ${column((each) => each.parentId)}::text[], ${column((each) => each.needsParent)}::boolean[],
          ${column((each) => each.sizeBytes)}::bigint[], ${storings.map(({ state, sending }) => (state.root === null ? 0 : sending.blocks.length + 1))}::bigint[],
          ${storings.map(({ state }) => state.root)}::text[], ${jsonTexts(column((each) => each.metadata))},
          ${jsonTexts(storings.map(({ state }) => state.manifest))}) WITH ORDINALITY
        AS new (namespace, checkpoint_id, parent_id, needs_parent, size_bytes, blocks, root, metadata, manifest, n)
        ON new.n = thread.n)
    SELECT n, last_seq AS seq FROM thread`;
}
