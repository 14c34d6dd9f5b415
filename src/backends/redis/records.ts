/**
 * Export from the Redis backend (P1): page by page in constant memory. Each subject is given as it is when its turn comes; one that is
 * gone by then is left out.
 */
import type { ExportFilter, RecordKind, StorageRecord } from "../../contract/records.js";
import type { Call } from "../../domain/driver/call.js";
import type { StoredCheckpoint, StoredItem, StoredMessage } from "../../domain/driver/stored.js";
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
import { parsePlace, parseWrite } from "./checkpoint-rows.js";
import { type CheckpointPage, type FoundCheckpoint, pageOfCheckpoints, writeTexts } from "./checkpoints.js";
import { type Entry, toMessage, withContents } from "./conversations.js";
import { walkItems } from "./item-search.js";
import { readText, whole } from "./long-texts.js";
import { GET_HISTORY } from "./lua/conversations.js";
import { GET_SESSIONS, LIST_SESSIONS } from "./lua/sessions.js";
import { PAGE_CONTEXTS, PAGE_VERSIONS } from "./lua/task-contexts.js";
import { GET_THREAD, PAGE_WRITES } from "./lua/threads.js";
import { parseSession, type SessionRow } from "./session-rows.js";
import type { Store } from "./store.js";
import { parseVersion } from "./task-contexts.js";
import { parseThread, type ThreadReply, type ThreadRow, walkThreads } from "./thread-rows.js";

/** Rows of a page, and rows that may be large. */
const PAGE_ROWS = 200;
const LARGE_ROWS = 8;

/** What all parts of an export share. */
export interface Source {
  readonly store: Store;
  readonly call: Call;
  readonly isWanted: (...kinds: RecordKind[]) => boolean;
  /** Runs one step about a thread where the thread is. */
  readonly ofThread: <T>(threadId: string, run: (call: Call) => Promise<T>) => Promise<T>;
  /** Where messages and checkpoints begin. */
  readonly after: number;
}

export function isWantedOf({ kinds }: ExportFilter): Source["isWanted"] {
  return (...some) => kinds === undefined || some.some((kind) => kinds.includes(kind));
}

export async function* exportRecords(store: Store, call: Call, filter: ExportFilter): AsyncGenerator<StorageRecord> {
  const source: Source = {
    store,
    call,
    isWanted: isWantedOf(filter),
    ofThread: (_threadId, run) => run(call),
    after: filter.after ?? 0,
  };
  const records = recordsOf(source, filter.sessionId, filter.threadId);
  for await (const record of records) {
    yield record;
    if (call.cancelled) throw call.cancellation();
  }
}

async function* recordsOf(
  source: Source,
  sessionId: string | undefined,
  threadId: string | undefined,
): AsyncGenerator<StorageRecord> {
  const { isWanted } = source;
  if (threadId !== undefined) return yield* recordsOfThreadId(source, threadId);
  if (sessionId !== undefined) return yield* recordsOfSessionId(source, sessionId);
  if (isWanted("session", "message")) {
    for await (const row of walkSessions(source)) yield* recordsOfSession(source, row);
  }
  if (isWanted("task_context")) {
    for await (const contextId of walkContexts(source)) yield* recordsOfContext(source, contextId);
  }
  yield* recordsOfThreads(source, null);
  if (isWanted("item")) {
    for await (const item of walkAllItems(source)) yield itemRecord(item, null);
  }
}

export async function* recordsOfThreadId(source: Source, threadId: string): AsyncGenerator<StorageRecord, void, void> {
  const reply = await source.ofThread(threadId, (call) =>
    source.store.connection.run<ThreadReply | readonly []>(call, GET_THREAD, [threadId]),
  );
  if (reply.length > 0) yield* recordsOfThread(source, parseThread(threadId, reply as ThreadReply));
}

export async function* recordsOfSessionId(
  source: Source,
  sessionId: string,
): AsyncGenerator<StorageRecord, void, void> {
  const { store, call, isWanted } = source;
  const [fields] = await store.connection.run<(readonly string[] | null)[]>(call, GET_SESSIONS, [sessionId]);
  if (fields == null) return;
  const row = parseSession(sessionId, fields);
  yield* recordsOfSession(source, row);
  if (row.contextId !== null && isWanted("task_context")) yield* recordsOfContext(source, row.contextId);
  yield* recordsOfThreads(source, sessionId);
}

/** All items in the order of their places. */
export function walkAllItems({ store, call }: Pick<Source, "store" | "call">): AsyncGenerator<StoredItem, void, void> {
  return walkItems(store.connection, call, { prefix: [], direction: "asc", after: null, first: LARGE_ROWS });
}

export async function* walkSessions({
  store,
  call,
}: Pick<Source, "store" | "call">): AsyncGenerator<SessionRow, void, void> {
  let after: readonly [time: string, id: string] = ["", ""];
  for (;;) {
    const found = await store.connection.run<(string | readonly string[] | null)[]>(call, LIST_SESSIONS, [
      "sc",
      "asc",
      PAGE_ROWS,
      "",
      "",
      ...after,
    ]);
    for (let i = 0; i < found.length; i += 3) {
      const id = found[i] as string;
      after = [found[i + 1] as string, id];
      const fields = found[i + 2];
      if (fields != null) yield parseSession(id, fields as readonly string[]);
    }
    if (found.length < 3 * PAGE_ROWS) return;
  }
}

