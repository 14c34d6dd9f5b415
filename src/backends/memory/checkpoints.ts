/** Checkpoints and writes of the memory backend (K1-K3, K5, K8). */
import { assertExpectedHead, type CheckpointParts, compareWrites, isNotModified } from "../../domain/checkpoints.js";
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, CheckpointListing } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint, StoredWrite } from "../../domain/driver/stored.js";
import { matchesMetadata } from "../../domain/metadata-filter.js";
import { etagOf } from "../../domain/segments/manifest.js";
import { touchedAt } from "../../domain/sessions.js";
import { Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { checkFence } from "./leases.js";
import { removeExpiredThread, touchSession } from "./session-entries.js";
import type { KeptCheckpoint, MemoryStore, Tenant, ThreadEntry } from "./state.js";
import { enter, existingSession, liveThread } from "./state.js";
import { insertThread, keepCheckpoint, keepWrite, setThread, writesOf } from "./thread-entries.js";

type CheckpointVerbs = Pick<
  CheckpointDriver,
  "storeCheckpoint" | "getCheckpoint" | "listCheckpoints" | "putWrites" | "getWrites"
>;

export function checkpointVerbs(store: MemoryStore): CheckpointVerbs {
  return {
    async storeCheckpoint(call, threadId, { expectedHead, ...checkpoint }, fence) {
      const { tenant, now } = enter(store, call);
      if (checkpoint.sessionId !== null) existingSession(tenant, checkpoint.sessionId, now);
      checkFence(tenant, fence, now);
      const head = liveThread(tenant, threadId, now)?.namespaces.get(checkpoint.namespace)?.checkpoints.newest;
      assertExpectedHead(head?.checkpointId ?? null, expectedHead);

      const thread = threadToWrite(tenant, threadId, now);
      const earlier = findCheckpoint(thread, checkpoint.namespace, checkpoint.checkpointId);
      const seq = earlier?.seq ?? thread.lastSeq + 1;
      const stored = {
        ...checkpoint,
        seq,
        createdAt: earlier?.createdAt ?? now,
        writes: null,
      };
      const kept = keepCheckpoint(thread, stored);
      touchThread(tenant, thread, checkpoint.sessionId ?? thread.row.sessionId, now);
      return withParts(thread, kept, { data: false, writes: false });
    },

    async getCheckpoint(call, threadId, { namespace, checkpointId, ...parts }) {
      const { tenant, now } = enter(store, call);
      const thread = liveThread(tenant, threadId, now);
      const found =
        checkpointId === null
          ? thread?.namespaces.get(namespace)?.checkpoints.newest
          : thread && findCheckpoint(thread, namespace, checkpointId);
      return thread && found && withParts(thread, found, { ...parts, data: true });
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
      return thread === undefined ? [] : orderedWrites(thread, namespace, checkpointId);
    },
  };
}

async function listThread(call: Call, thread: ThreadEntry, listing: CheckpointListing): Promise<StoredCheckpoint[]> {
  const { namespace, limit, before, metadata } = listing;
  const list = namespace === null ? thread.checkpoints : thread.namespaces.get(namespace)?.checkpoints;
  if (list === undefined) return [];
  const candidates = list.newestOf({ after: null, before }, metadata.length === 0 ? limit : list.length);
  const slices = new Slices(call);
  const rows: StoredCheckpoint[] = [];
  for (const row of candidates.reverse()) {
    if (matchesMetadata(row.metadata, metadata)) rows.push(withParts(thread, row, listing));
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
