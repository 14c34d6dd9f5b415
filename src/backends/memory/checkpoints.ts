/** Checkpoints and writes of the memory backend (K1-K3, K5, K8). */
import { assertExpectedHead, type CheckpointParts, compareWrites, isNotModified } from "../../domain/checkpoints.js";
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing, NewStoredCheckpoint } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { matchesMetadata } from "../../domain/metadata-filter.js";
import { etagOf } from "../../domain/segments/manifest.js";
import { joinInSteps } from "../../domain/segments/restore.js";
import type { SplitState } from "../../domain/segments/split.js";
import { touchedAt } from "../../domain/sessions.js";
import { EACH_STEP, runAtOnce, Slices } from "../../domain/slices.js";
import { sortInSteps } from "../../domain/sort-in-steps.js";
import { alone } from "./alone.js";
import { Blocks } from "./blocks.js";
import { checkFence } from "./leases.js";
import { removeExpiredThread, touchSession } from "./session-entries.js";
import type { KeptCheckpoint, MemoryStore, Tenant, ThreadEntry } from "./state.js";
import { enter, existingSession, liveThread } from "./state.js";
import { insertThread, keepSplitCheckpoint, keepWrite, setThread, writesOf } from "./thread-entries.js";

/** Bytes of a state up to which it is stored in one step, most of which goes into compressing it, and read in one. */
const SPLIT_AT_ONCE = 256 * 1024;
const READ_AT_ONCE = 1024 * 1024;

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

export function checkpointVerbs(store: MemoryStore): CheckpointVerbs {
  return {
    async storeCheckpoint(call, threadId, checkpoint, fence) {
      if (checkpoint.data.bytes <= SPLIT_AT_ONCE) {
        return runAtOnce(storing(store, call, threadId, checkpoint, fence, null));
      }
      const { tenant } = enter(store, call);
      // Nothing is stored yet.
      call.sent = false;
      const slices = new Slices(call, EACH_STEP);
      const blocks = tenant.threads.get(threadId)?.blocks ?? new Blocks();
      const state = await slices.run(blocks.split(checkpoint.data, checkpoint.namespace));
      await slices.run(state.packInSteps((name) => blocks.has(name)));
      return alone(tenant, () => slices.finish(storing(store, call, threadId, checkpoint, fence, state)));
    },

    async getCheckpoint(call, threadId, { namespace, checkpointId, ...parts }) {
      const { tenant, now } = enter(store, call);
      const thread = liveThread(tenant, threadId, now);
      const found =
        checkpointId === null
          ? thread?.namespaces.get(namespace)?.checkpoints.newest
          : thread && findCheckpoint(thread, namespace, checkpointId);
      if (thread === undefined || found === undefined) return undefined;
      return found.sizeBytes <= READ_AT_ONCE
        ? withParts(thread, found, { ...parts, data: true })
        : withLargeState(new Slices(call, EACH_STEP), thread, found, { ...parts, data: true });
    },

    async listCheckpoints(call, threadId, listing) {
      const { tenant, now } = enter(store, call);
      const thread = liveThread(tenant, threadId, now);
      if (thread === undefined || listing.limit === 0) return [];
      // States and writes are put together one by one, as of one moment: nobody may change them meanwhile.
      return listing.data || listing.writes
        ? alone(tenant, () => listThread(call, thread, listing))
        : listThread(call, thread, listing);
    },

    async putWrites(call, threadId, { namespace, checkpointId, overwrite }, writes, fence) {
      const { tenant, now } = enter(store, call);
      checkFence(tenant, fence, now);
      const thread = threadToWrite(tenant, threadId, now);
      for (const write of writes) keepWrite(thread, namespace, checkpointId, write, overwrite);
      touchThread(tenant, thread, thread.row.sessionId, now);
    },

    async getWrites(call, threadId, { namespace, checkpointId }) {
      const { tenant, now } = enter(store, call);
      const thread = liveThread(tenant, threadId, now);
      if (thread === undefined) return [];
      return new Slices(call, EACH_STEP).run(sortInSteps(writesOf(thread, namespace, checkpointId), compareWrites));
    },
  };
}

