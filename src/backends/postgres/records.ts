/** Export from the PostgreSQL backend (P1): page by page in constant memory, all of it of one moment of the store. */
import type { ExportFilter, RecordKind, StorageRecord } from "../../contract/records.js";
import type { Call } from "../../domain/driver/call.js";
import type { StoredCheckpoint, StoredContext, StoredMessage, StoredWrite } from "../../domain/driver/stored.js";
import {
  checkpointRecord,
  itemRecord,
  messageRecord,
  sessionRecord,
  taskContextRecord,
  threadRecord,
  writeRecord,
  writeRecords,
} from "../../domain/records/to-records.js";
import { assemble, type PartRow, type Parts, selectWithParts } from "./checkpoint-rows.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { ITEM_COLUMNS, type ItemRow, isItemLive, placeBytes, toItem } from "./item-rows.js";
import { toVectors, vectorsOf } from "./item-vectors.js";
import { MESSAGE_COLUMNS } from "./message-rows.js";
import { isLive, SESSION_COLUMNS, type SessionRow } from "./session-rows.js";
import type { Database } from "./store.js";
import { isThreadLive, SELECT_THREADS, type ThreadRow } from "./thread-rows.js";
import { lookForVectors } from "./vector-support.js";

/** Rows of a page, and rows that may be large. */
const PAGE_ROWS = 200;
const LARGE_ROWS = 8;

export async function* exportRecords(
  db: Database,
  call: Call,
  { sessionId, threadId, kinds, after = 0 }: ExportFilter,
): AsyncGenerator<StorageRecord> {
  const now = db.now();
  const keepsVectors = db.vectors.kind === "ready" || (await lookForVectors(db, call));
  const isWanted = (...some: RecordKind[]): boolean => kinds === undefined || some.some((kind) => kinds.includes(kind));
  yield* db.stream(call, async function* (tx) {
    const source: Source = { tx, tenant: call.tenant, now, keepsVectors, isWanted, after };
    if (threadId !== undefined) {
      yield* recordsOfThreads(source, sql`AND t.thread_id = ${threadId}`);
    } else if (sessionId !== undefined) {
      yield* recordsAroundSession(source, sessionId);
    } else {
      yield* recordsOfTenant(source);
    }
  });
}

/** What all parts of an export share. */
interface Source {
  readonly tx: Transaction;
  readonly tenant: string;
  readonly now: number;
  readonly keepsVectors: boolean;
  readonly isWanted: (...kinds: RecordKind[]) => boolean;
  /** Where messages and checkpoints begin. */
  readonly after: number;
}

async function* recordsOfTenant(source: Source): AsyncGenerator<StorageRecord> {
  const { tx, tenant, now, isWanted } = source;
  if (isWanted("session", "message")) {
    const sessions = pages("", (after: string) => selectSessions(source, sql`AND s.session_id > ${after}`), PAGE_ROWS, {
      read: (page) => tx.query(page),
      place: (row: SessionRow) => row.sessionId,
    });
    for await (const session of sessions) yield* recordsOfSession(source, session);
  }
  if (isWanted("task_context")) {
    const contexts = pages(
      "",
      (after: string) => sql`SELECT c.context_id AS "contextId" FROM @contexts c
        WHERE c.tenant = ${tenant} AND c.context_id > ${after} AND EXISTS (SELECT 1 FROM @sessions s
          WHERE s.tenant = c.tenant AND s.context_id = c.context_id AND ${isLive(now)})
        ORDER BY c.context_id LIMIT ${PAGE_ROWS}`,
      PAGE_ROWS,
      { read: (page) => tx.query(page), place: (row: { readonly contextId: string }) => row.contextId },
    );
    for await (const { contextId } of contexts) yield* recordsOfContext(source, contextId);
  }
  if (isWanted("thread", "checkpoint", "write")) yield* recordsOfThreads(source, sql``);
  if (isWanted("item")) yield* recordsOfItems(source);
}

function selectSessions({ tenant, now }: Source, which: Sql): Sql {
  return sql`SELECT ${SESSION_COLUMNS} FROM @sessions s WHERE s.tenant = ${tenant} AND ${isLive(now)} ${which}
    ORDER BY s.session_id LIMIT ${PAGE_ROWS}`;
}

/** A session with its messages, its context and the threads that are linked to it. */
async function* recordsAroundSession(source: Source, sessionId: string): AsyncGenerator<StorageRecord> {
  const session = await source.tx.get<SessionRow>(selectSessions(source, sql`AND s.session_id = ${sessionId}`));
  if (session === undefined) return;
  yield* recordsOfSession(source, session);
  if (session.contextId !== null && source.isWanted("task_context")) yield* recordsOfContext(source, session.contextId);
  if (source.isWanted("thread", "checkpoint", "write")) {
    yield* recordsOfThreads(source, sql`AND t.session_id = ${sessionId}`);
  }
}

async function* recordsOfSession(
  { tx, tenant, isWanted, after: first }: Source,
  session: SessionRow,
): AsyncGenerator<StorageRecord> {
  const { sessionId } = session;
  if (isWanted("session")) yield sessionRecord(session, session.contextId);
  if (!isWanted("message") || session.messageCount === 0) return;
  const messages = pages(
    first,
    (after: number) => sql`SELECT ${MESSAGE_COLUMNS} FROM @messages
      WHERE tenant = ${tenant} AND session_id = ${sessionId} AND seq > ${after} ORDER BY seq LIMIT ${PAGE_ROWS}`,
    PAGE_ROWS,
    { read: (page) => tx.queryInOrder(page), place: (row: StoredMessage) => row.seq },
  );
  for await (const message of messages) yield messageRecord(sessionId, message);
}

