/**
 * Export from the memory backend (P1). What is exported is chosen at the first read: the sessions, threads and items of that
 * moment. Each is given as it is when its turn comes, whole in itself; one that is gone by then is left out.
 */
import type { ExportFilter, RecordKind, StorageRecord } from "../../contract/records.js";
import { toPortableInSteps } from "../../domain/codec/codec.js";
import type { Call } from "../../domain/driver/call.js";
import { compareCodePoints } from "../../domain/identifiers.js";
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
  taskContextRecord,
  threadRecord,
  writeRecord,
} from "../../domain/records/to-records.js";
import { joinInSteps } from "../../domain/segments/restore.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { takenBy } from "./alone.js";
import { orderedWrites, withParts } from "./checkpoints.js";
import type { KeptItem } from "./kept-items.js";
import type { SeqList } from "./seq-list.js";
import type { ContextEntry, KeptCheckpoint, MemoryStore, SessionEntry, Tenant, ThreadEntry } from "./state.js";
import { enter, liveContext, liveSession, liveThread } from "./state.js";

/** Rows of a long list that are looked up at once. */
const PAGE_LENGTH = 256;

/** Bytes of a state up to which its record is made in one step. */
const STATE_AT_ONCE = 512 * 1024;

export async function* exportRecords(
  store: MemoryStore,
  call: Call,
  { sessionId, threadId, kinds, after = 0 }: ExportFilter,
): AsyncGenerator<StorageRecord> {
  for (let taken = takenBy(store, call); taken !== null; taken = takenBy(store, call)) await taken;
  const { tenant, now } = enter(store, call);
  const isWanted = (kind: RecordKind): boolean => kinds === undefined || kinds.includes(kind);
  const chosen = chooseRecords(tenant, { sessionId, threadId }, now);
  // A record is made in up to ten milliseconds, a longer one in steps.
  const slices = new Slices(call, EACH_STEP);
  for (const record of recordsOf(tenant, chosen, { isWanted, after }, now)) {
    if (record !== null) yield isLongRecord(record) ? await slices.run(record) : record;
    if (slices.over()) await slices.next();
  }
}

/** What an export goes through, as of the moment it begins. */
interface Choice {
  readonly sessions: Iterable<{ readonly sessionId: string }>;
  readonly contexts: Iterable<ContextEntry>;
  readonly threads: Iterable<{ readonly threadId: string }>;
  readonly items: Iterable<KeptItem>;
}

function chooseRecords(
  tenant: Tenant,
  { sessionId, threadId }: Pick<ExportFilter, "sessionId" | "threadId">,
  now: number,
): Choice {
  if (threadId !== undefined) return { sessions: [], contexts: [], threads: [{ threadId }], items: [] };
  if (sessionId !== undefined) {
    const session = liveSession(tenant, sessionId, now);
    const contexts = session?.context ? [session.context] : [];
    const threads = Array.from(session?.threads ?? [], (id) => ({ threadId: id }));
    return { sessions: [{ sessionId }], contexts, threads, items: [] };
  }
  return {
    sessions: tenant.sessionsByCreated.scan(),
    contexts: tenant.contexts.scan(),
    threads: tenant.threadsByCreated.scan(),
    items: tenant.items.scan(),
  };
}

/** Kinds of records, and the `seq` after which messages and checkpoints begin. */
interface Wanted {
  readonly isWanted: (kind: RecordKind) => boolean;
  readonly after: number;
}

/** The records in the order of the stream. `null` is a step without one, at which an export may pause. */
function* recordsOf(
  tenant: Tenant,
  chosen: Choice,
  wanted: Wanted,
  now: number,
): Generator<StorageRecord | LongRecord | null> {
  const { isWanted } = wanted;
  for (const { sessionId } of chosen.sessions) {
    const session = liveSession(tenant, sessionId, now);
    if (session !== undefined) yield* recordsOfSession(session, wanted);
    yield null;
  }
  for (const context of chosen.contexts) {
    if (isWanted("task_context") && liveContext(tenant, context.contextId, now) === context) {
      yield* recordsOfContext(context);
    }
    yield null;
  }
  for (const { threadId } of chosen.threads) {
    const thread = liveThread(tenant, threadId, now);
    if (thread !== undefined) yield* recordsOfThread(thread, wanted);
    yield null;
  }
  for (const item of chosen.items)
    yield isWanted("item") && !isItemExpired(item, now) ? recordOfItem(item, item.vectors) : null;
}