/** Stores a checkpoint, in steps; until the last one nothing else may happen to the tenant. */
function* storing(
  store: MemoryStore,
  call: Call,
  threadId: string,
  { expectedHead, data, ...checkpoint }: NewStoredCheckpoint,
  fence: FencingToken | null,
  split: SplitState | null,
): Generator<void, StoredCheckpoint, void> {
  const { tenant, now } = enter(store, call);
  if (checkpoint.sessionId !== null) existingSession(tenant, checkpoint.sessionId, now);
  checkFence(tenant, fence, now);
  const head = liveThread(tenant, threadId, now)?.namespaces.get(checkpoint.namespace)?.checkpoints.newest;
  assertExpectedHead(head?.checkpointId ?? null, expectedHead);

  const thread = threadToWrite(tenant, threadId, now);
  const earlier = findCheckpoint(thread, checkpoint.namespace, checkpoint.checkpointId);
  const seq = earlier?.seq ?? thread.lastSeq + 1;
  const stored = { ...checkpoint, seq, createdAt: earlier?.createdAt ?? now, writes: null };
  const state = split ?? (yield* thread.blocks.split(data, checkpoint.namespace));
  const kept = yield* keepSplitCheckpoint(thread, stored, state);
  touchThread(tenant, thread, checkpoint.sessionId ?? thread.row.sessionId, now);
  return withParts(thread, kept, { data: false, writes: false });
}

async function listThread(call: Call, thread: ThreadEntry, listing: CheckpointListing): Promise<StoredCheckpoint[]> {
  const { namespace, limit, before, metadata } = listing;
  const list = namespace === null ? thread.checkpoints : thread.namespaces.get(namespace)?.checkpoints;
  if (list === undefined) return [];
  const candidates = list.newestOf({ after: null, before }, metadata.length === 0 ? limit : list.length);
  const slices = new Slices(call, EACH_STEP, true);
  const rows: StoredCheckpoint[] = [];
  for (const row of candidates.reverse()) {
    if (matchesMetadata(row.metadata, metadata)) {
      const isLarge = listing.data && row.sizeBytes > READ_AT_ONCE;
      rows.push(isLarge ? await withLargeState(slices, thread, row, listing) : withParts(thread, row, listing));
    }
    if (rows.length === limit) break;
    if (slices.over()) await slices.next();
  }
  return rows;
}

/** The writes of a checkpoint in the order of K3. */
export function orderedWrites(thread: ThreadEntry, namespace: string, checkpointId: string): StoredWrite[] {
  return writesOf(thread, namespace, checkpointId).sort(compareWrites);
}

/** The thread, which begins here if it is not there. */
function threadToWrite(tenant: Tenant, threadId: string, now: number): ThreadEntry {
  removeExpiredThread(tenant, threadId, now);
  return (
    tenant.threads.get(threadId) ??
    insertThread(tenant, { threadId, sessionId: null, checkpointCount: 0, createdAt: now, updatedAt: now })
  );
}

/** After a write: the thread's row, and that of the session it is linked to (S4). */
export function touchThread(tenant: Tenant, thread: ThreadEntry, sessionId: string | null, now: number): void {
  const { row, checkpoints } = thread;
  const updatedAt = touchedAt(row.updatedAt, now);
  setThread(tenant, thread, { ...row, sessionId, checkpointCount: checkpoints.length, updatedAt });
  const session = sessionId === null ? undefined : tenant.sessions.get(sessionId);
  if (session !== undefined) touchSession(tenant, session, now);
}

/** The checkpoint of an id. */
export function findCheckpoint(
  thread: ThreadEntry,
  namespace: string,
  checkpointId: string,
): KeptCheckpoint | undefined {
  const entry = thread.namespaces.get(namespace);
  const seq = entry?.seqs.get(checkpointId);
  return seq === undefined ? undefined : entry?.checkpoints.get(seq);
}

/** The checkpoint with the parts that are asked for. @throws CorruptionError if its state is damaged (K5) */
export function withParts(thread: ThreadEntry, row: KeptCheckpoint, parts: CheckpointParts): StoredCheckpoint {
  const etag = etagOf(row.data);
  return {
    ...row,
    etag,
    data: parts.data && !isNotModified(etag, parts.ifNoneMatch) ? thread.blocks.read(row.data) : null,
    writes: parts.writes ? orderedWrites(thread, row.namespace, row.checkpointId) : null,
  };
}

/** As `withParts`, in slices for a state that is large. What it is made of is taken at once: nobody changes that. */
async function withLargeState(
  slices: Slices,
  thread: ThreadEntry,
  row: KeptCheckpoint,
  parts: CheckpointParts,
): Promise<StoredCheckpoint> {
  const found = withParts(thread, row, { ...parts, data: false });
  if (isNotModified(found.etag, parts.ifNoneMatch)) return found;
  const state = thread.blocks.collect(row.data);
  return { ...found, data: await slices.run(joinInSteps(state)) };
}
