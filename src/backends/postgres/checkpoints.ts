/** Checkpoints and writes of the PostgreSQL backend (K1-K3, K5, K8). */
import { assertExpectedHead, compareWrites } from "../../domain/checkpoints.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing, NewStoredCheckpoint } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { type NewBlock, type SplitState, splitState } from "../../domain/segments/split.js";
import { insertBlocks, putBlocks, selectNames, sweepLoose } from "./blocks.js";
import {
  assemble,
  assembleOne,
  type CheckpointRow,
  type PartOfOneRow,
  type PartRow,
  selectOne,
  selectWithParts,
  selectWrites,
} from "./checkpoint-rows.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { assertFence, holdFence } from "./leases.js";
import { metadataEquals, NOTHING } from "./session-listing.js";
import { isLive, orNotFound, type SessionHead, unlessExpired } from "./session-rows.js";
import { type Database, ReadAgain } from "./store.js";
import { isThreadGone, isThreadLive, lockSessionOf, lockThread, threadToWrite, touchThread } from "./thread-rows.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

export function checkpointVerbs(database: () => Database): CheckpointVerbs {
  return {
    storeCheckpoint: (call, threadId, checkpoint, fence) =>
      storeCheckpoint(database(), call, threadId, checkpoint, fence),

    async getCheckpoint(call, threadId, { namespace, checkpointId, writes, ifNoneMatch }) {
      const db = database();
      const chosen = sql`${fromLive(call.tenant, threadId, db.now())} AND k.namespace = ${namespace}
        ${checkpointId === null ? sql`ORDER BY k.seq DESC LIMIT 1` : sql`AND k.checkpoint_id = ${checkpointId}`}`;
      const statement = selectOne(call.tenant, threadId, chosen, { writes, ifNoneMatch });
      const { checkpoint, names } = assembleOne(await db.readInOrder<PartOfOneRow>(call, statement), writes);
      if (names.length > 0) db.blocks.remember(call.tenant, threadId, names);
      return checkpoint;
    },

    async listCheckpoints(call, threadId, listing) {
      const db = database();
      const statement = selectWithParts(call.tenant, threadId, listed(call, threadId, listing, db.now()), {
        ...listing,
        blocks: listing.data,
      });
      return assemble(await db.readInOrder<PartRow>(call, statement), listing);
    },

    async putWrites(call, threadId, target, writes, fence) {
      const db = database();
      const { tenant } = call;
      if (fence === null) {
        const thread = await db.writeIf(
          call,
          putAtOnce(tenant, threadId, target, writes, db.linkedThreads.has(tenant, threadId), db.now()),
        );
        if (thread !== undefined) return;
      }
      return db.transact(call, async (tx) => {
        const now = db.now();
        const [locked, found, held] = await Promise.all([
          tx.get<SessionHead>(lockSessionOf(tenant, threadId, null)),
          lockThread(tx, tenant, threadId),
          holdFence(tx, tenant, fence),
        ]);
        assertFence(found !== undefined && isThreadGone(found, now) ? undefined : held, fence);
        const thread = await threadToWrite(tx, tenant, threadId, found, locked, now);
        db.linkedThreads.mark(tenant, threadId, thread.sessionId !== null);
        tx.run(insertWrites(tenant, threadId, target, writes));
        touchThread(tx, tenant, thread, thread, now);
      });
    },

    async getWrites(call, threadId, { namespace, checkpointId }) {
      const db = database();
      const rows = await db.read<StoredWrite>(
        call,
        sql`${selectWrites(call.tenant, threadId, namespace, checkpointId)}
          AND EXISTS (SELECT 1 FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
            WHERE t.tenant = ${call.tenant} AND t.thread_id = ${threadId} AND ${isThreadLive(db.now())})`,
      );
      return rows.sort(compareWrites);
    },
  };
}

/**
 * Writes to a thread that is there, in one statement: it gives no row for any other.
 */
