/** Storing checkpoints (K1, K4, K8): those that come at the same moment go together, in one statement. */
import { assertExpectedHead } from "../../domain/checkpoints.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../domain/driver/stored.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { splitState } from "../../domain/segments/split.js";
import { insertBlocks, putBlocks, selectNames, sweepLoose } from "./blocks.js";
import type { CheckpointRow } from "./checkpoint-rows.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { type Gathered, Gathering } from "./gathering.js";
import { assertFence, holdFence } from "./leases.js";
import { bytesOf, rememberSent, type Storing, sendingOf, storedNames } from "./sending.js";
import { NOTHING } from "./session-listing.js";
import { orNotFound, type SessionHead, unlessExpired } from "./session-rows.js";
import { type Database, ReadAgain } from "./store.js";
import { insertTogether } from "./storing-together.js";
import {
  isThreadGone,
  lockOwner,
  lockSessionOf,
  lockThread,
  threadToWrite,
  touchOwner,
  touchThread,
} from "./thread-rows.js";

/** What is longer goes alone, in bytes, as does what has more blocks to look for. */
const LONGEST_SHARED = 16 * 1024;
const MOST_WITNESSES_SHARED = 64;

/** Blocks that are sent without a look which of them are stored, in bytes. */
const SENT_UNSEEN = 32 * 1024;

/** Stores a checkpoint under the lease of a fence, or with those of other threads at the moment. */
export function storing(database: () => Database): CheckpointDriver["storeCheckpoint"] {
  const storings = new Gathering(gathered(database));
  return async (call, threadId, checkpoint, fence) => {
    const db = database();
    const { tenant } = call;
    const thread = threadKey(tenant, threadId);
    const state = splitState(checkpoint.data, db.outlines.get(thread, checkpoint.namespace));
    db.outlines.keep(thread, checkpoint.namespace, state.outline);
    const item = { threadId, checkpoint, state, sending: sendingOf(state, db.blocks.of(tenant, threadId)) };
    if (fence !== null) return storeLocked(db, call, item, fence);
    return isShared(db, tenant, item) ? storings.run(call, item) : storeAlone(db, call, item);
  };
}

/** Whether a checkpoint may go with others: what it asks for is decided by its thread's row and the blocks that are there. */
function isShared(db: Database, tenant: string, item: Storing): boolean {
  const { threadId, checkpoint, sending } = item;
  return (
    checkpoint.sessionId === null &&
    checkpoint.expectedHead === undefined &&
    !db.linkedThreads.has(tenant, threadId) &&
    sending.witnesses.length <= MOST_WITNESSES_SHARED &&
    lengthOf(item) <= LONGEST_SHARED
  );
}

function lengthOf({ checkpoint, state, sending }: Storing): number {
  return state.manifest.length + checkpoint.metadata.length + bytesOf(sending);
}

function gathered(database: () => Database): Gathered<Storing, StoredCheckpoint> {
  return {
    subjectOf: ({ threadId }) => threadId,
    sizeOf: lengthOf,
    // Each has the thread as it is after the checkpoint before.
    fits: () => false,
    alone: (call, item) => storeAlone(database(), call, item),
    together: (call, items) => storeTogether(database(), call, items),
  };
}

async function storeTogether(
  db: Database,
  call: Call,
  items: readonly Storing[],
): Promise<(StoredCheckpoint | undefined)[]> {
  const now = db.now();
  const rows = await db.write<{ n: number; seq: number }>(call, insertTogether(call.tenant, items, now));
  if (rows.length === 0) call.sent = false;
  const stored = items.map((): StoredCheckpoint | undefined => undefined);
  for (const { n, seq } of rows) {
    const item = items[n - 1] as Storing;
    remember(db, call.tenant, item);
    stored[n - 1] = storedFrom(item, seq, now);
  }
  return stored;
}

async function storeAlone(db: Database, call: Call, item: Storing): Promise<StoredCheckpoint> {
  const stored = await storeAtOnce(db, call, item);
  if (stored === undefined) return storeLocked(db, call, item, null);
  remember(db, call.tenant, item);
  return stored;
}

async function storeLocked(
  db: Database,
  call: Call,
  item: Storing,
  fence: FencingToken | null,
): Promise<StoredCheckpoint> {
  const { tenant } = call;
  const { threadId, state } = item;
  let { sending } = item;
  const stored = await db.transact(call, (tx) => {
    sending = sendingOf(state, db.blocks.of(tenant, threadId));
    return storeInTurn(db, tx, tenant, { ...item, sending }, fence);
  });
  remember(db, tenant, { ...item, sending });
  return stored;
}

function remember(db: Database, tenant: string, { threadId, state, sending }: Storing): void {
  if (state.root !== null) rememberSent(db.blocks, tenant, threadId, sending);
}

function storedFrom({ checkpoint, state }: Storing, seq: number, createdAt: number): StoredCheckpoint {
  const { namespace, checkpointId, parentId, sessionId, metadata, needsParent, sizeBytes } = checkpoint;
  const stored = { namespace, checkpointId, parentId, sessionId, metadata, needsParent, sizeBytes };
  return { ...stored, seq, createdAt, etag: state.root, data: null, writes: null };
}

/**
 * The commonest step: a new checkpoint of a thread that is there, whose state is small or follows one that this process knows.
 * One statement does it all if nothing came in between, and gives no row otherwise: the thread's row must be the one of the moment
 * that the statement looks at, so that what it has read of the thread is what it changes (K8).
 */
async function storeAtOnce(db: Database, call: Call, item: Storing): Promise<StoredCheckpoint | undefined> {
  const { threadId, checkpoint, state, sending } = item;
  const { blocks, witnesses } = sending;
  // Without a block that is known, all would be sent, where a look tells which are missing: of a small state all are sent.
  if (witnesses.length === 0 && bytesOf(sending) > SENT_UNSEEN) return undefined;
  const { tenant } = call;
  const { namespace, checkpointId, sessionId, parentId, metadata, needsParent, sizeBytes, expectedHead } = checkpoint;
  const now = db.now();
  const head = sql`(${selectHead(tenant, threadId, namespace)})`;
  const isExpected =
    expectedHead === undefined
      ? NOTHING
      : expectedHead === null
        ? sql`AND ${head} IS NULL`
        : sql`AND ${head} = ${expectedHead}`;
  const areThere =
    witnesses.length === 0
      ? NOTHING
      : sql`AND (SELECT count(*) FROM (${selectNames(tenant, threadId, witnesses)}) there) = ${witnesses.length}`;
  // Of what is decided by what is read of the thread; an id that came in between is a key that is taken.
  const isUnchanged =
    expectedHead === undefined && witnesses.length === 0
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
  return row === undefined ? undefined : storedFrom(item, row.seq, now);
}

/** What is stored under the checkpoint's id so far. */
interface Earlier extends Pick<CheckpointRow, "seq" | "createdAt"> {
  readonly blocks: number;
}

/** Every store, with session, thread and lease locked before anything is decided. */
async function storeInTurn(
  db: Database,
  tx: Transaction,
  tenant: string,
  { threadId, checkpoint: given, state, sending }: Storing,
  fence: FencingToken | null,
): Promise<StoredCheckpoint> {
  const { expectedHead, data: _, ...checkpoint } = given;
  const { blocks, assumed } = sending;
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