export async function* recordsOfSession(
  { store, call, isWanted, after: first }: Source,
  { session, contextId }: SessionRow,
): AsyncGenerator<StorageRecord> {
  const { sessionId, lastSeq } = session;
  if (isWanted("session")) yield sessionRecord(session, contextId);
  if (!isWanted("message")) return;
  for (let after = first; after < lastSeq; ) {
    const args = [sessionId, PAGE_ROWS, after + 1, lastSeq, "1"];
    const messages = await whole(async () => {
      const entries = await store.connection.run<Entry[]>(call, GET_HISTORY, args);
      return withContents(store.connection, call, entries.map(toMessage));
    });
    for (const message of messages) yield messageRecord(sessionId, message);
    const last: StoredMessage | undefined = messages.at(-1);
    if (last === undefined || messages.length < PAGE_ROWS) return;
    after = last.seq;
  }
}

export async function* walkContexts({
  store,
  call,
}: Pick<Source, "store" | "call">): AsyncGenerator<string, void, void> {
  for (let after = ""; ; ) {
    const ids = await store.connection.run<string[]>(call, PAGE_CONTEXTS, [after, PAGE_ROWS]);
    yield* ids;
    const last = ids.at(-1);
    if (last === undefined || ids.length < PAGE_ROWS) return;
    after = last;
  }
}

export async function* recordsOfContext({ store, call }: Source, contextId: string): AsyncGenerator<StorageRecord> {
  for (let from = 0; ; ) {
    const flat = await whole(async () => {
      const found = await store.connection.run<string[]>(call, PAGE_VERSIONS, [contextId, from, LARGE_ROWS]);
      for (let i = 2; i < found.length; i += 3) found[i] = await readText(store.connection, call, found[i] as string);
      return found;
    });
    for (let i = 0; i < flat.length; i += 3) {
      const [version, info, content] = flat.slice(i, i + 3) as [string, string, string];
      yield taskContextRecord(contextId, parseVersion(version, info, content));
      from = Number(version) + 1;
    }
    if (flat.length < 3 * LARGE_ROWS) return;
  }
}

async function* recordsOfThreads(source: Source, sessionId: string | null): AsyncGenerator<StorageRecord> {
  const { store, call, isWanted } = source;
  if (!isWanted("thread", "checkpoint", "write")) return;
  const all = { sessionId, orderBy: "createdAt", direction: "asc", after: null } as const;
  for await (const thread of walkThreads(store.connection, call, all, PAGE_ROWS)) {
    yield* recordsOfThread(source, thread);
  }
}

export async function* recordsOfThread(source: Source, thread: ThreadRow): AsyncGenerator<StorageRecord> {
  const { store, isWanted, ofThread, after: first } = source;
  const { threadId } = thread;
  if (isWanted("thread")) yield threadRecord(thread);
  if (isWanted("checkpoint")) {
    const checkpoints = checkpointsAfter(source, thread, { data: true, writes: false });
    for await (const checkpoint of checkpoints) yield checkpointRecord(threadId, checkpoint);
  }
  if (!isWanted("write")) return;
  // Those of earlier checkpoints are not looked at.
  if (first > 0) {
    const checkpoints = checkpointsAfter(source, thread, { data: false, writes: true });
    for await (const checkpoint of checkpoints) yield* writeRecords(threadId, checkpoint);
    return;
  }
  for (let after = ""; ; ) {
    const args = [threadId, after, LARGE_ROWS];
    const flat = await ofThread(threadId, (call) =>
      whole(async () => {
        const found = await store.connection.run<(string | null)[]>(call, PAGE_WRITES, args);
        return writeTexts(store.connection, call, found);
      }),
    );
    for (let i = 0; i < flat.length; i += 2) {
      after = flat[i] as string;
      const [namespace, rest] = parsePlace(after);
      const [checkpointId, name] = parsePlace(rest);
      yield writeRecord(threadId, namespace, checkpointId, parseWrite(name, flat[i + 1] ?? null));
    }
    if (flat.length < 2 * LARGE_ROWS) return;
  }
}

async function* checkpointsAfter(
  { store, ofThread, after }: Source,
  { threadId, lastSeq }: ThreadRow,
  parts: Pick<CheckpointPage, "data" | "writes">,
): AsyncGenerator<StoredCheckpoint> {
  for (let bound = after > 0 ? after : null; ; ) {
    const page: CheckpointPage = { namespace: null, limit: LARGE_ROWS, bound, direction: "asc", ...parts };
    const found: FoundCheckpoint[] = await ofThread(threadId, (call) => pageOfCheckpoints(store, call, threadId, page));
    // Those that have come since the thread's record was made are left out.
    const known = found.filter(({ row }) => row.seq <= lastSeq);
    for (const { checkpoint } of known) yield checkpoint();
    const last = known.at(-1);
    if (last === undefined || known.length < LARGE_ROWS) return;
    bound = last.row.seq;
  }
}