function putAtOnce(
  tenant: string,
  threadId: string,
  target: Parameters<CheckpointDriver["putWrites"]>[2],
  writes: readonly StoredWrite[],
  isLinked: boolean,
  now: number,
): Sql {
  if (!isLinked) {
    return sql`WITH thread AS (UPDATE @threads t SET updated_at = greatest(updated_at, ${now}::bigint)
        WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId} AND t.session_id IS NULL RETURNING 1),
      stored AS (${insertWrites(tenant, threadId, target, writes, sql`thread`)})
      SELECT 1 FROM thread`;
  }
  return sql`WITH owner AS (${lockOwner(tenant, threadId, null, now)}),
    thread AS (UPDATE @threads t SET updated_at = greatest(updated_at, ${now}::bigint)
      WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId}
        AND (t.session_id IS NULL OR EXISTS (SELECT 1 FROM owner WHERE owner.session_id = t.session_id))
      RETURNING 1),
    moved AS (${touchOwner(tenant, now)}),
    stored AS (${insertWrites(tenant, threadId, target, writes, sql`thread`)})
    SELECT 1 FROM thread`;
}

/** The session that a thread is linked to, or is going to be, if it is there; it comes before the thread, as everywhere. */
function lockOwner(tenant: string, threadId: string, sessionId: string | null, now: number): Sql {
  return sql`SELECT s.session_id FROM @sessions s
    WHERE s.tenant = ${tenant} AND ${isLive(now)} AND s.session_id = coalesce(${sessionId}::text,
      (SELECT session_id FROM @threads WHERE tenant = ${tenant} AND thread_id = ${threadId}))
    FOR NO KEY UPDATE`;
}

/** The session moves with its thread, and not without it (S4). */
function touchOwner(tenant: string, now: number): Sql {
  return sql`UPDATE @sessions s SET updated_at = ${now}::bigint FROM thread, owner
    WHERE s.tenant = ${tenant} AND s.session_id = owner.session_id AND s.updated_at < ${now}`;
}

/** Checkpoints of a thread that is there for readers. */
function fromLive(tenant: string, threadId: string, now: number): Sql {
  return sql`FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
    JOIN @checkpoints k ON k.tenant = t.tenant AND k.thread_id = t.thread_id
    WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId} AND ${isThreadLive(now)}`;
}

function listed(call: Call, threadId: string, listing: CheckpointListing, now: number): Sql {
  const { namespace, before, limit, metadata } = listing;
  return sql`${fromLive(call.tenant, threadId, now)}
    ${namespace === null ? NOTHING : sql`AND k.namespace = ${namespace}`}
    ${before === null ? NOTHING : sql`AND k.seq < ${before}`}
    ${metadataEquals(metadata, sql`k.metadata`)}
    ORDER BY k.seq DESC LIMIT ${limit}`;
}

/** What is stored under the checkpoint's id so far. */
interface Earlier extends Pick<CheckpointRow, "seq" | "createdAt"> {
  readonly blocks: number;
}

/** The blocks of a state as far as they are not known to be stored, and the names of those that were left out. */
export interface Sending {
  readonly blocks: readonly NewBlock[];
  readonly assumed: readonly string[];
}

export function sendingOf(state: SplitState, known: ReadonlySet<string>): Sending {
  const assumed = new Set<string>();
  const blocks = [
    ...state.newBlocks((name) => {
      if (!known.has(name)) return false;
      assumed.add(name);
      return true;
    }),
  ];
  return { blocks, assumed: [...assumed] };
}

/** Bytes of blocks that are sent without a look which of them are stored. */
const SENT_UNSEEN = 32 * 1024;

const bytesOf = (blocks: readonly NewBlock[]): number => blocks.reduce((sum, { data }) => sum + data.length, 0);

