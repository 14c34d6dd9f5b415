/**
 * Export from the SQLite backend (P1): page by page, in constant memory. With a write-ahead log all of it is of one moment; with
 * a rollback journal each page is of its own, so that an export never locks writers out.
 */
import type { ExportFilter, RecordKind, StorageRecord } from "../../contract/records.js";
import type { Call } from "../../domain/driver/call.js";
import type { StoredCheckpoint, StoredContext } from "../../domain/driver/stored.js";
import { isItemExpired } from "../../domain/items.js";
import {
  checkpointRecord,
  contextText,
  isLongRecord,
  type LongRecord,
  messageRecord,
  recordOf,
  recordOfItem,
  sessionRecord,
  stateText,
  taskContextRecord,
  threadRecord,
  writeRecord,
} from "../../domain/records/to-records.js";
import { isExpired } from "../../domain/sessions.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { allWithParts, isLarge, oldestCheckpoints, readLarge, withParts } from "./checkpoint-rows.js";
import { FIRST_PLACE, selectWritesAfter } from "./checkpoint-writes.js";
import type { Connection } from "./connection/connection.js";
import { inSteps, type ReadStep } from "./connection/snapshots.js";
import { contextName, contextsById, selectVersionAfter } from "./context-rows.js";
import { bytesBeyond, namespaceBytes, placesAfter, wholeItemAt } from "./item-rows.js";
import { findVectors } from "./item-vectors.js";
import { selectWindow } from "./message-rows.js";
import {
  isWholeSession,
  liveSession,
  type SessionRow,
  sessionsById,
  sessionsOfContext,
  wholeSession,
} from "./session-rows.js";
import type { OpenFile } from "./store.js";
import { isThreadGone, liveThread, type ThreadRow, threadsById, threadsOfSession } from "./thread-rows.js";

/** Rows of a page, and rows that may be large. */
const PAGE_ROWS = 100;
const LARGE_ROWS = 4;

/** Characters of messages after which a page takes no more of them. */
const PAGE_CHARACTERS = 4 * 1024 * 1024;

/** What is read of a checkpoint. */
const STATE = { data: true, writes: false } as const;

export function exportRecords(
  file: OpenFile,
  call: Call,
  { sessionId, threadId, kinds, after = 0 }: ExportFilter,
): AsyncGenerator<StorageRecord> {
  const now = file.now();
  const isWanted = (...some: RecordKind[]): boolean => kinds === undefined || some.some((kind) => kinds.includes(kind));
  return file.stream(call, async function* (read, tenant) {
    const slices = new Slices(call, EACH_STEP);
    const source: Source = { read, call, slices, seesOneMoment: file.journal === "wal", tenant, now, isWanted, after };
    if (threadId !== undefined) {
      const thread = await read((db) => liveThread(db, tenant, threadId, now));
      if (thread !== undefined) yield* recordsOfThread(source, thread);
    } else if (sessionId !== undefined) {
      const session = await read((db) => liveSession(db, tenant, sessionId, now));
      if (session !== undefined) yield* recordsAroundSession(source, session);
    } else {
      yield* recordsOfTenant(source);
    }
  });
}

/** What all parts of an export share. */
interface Source {
  readonly read: ReadStep;
  readonly call: Call;
  readonly slices: Slices;
  readonly seesOneMoment: boolean;
  readonly tenant: number;
  readonly now: number;
  readonly isWanted: (...kinds: RecordKind[]) => boolean;
  /** Where messages and checkpoints begin. */
  readonly after: number;
}