function* recordsOfSession(
  { row, context, conversation }: SessionEntry,
  { isWanted, after }: Wanted,
): Generator<StorageRecord | LongRecord> {
  if (isWanted("session")) yield sessionRecord(row, context?.contextId ?? null);
  if (conversation === null || !isWanted("message")) return;
  for (const message of rowsBetween(conversation.messages, after, row.lastSeq)) {
    yield recordOf(message.content, (content) => messageRecord(row.sessionId, message, content));
  }
}

function* recordsOfContext({ contextId, versions }: ContextEntry): Generator<StorageRecord | LongRecord> {
  for (const version of versions) {
    yield recordOf(contextText(version), (context) => taskContextRecord(contextId, version, context));
  }
}

function* recordsOfThread(
  thread: ThreadEntry,
  { isWanted, after }: Wanted,
): Generator<StorageRecord | LongRecord | null> {
  const { row, lastSeq, checkpoints } = thread;
  const { threadId } = row;
  if (isWanted("thread")) yield threadRecord({ ...row, lastSeq });
  if (isWanted("checkpoint")) {
    for (const { seq } of rowsBetween(checkpoints, after, lastSeq)) {
      // It may be gone since its page was looked up, and its state with it.
      const checkpoint = checkpoints.get(seq);
      yield checkpoint === undefined
        ? null
        : checkpoint.sizeBytes > STATE_AT_ONCE
          ? longCheckpoint(thread, checkpoint)
          : checkpointRecord(threadId, withParts(thread, checkpoint, { data: true, writes: false }));
    }
  }
  if (!isWanted("write")) return;
  for (const { seq, namespace, checkpointId } of rowsBetween(checkpoints, after, lastSeq)) {
    yield null;
    if (checkpoints.get(seq) !== undefined) yield* recordsOfWrites(thread, namespace, checkpointId);
  }
  if (after > 0) return;
  for (const [namespace, checkpointId] of placesWithoutCheckpoint(thread)) {
    yield* recordsOfWrites(thread, namespace, checkpointId);
  }
}

/** What the state is made of is taken at once: it may be gone before the record is read to its end. */
function longCheckpoint(thread: ThreadEntry, checkpoint: KeptCheckpoint): LongRecord {
  const collected = thread.blocks.collect(checkpoint.data);
  const row = withParts(thread, checkpoint, { data: false, writes: false });
  return (function* () {
    const state = yield* toPortableInSteps(yield* joinInSteps(collected));
    return checkpointRecord(thread.threadId, row, state);
  })();
}

function* recordsOfWrites(
  thread: ThreadEntry,
  namespace: string,
  checkpointId: string,
): Generator<StorageRecord | LongRecord> {
  for (const write of orderedWrites(thread, namespace, checkpointId)) {
    yield recordOf(write.value, (value) => writeRecord(thread.row.threadId, namespace, checkpointId, write, value));
  }
}

/** Where writes wait for their checkpoint. */
function placesWithoutCheckpoint({ namespaces }: ThreadEntry): [namespace: string, checkpointId: string][] {
  return [...namespaces]
    .flatMap(([namespace, { writes, seqs }]) =>
      [...writes.keys()].filter((id) => !seqs.has(id)).map((id): [string, string] => [namespace, id]),
    )
    .sort(([a, x], [b, y]) => compareCodePoints(a, b) || compareCodePoints(x, y));
}

/** Page by page, so that rows may come and go meanwhile; those that come have a larger `seq`. */
function* rowsBetween<Row extends { readonly seq: number }>(
  list: SeqList<Row>,
  first: number,
  lastSeq: number,
): Generator<Row> {
  let after = first;
  while (after < lastSeq) {
    const page = list.oldestOf({ after, before: lastSeq + 1 }, PAGE_LENGTH);
    yield* page;
    after = page.at(-1)?.seq ?? lastSeq;
  }
}