/** What the next state needs to know of is at the end: nodes behind pieces, and behind them what was known this time. */
export function namesOf({ blocks, assumed }: Sending): string[] {
  const pieces = blocks.filter(({ children }) => children.length === 0);
  const nodes = blocks.filter(({ children }) => children.length > 0).reverse();
  return [...[...pieces, ...nodes].map(({ name }) => name), ...assumed];
}

async function storeCheckpoint(
  db: Database,
  call: Call,
  threadId: string,
  checkpoint: NewStoredCheckpoint,
  fence: FencingToken | null,
): Promise<StoredCheckpoint> {
  const { tenant } = call;
  const thread = threadKey(tenant, threadId);
  const state = splitState(checkpoint.data, db.outlines.get(thread, checkpoint.namespace));
  db.outlines.keep(thread, checkpoint.namespace, state.outline);
  const known = db.blocks.of(tenant, threadId);
  let sending = sendingOf(state, known);
  const stored = fence === null ? await storeAtOnce(db, call, threadId, checkpoint, state, sending) : undefined;
  const result =
    stored ??
    (await db.transact(call, (tx) => {
      sending = sendingOf(state, db.blocks.of(tenant, threadId));
      return storeInTurn(db, tx, tenant, threadId, checkpoint, fence, state, sending);
    }));
  if (state.root !== null) db.blocks.remember(tenant, threadId, namesOf(sending));
  return result;
}

/**
 * The commonest step: a new checkpoint of a thread that is there, whose state is small or follows one that this process knows.
 * One statement does it all if nothing came in between, and gives no row otherwise: the thread's row must be the one of the moment
 * that the statement looks at, so that what it has read of the thread is what it changes (K8).
 */
async function storeAtOnce(
  db: Database,
  call: Call,
  threadId: string,
  { expectedHead, ...checkpoint }: NewStoredCheckpoint,
  state: SplitState,
  { blocks, assumed }: Sending,
): Promise<StoredCheckpoint | undefined> {
  // Without a block that is known, all would be sent, where a look tells which are missing: of a small state all are sent.
  if (assumed.length === 0 && bytesOf(blocks) > SENT_UNSEEN) return undefined;
  const { tenant } = call;
  const { namespace, checkpointId, sessionId, parentId, metadata, needsParent, sizeBytes } = checkpoint;
  const now = db.now();
  const head = sql`(${selectHead(tenant, threadId, namespace)})`;
  const isExpected =
    expectedHead === undefined
      ? NOTHING
      : expectedHead === null
        ? sql`AND ${head} IS NULL`
        : sql`AND ${head} = ${expectedHead}`;
  const areThere =
    assumed.length === 0
      ? NOTHING
      : sql`AND (SELECT count(*) FROM (${selectNames(tenant, threadId, assumed)}) there) = ${assumed.length}`;
  // Of what is decided by what is read of the thread; an id that came in between is a key that is taken.
  const isUnchanged =
    expectedHead === undefined && assumed.length === 0
      ? NOTHING
      : sql`AND t.xmin = (SELECT x.xmin FROM @threads x WHERE x.tenant = ${tenant} AND x.thread_id = ${threadId})`;
  const isLinked = sessionId !== null || db.linkedThreads.has(tenant, threadId);
  const root = state.root === null ? null : Buffer.from(state.root, "hex");
  const row = await db.writeIf<{ seq: number }>(
    call,
    sql`WITH ${isLinked ? sql`owner AS (${lockOwner(tenant, threadId, sessionId, now)}),` : NOTHING}
      thread AS (UPDATE @threads t SET last_seq = last_seq + 1, checkpoint_count = checkpoint_count + 1,
          updated_at = greatest(updated_at, ${now}::bigint), session_id = coalesce(${sessionId}::text, session_id)
        WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId}
          ${isUnchanged}
          AND ${
            !isLinked
              ? sql`t.session_id IS NULL`
              : sessionId === null
                ? sql`(t.session_id IS NULL OR EXISTS (SELECT 1 FROM owner WHERE owner.session_id = t.session_id))`
                : sql`EXISTS (SELECT 1 FROM owner) AND (t.session_id IS NULL OR t.session_id = ${sessionId})`
          }
          AND NOT EXISTS (SELECT 1 FROM @checkpoints k WHERE k.tenant = ${tenant} AND k.thread_id = ${threadId}
            AND k.namespace = ${namespace} AND k.checkpoint_id = ${checkpointId}) ${isExpected} ${areThere}
        RETURNING last_seq)
      ${isLinked ? sql`, moved AS (${touchOwner(tenant, now)})` : NOTHING}
      ${blocks.length === 0 ? NOTHING : sql`, sent AS (${insertBlocks(tenant, threadId, blocks, sql`thread`)})`}
      INSERT INTO @checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, parent_id, session_id, needs_parent,
        size_bytes, created_at, blocks, root, metadata, manifest)
      SELECT ${tenant}, ${threadId}, ${namespace}, ${checkpointId}, last_seq, ${parentId}, ${sessionId},
        ${needsParent}::boolean, ${sizeBytes}::bigint, ${now}::bigint, ${root === null ? 0 : blocks.length + 1}::bigint,
        ${root}::bytea, ${metadata}::jsonb, ${state.manifest} FROM thread
      RETURNING seq`,
    expectedHead !== undefined,
  );
  if (row === undefined) return undefined;
  const stored = { namespace, checkpointId, parentId, sessionId, metadata, needsParent, sizeBytes };
  return { ...stored, seq: row.seq, createdAt: now, etag: state.root, data: null, writes: null };
}