async function* recordsOfTenant(source: Source): AsyncGenerator<StorageRecord> {
  const { read, tenant, now, isWanted } = source;
  if (isWanted("session", "message")) {
    const sessions = pages(
      read,
      "",
      (db, after: string) => sessionsById(db, tenant, after, PAGE_ROWS),
      (row) => row.sessionId,
    );
    for await (const row of sessions) {
      if (isExpired(row, now)) continue;
      const session = isWholeSession(row) ? row : await read((db) => wholeSession(db, row));
      if (session !== undefined) yield* recordsOfSession(source, session);
    }
  }
  if (isWanted("task_context")) {
    const contexts = pages(
      read,
      "",
      (db, after: string) => contextsById(db, tenant, after, PAGE_ROWS),
      (row) => row.contextId,
    );
    for await (const { id, contextId } of contexts) {
      const sessions = pages(
        read,
        0,
        (db, after: number) => sessionsOfContext(db, id, after, PAGE_ROWS),
        (row) => row.id,
      );
      let isRead = false;
      for await (const session of sessions) isRead ||= !isExpired(session, now);
      if (isRead) yield* recordsOfContext(source, id, contextId);
    }
  }
  if (isWanted("thread", "checkpoint", "write")) {
    const threads = pages(
      read,
      "",
      (db, after: string) => threadsById(db, tenant, after, PAGE_ROWS),
      (row) => row.threadId,
    );
    for await (const thread of threads) if (!isThreadGone(thread, now)) yield* recordsOfThread(source, thread);
  }
  if (isWanted("item")) yield* recordsOfItems(source);
}

/** A session with its messages, its context and the threads that are linked to it. */
async function* recordsAroundSession(source: Source, session: SessionRow): AsyncGenerator<StorageRecord> {
  const { read, isWanted } = source;
  yield* recordsOfSession(source, session);
  const { context } = session;
  if (context !== null && isWanted("task_context")) {
    const contextId = await read((db) => contextName(db, context));
    if (contextId !== null) yield* recordsOfContext(source, context, contextId);
  }
  if (!isWanted("thread", "checkpoint", "write")) return;
  const start = { createdAt: Number.MIN_SAFE_INTEGER, threadId: "" };
  const threads = pages(
    read,
    start,
    (db, after: Pick<ThreadRow, "createdAt" | "threadId">) => threadsOfSession(db, session.id, after, PAGE_ROWS),
    (row) => row,
  );
  for await (const thread of threads) yield* recordsOfThread(source, thread);
}

async function* recordsOfSession(
  { read, slices, isWanted, after: first }: Source,
  session: SessionRow,
): AsyncGenerator<StorageRecord> {
  if (isWanted("session")) {
    const { context } = session;
    yield sessionRecord(session, context === null ? null : await read((db) => contextName(db, context)));
  }
  if (!isWanted("message") || session.messageCount === 0) return;
  const messages = pages(
    read,
    first,
    // Without one moment for all pages: what came since the session's record would be beyond its last_seq.
    (db, after: number) =>
      selectWindow(db, session, { after, before: session.lastSeq + 1, limit: PAGE_ROWS }, PAGE_CHARACTERS),
    (row) => row.seq,
  );
  for await (const message of messages) {
    yield readIn(
      slices,
      recordOf(message.content, (content) => messageRecord(session.sessionId, message, content)),
    );
  }
}

async function* recordsOfContext(
  { read, slices }: Source,
  context: number,
  contextId: string,
): AsyncGenerator<StorageRecord> {
  const next = function* (db: Connection, after: number): Generator<void, StoredContext[], void> {
    const version = yield* selectVersionAfter(db, context, after);
    return version === undefined ? [] : [version];
  };
  for await (const version of pages(read, 0, next, (row) => row.version)) {
    yield readIn(
      slices,
      recordOf(contextText(version), (context) => taskContextRecord(contextId, version, context)),
    );
  }
}