async function* recordsOfContext({ tx, tenant }: Source, contextId: string): AsyncGenerator<StorageRecord> {
  const versions = pages(
    0,
    (
      after: number,
    ) => sql`SELECT version, size_bytes AS "sizeBytes", metadata, created_at AS "createdAt", content AS context
      FROM @context_versions WHERE tenant = ${tenant} AND context_id = ${contextId} AND version > ${after}
      ORDER BY version LIMIT 1`,
    1,
    { read: (page) => tx.queryInOrder(page), place: (row: StoredContext) => row.version },
  );
  for await (const version of versions) yield taskContextRecord(contextId, version);
}

async function* recordsOfThreads(source: Source, which: Sql): AsyncGenerator<StorageRecord> {
  const { tx, tenant, now } = source;
  const threads = pages(
    "",
    (
      after: string,
    ) => sql`${SELECT_THREADS} WHERE t.tenant = ${tenant} AND ${isThreadLive(now)} AND t.thread_id > ${after}
      ${which} ORDER BY t.thread_id LIMIT ${PAGE_ROWS}`,
    PAGE_ROWS,
    { read: (page) => tx.query(page), place: (row: ThreadRow) => row.threadId },
  );
  for await (const thread of threads) yield* recordsOfThread(source, thread);
}

type NamedWrite = StoredWrite & { readonly namespace: string; readonly checkpointId: string };

async function* recordsOfThread(source: Source, thread: ThreadRow): AsyncGenerator<StorageRecord> {
  const { tx, tenant, isWanted, after: first } = source;
  const { threadId } = thread;
  if (isWanted("thread")) yield threadRecord(thread);
  if (isWanted("checkpoint")) {
    const checkpoints = checkpointsAfter(source, threadId, { data: true, blocks: true, writes: false });
    for await (const checkpoint of checkpoints) yield checkpointRecord(threadId, checkpoint);
  }
  if (!isWanted("write")) return;
  // Those of earlier checkpoints are not looked at.
  if (first > 0) {
    const checkpoints = checkpointsAfter(source, threadId, { data: false, blocks: false, writes: true });
    for await (const checkpoint of checkpoints) yield* writeRecords(threadId, checkpoint);
    return;
  }
  const start = { namespace: "", checkpointId: "", taskId: "", index: Number.MIN_SAFE_INTEGER };
  const writes = pages(
    start,
    (after: typeof start) => sql`SELECT namespace, checkpoint_id AS "checkpointId", task_id AS "taskId",
        task_path AS "taskPath", idx AS index, channel, value FROM @checkpoint_writes
      WHERE tenant = ${tenant} AND thread_id = ${threadId} AND (namespace, checkpoint_id, task_id, idx) >
        (${after.namespace}, ${after.checkpointId}, ${after.taskId}, ${after.index})
      ORDER BY namespace, checkpoint_id, task_id, idx LIMIT ${LARGE_ROWS}`,
    LARGE_ROWS,
    { read: (page) => tx.queryInOrder(page), place: (row: NamedWrite) => row },
  );
  for await (const write of writes) yield writeRecord(threadId, write.namespace, write.checkpointId, write);
}

async function* checkpointsAfter(
  { tx, tenant, after: first }: Source,
  threadId: string,
  parts: Parts,
): AsyncGenerator<StoredCheckpoint> {
  for (let after = first; ; ) {
    const chosen = sql`FROM @checkpoints k WHERE k.tenant = ${tenant} AND k.thread_id = ${threadId} AND k.seq > ${after}
      ORDER BY k.seq LIMIT ${LARGE_ROWS}`;
    const rows = await tx.queryInOrder<PartRow>(selectWithParts(tenant, threadId, chosen, parts));
    const checkpoints = assemble(rows, parts).reverse();
    yield* checkpoints;
    const last = checkpoints.at(-1);
    if (last === undefined || checkpoints.length < LARGE_ROWS) return;
    after = last.seq;
  }
}

type ItemWithVectors = ItemRow & { readonly vectors: Buffer | null };

async function* recordsOfItems({ tx, tenant, now, keepsVectors }: Source): AsyncGenerator<StorageRecord> {
  const vectors = keepsVectors ? sql`${vectorsOf(sql`i`)} AS vectors` : sql`NULL::bytea AS vectors`;
  const items = pages(
    Buffer.alloc(0),
    (
      after: Buffer,
    ) => sql`SELECT ${ITEM_COLUMNS}, ${vectors} FROM @items i WHERE tenant = ${tenant} AND ${isItemLive(now)}
        AND place > ${after} AND substring(place FROM 1 FOR 1024) >= ${after.subarray(0, 1024)}
      ORDER BY substring(place FROM 1 FOR 1024), place LIMIT ${LARGE_ROWS}`,
    LARGE_ROWS,
    { read: (page) => tx.queryInOrder(page), place: (row: ItemWithVectors) => placeBytes(toItem(row)) },
  );
  for await (const item of items) {
    yield itemRecord(toItem(item), item.vectors === null ? null : toVectors(item.vectors));
  }
}

/** Rows of all pages, each page beginning after the last row of the one before. */
async function* pages<Row, Place>(
  start: Place,
  page: (after: Place) => Sql,
  size: number,
  { read, place }: { readonly read: (page: Sql) => Promise<Row[]>; readonly place: (row: Row) => Place },
): AsyncGenerator<Row> {
  for (let after = start; ; ) {
    const rows = await read(page(after));
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    after = place(last);
  }
}