/** Every store, with session, thread and lease locked before anything is decided. */
async function storeInTurn(
  db: Database,
  tx: Transaction,
  tenant: string,
  threadId: string,
  { expectedHead, data: _, ...checkpoint }: NewStoredCheckpoint,
  fence: FencingToken | null,
  state: SplitState,
  { blocks, assumed }: Sending,
): Promise<StoredCheckpoint> {
  const { namespace, checkpointId, sessionId } = checkpoint;
  const now = db.now();
  const [locked, found, held, [head], earlier, stored] = await Promise.all([
    tx.get<SessionHead>(lockSessionOf(tenant, threadId, sessionId)),
    lockThread(tx, tenant, threadId),
    holdFence(tx, tenant, fence),
    expectedHead === undefined
      ? []
      : tx.queryInOrder<{ checkpointId: string }>(selectHead(tenant, threadId, namespace)),
    tx.get<Earlier>(
      sql`SELECT seq, created_at AS "createdAt", blocks FROM @checkpoints WHERE tenant = ${tenant}
        AND thread_id = ${threadId} AND namespace = ${namespace} AND checkpoint_id = ${checkpointId}`,
    ),
    storedNames(tx, tenant, threadId, [...assumed, ...blocks.map(({ name }) => name)]),
  ]);
  if (sessionId !== null) orNotFound(unlessExpired(locked, now), sessionId);
  const isGone = found !== undefined && isThreadGone(found, now);
  assertFence(isGone && fence?.kind === "thread" ? undefined : held, fence);
  assertExpectedHead((isGone ? undefined : head?.checkpointId) ?? null, expectedHead);
  if (assumed.length > 0 && (isGone || assumed.some((name) => !stored.has(name)))) {
    db.blocks.forget(tenant, threadId);
    throw new ReadAgain();
  }
  const thread = await threadToWrite(tx, tenant, threadId, found, locked, now);
  db.linkedThreads.mark(tenant, threadId, (sessionId ?? thread.sessionId) !== null);
  const before = isGone ? undefined : earlier;
  const missing = isGone ? blocks : blocks.filter(({ name }) => !stored.has(name));
  const row = { ...checkpoint, seq: before?.seq ?? thread.lastSeq + 1, createdAt: before?.createdAt ?? now };
  putBlocks(tx, tenant, threadId, missing);
  const brought = state.root === null ? 0 : missing.length + 1;
  tx.run(putCheckpoint(tenant, threadId, row, { manifest: state.manifest, root: state.root, blocks: brought }));
  const added = before === undefined ? 1 : 0;
  touchThread(
    tx,
    tenant,
    thread,
    {
      sessionId: sessionId ?? thread.sessionId,
      lastSeq: thread.lastSeq + added,
      checkpointCount: thread.checkpointCount + added,
    },
    now,
  );
  if (before !== undefined && before.blocks > 0) {
    sweepLoose(tx, tenant, { ...thread, looseBlocks: thread.looseBlocks + before.blocks }, "many");
  }
  return { ...row, etag: state.root, data: null, writes: null };
}

