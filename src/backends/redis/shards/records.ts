/** Export over shards (P1): what each gives in its order, merged into one. */
import type { ExportFilter, StorageRecord } from "../../../contract/records.js";
import type { Call } from "../../../domain/driver/call.js";
import { compareCodePoints } from "../../../domain/identifiers.js";
import { itemOrder } from "../../../domain/items.js";
import { itemRecord } from "../../../domain/records/to-records.js";
import {
  isWantedOf,
  recordsOfContext,
  recordsOfSession,
  recordsOfSessionId,
  recordsOfThread,
  recordsOfThreadId,
  type Source,
  walkAllItems,
  walkContexts,
  walkSessions,
} from "../records.js";
import type { SessionRow } from "../session-rows.js";
import type { Store } from "../store.js";
import type { ThreadRow } from "../thread-rows.js";
import { mergeStreams } from "./merge.js";
import type { Shards } from "./shards.js";
import { walkThreadsHere } from "./thread-move.js";
import type { ThreadPlaces } from "./thread-places.js";

/** Threads that one step of a walk finds. */
const THREADS_AT_ONCE = 200;

export async function* exportFromShards(
  shards: Shards,
  places: ThreadPlaces,
  store: Store,
  call: Call,
  filter: ExportFilter,
): AsyncGenerator<StorageRecord> {
  const isWanted = isWantedOf(filter);
  const ofThread: Source["ofThread"] = (threadId, run) => places.at(call, threadId, run);
  const after = filter.after ?? 0;
  const sourceOf = (shard: number): Source => ({ store, call: shards.call(call, shard), isWanted, ofThread, after });
  for await (const record of recordsOf(shards, call, sourceOf, filter)) {
    yield record;
    if (call.cancelled) throw call.cancellation();
  }
}

async function* recordsOf(
  shards: Shards,
  call: Call,
  sourceOf: (shard: number) => Source,
  { sessionId, threadId }: ExportFilter,
): AsyncGenerator<StorageRecord> {
  if (threadId !== undefined) return yield* recordsOfThreadId(sourceOf(shards.of(threadId)), threadId);
  if (sessionId !== undefined) return yield* recordsOfSessionId(sourceOf(shards.of(sessionId)), sessionId);
  const sources = shards.numbers.map(sourceOf);
  const [{ isWanted }] = sources as [Source];
  if (isWanted("session", "message")) {
    const walks = sources.map((source) => withSource(source, walkSessions(source)));
    for await (const [source, row] of mergeStreams(walks, bySession)) yield* recordsOfSession(source, row);
  }
  if (isWanted("task_context")) {
    const walks = sources.map((source) => withSource(source, walkContexts(source)));
    const byContext = ([, a]: Of<string>, [, b]: Of<string>): number => compareCodePoints(a, b);
    for await (const [source, contextId] of mergeStreams(walks, byContext)) yield* recordsOfContext(source, contextId);
  }
  if (isWanted("thread", "checkpoint", "write")) {
    const all = { sessionId: null, orderBy: "createdAt", direction: "asc", after: null } as const;
    const walks = sources.map((source, shard) =>
      withSource(source, walkThreadsHere(shards, call, shard, all, THREADS_AT_ONCE)),
    );
    for await (const [source, thread] of mergeStreams(walks, byThread)) yield* recordsOfThread(source, thread);
  }
  if (isWanted("item")) {
    const walks = sources.map(walkAllItems);
    for await (const item of mergeStreams(walks, itemOrder({ orderBy: "key", direction: "asc" }))) {
      yield itemRecord(item, null);
    }
  }
}

/** What a walk gives, with where it comes from. */
type Of<T> = readonly [source: Source, each: T];

async function* withSource<T>(source: Source, walk: AsyncGenerator<T, void, void>): AsyncGenerator<Of<T>, void, void> {
  for await (const each of walk) yield [source, each];
}

function bySession([, { session: a }]: Of<SessionRow>, [, { session: b }]: Of<SessionRow>): number {
  return a.createdAt - b.createdAt || compareCodePoints(a.sessionId, b.sessionId);
}

function byThread([, a]: Of<ThreadRow>, [, b]: Of<ThreadRow>): number {
  return a.createdAt - b.createdAt || compareCodePoints(a.threadId, b.threadId);
}