async function* recordsOfThread(source: Source, thread: ThreadRow): AsyncGenerator<StorageRecord> {
  const { read, call, slices, seesOneMoment, isWanted, after: first } = source;
  const { id, threadId } = thread;
  if (isWanted("thread")) yield threadRecord(thread);
  if (isWanted("checkpoint")) {
    const checkpoints = pages(
      read,
      first,
      function* (db, after: number) {
        const found: { readonly seq: number; readonly whole: StoredCheckpoint | undefined }[] = [];
        for (const row of oldestCheckpoints(db, id, after, LARGE_ROWS)) {
          if (row.seq > thread.lastSeq) break;
          if (found.length > 0) yield;
          const whole = isLarge(row, STATE) ? undefined : yield* withParts(db, id, row, STATE);
          found.push({ seq: row.seq, whole });
        }
        return found;
      },
      (row) => row.seq,
    );
    for await (const { seq, whole } of checkpoints) {
      const checkpoint =
        whole ??
        (await readLarge(call, read, seesOneMoment, STATE, (db) => {
          const [row] = oldestCheckpoints(db, id, seq - 1, 1);
          return row?.seq === seq ? { thread: id, row } : undefined;
        }));
      if (checkpoint === undefined) continue;
      yield readIn(
        slices,
        recordOf(stateText(checkpoint), (data) => checkpointRecord(threadId, checkpoint, data)),
      );
    }
  }
  if (!isWanted("write")) return;
  if (first > 0) {
    yield* laterWrites(source, thread);
    return;
  }
  const writes = pages(
    read,
    FIRST_PLACE,
    (db, after) => selectWritesAfter(db, id, after, LARGE_ROWS),
    (row) => row,
  );
  for await (const write of writes) {
    const { namespace, checkpointId } = write;
    yield readIn(
      slices,
      recordOf(write.value, (value) => writeRecord(threadId, namespace, checkpointId, write, value)),
    );
  }
}

/** Writes of the later checkpoints alone: those of all others are not looked at. */
async function* laterWrites({ read, slices, after: first }: Source, thread: ThreadRow): AsyncGenerator<StorageRecord> {
  const { id, threadId } = thread;
  const checkpoints = pages(
    read,
    first,
    (db, after: number) => {
      const rows = oldestCheckpoints(db, id, after, LARGE_ROWS).filter((row) => row.seq <= thread.lastSeq);
      return allWithParts(db, id, rows, { data: false, writes: true });
    },
    (row) => row.seq,
  );
  for await (const { namespace, checkpointId, writes } of checkpoints) {
    for (const write of writes ?? []) {
      yield readIn(
        slices,
        recordOf(write.value, (value) => writeRecord(threadId, namespace, checkpointId, write, value)),
      );
    }
  }
}

async function* recordsOfItems({ read, slices, tenant, now }: Source): AsyncGenerator<StorageRecord> {
  const start = { namespace: namespaceBytes([]), key: "" };
  const end = bytesBeyond([]);
  const places = pages(
    read,
    start,
    (db, after: typeof start) => placesAfter(db, tenant, after, end, PAGE_ROWS),
    (row) => row,
  );
  for await (const place of places) {
    if (isItemExpired(place, now)) continue;
    const record = await inSteps(read, function* (db) {
      const item = yield* wholeItemAt(db, place.id);
      return item && recordOfItem(item, (item.vectors !== null && findVectors(db, item.vectors)) || null);
    });
    if (record !== undefined) yield readIn(slices, record);
  }
}

/** A record whose value is long is read in slices; of others a slice has several. */
function readIn(slices: Slices, record: StorageRecord | LongRecord): StorageRecord | Promise<StorageRecord> {
  if (isLongRecord(record)) return slices.run(record);
  return slices.over() ? slices.next().then(() => record) : record;
}

/** Rows of all pages, each page beginning after the last row of the one before. */
async function* pages<Row, Place>(
  read: ReadStep,
  start: Place,
  page: (db: Connection, after: Place) => Row[] | Generator<void, Row[], void>,
  place: (row: Row) => Place,
): AsyncGenerator<Row> {
  for (let after = start; ; ) {
    const rows = await inSteps(read, function* (db) {
      const found = page(db, after);
      return Array.isArray(found) ? found : yield* found;
    });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = place(last);
  }
}