export async function storedNames(
  tx: Transaction,
  tenant: string,
  threadId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const rows = await tx.query<{ name: Buffer }>(selectNames(tenant, threadId, names));
  return new Set(rows.map(({ name }) => name.toString("hex")));
}

/** The one stored last in the namespace (K2). */
function selectHead(tenant: string, threadId: string, namespace: string): Sql {
  return sql`SELECT checkpoint_id AS "checkpointId" FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ${threadId}
    AND namespace = ${namespace} ORDER BY seq DESC LIMIT 1`;
}

/** How a state stands in its checkpoint's row. */
export interface StateColumns {
  readonly manifest: string;
  readonly root: string | null;
  readonly blocks: number;
}

/** Stores a checkpoint, or what storing the same id again replaces (K1). */
export function putCheckpoint(
  tenant: string,
  threadId: string,
  row: Omit<CheckpointRow, "etag">,
  state: StateColumns,
): Sql {
  const root = state.root === null ? null : Buffer.from(state.root, "hex");
  return sql`INSERT INTO @checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, parent_id, session_id,
      needs_parent, size_bytes, created_at, blocks, root, metadata, manifest)
    VALUES (${tenant}, ${threadId}, ${row.namespace}, ${row.checkpointId}, ${row.seq}, ${row.parentId}, ${row.sessionId},
      ${row.needsParent}, ${row.sizeBytes}, ${row.createdAt}, ${state.blocks}, ${root}, ${row.metadata}, ${state.manifest})
    ON CONFLICT (tenant, thread_id, namespace, checkpoint_id) DO UPDATE SET parent_id = excluded.parent_id,
      session_id = excluded.session_id, needs_parent = excluded.needs_parent, size_bytes = excluded.size_bytes,
      blocks = excluded.blocks, root = excluded.root, metadata = excluded.metadata, manifest = excluded.manifest`;
}

export function insertWrites(
  tenant: string,
  threadId: string,
  target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
  writes: readonly StoredWrite[],
  /** What must have a row, or nothing is stored. */
  condition?: Sql,
): Sql {
  const column = <Field extends keyof StoredWrite>(field: Field): StoredWrite[Field][] =>
    writes.map((write) => write[field]);
  return sql`INSERT INTO @checkpoint_writes (tenant, thread_id, namespace, checkpoint_id, task_id, idx, task_path, channel,
      value)
    SELECT ${tenant}::text, ${threadId}::text, ${target.namespace}::text, ${target.checkpointId}::text, new.*
    FROM ${condition === undefined ? NOTHING : sql`${condition},`} unnest(${column("taskId")}::text[], ${column("index")}::bigint[], ${column("taskPath")}::text[],
      ${column("channel")}::text[], ${column("value")}::text[]) AS new
    ON CONFLICT (tenant, thread_id, namespace, checkpoint_id, task_id, idx)
    ${
      target.overwrite
        ? sql`DO UPDATE SET task_path = excluded.task_path, channel = excluded.channel, value = excluded.value`
        : sql`DO NOTHING`
    }`;
}
