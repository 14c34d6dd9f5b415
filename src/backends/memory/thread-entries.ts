/** Threads as they are kept: each change goes to the map, to the indexes and to the session that the thread is linked to. */
import type { StoredThread, StoredWrite } from "../../domain/driver/stored.js";
import type { SplitState } from "../../domain/segments/split.js";
import { runAtOnce } from "../../domain/slices.js";
import { Blocks } from "./blocks.js";
import { SeqList } from "./seq-list.js";
import type { KeptCheckpoint, NamespaceEntry, Tenant, ThreadEntry } from "./state.js";

/** A thread without a checkpoint, which nobody finds yet. */
export function emptyThread(tenant: Tenant, row: StoredThread): ThreadEntry {
  const { threadId, createdAt } = row;
  const parts = {
    lastSeq: 0,
    checkpoints: new SeqList<KeptCheckpoint>(),
    blocks: new Blocks(tenant.outlines),
    namespaces: new Map(),
  };
  return { threadId, createdAt, row, ...parts };
}

/** Puts a thread in its places. */
export function addThread(tenant: Tenant, thread: ThreadEntry): ThreadEntry {
  tenant.threads.set(thread.threadId, thread);
  tenant.threadsByCreated.add(thread);
  tenant.threadsByUpdated.add(thread.row);
  link(tenant, thread.row);
  return thread;
}

export function insertThread(tenant: Tenant, row: StoredThread): ThreadEntry {
  return addThread(tenant, emptyThread(tenant, row));
}

export function setThread(tenant: Tenant, thread: ThreadEntry, row: StoredThread): void {
  if (row.sessionId !== thread.row.sessionId) {
    unlink(tenant, thread.row);
    link(tenant, row);
  }
  tenant.threadsByUpdated.replace(thread.threadId, thread.row, row);
  thread.row = row;
}

/** Removes the thread with all that belongs to it, its lease too (K7). */
export function removeThread(tenant: Tenant, thread: ThreadEntry): void {
  const { threadId, row } = thread;
  tenant.threads.delete(threadId);
  tenant.threadsByCreated.delete(thread);
  tenant.threadsByUpdated.delete(threadId, row);
  tenant.leases.thread.delete(threadId);
  thread.blocks.end();
  unlink(tenant, row);
}

export function namespaceOf(thread: ThreadEntry, namespace: string): NamespaceEntry {
  let entry = thread.namespaces.get(namespace);
  if (entry === undefined) {
    entry = { checkpoints: new SeqList(), seqs: new Map(), writes: new Map() };
    thread.namespaces.set(namespace, entry);
  }
  return entry;
}

/** Adds a checkpoint with its whole state as `data`, or replaces the one of its `seq`; returns it as it is kept. */
export function keepCheckpoint(
  thread: ThreadEntry,
  checkpoint: Omit<KeptCheckpoint, "data"> & { readonly data: string },
): KeptCheckpoint {
  const state = runAtOnce(thread.blocks.split(checkpoint.data, checkpoint.namespace));
  return runAtOnce(keepSplitCheckpoint(thread, checkpoint, state));
}

/** As `keepCheckpoint`, of a state that is split already, in steps; until the last one nothing else may happen to the thread. */
export function* keepSplitCheckpoint(
  thread: ThreadEntry,
  checkpoint: Omit<KeptCheckpoint, "data">,
  state: SplitState,
): Generator<void, KeptCheckpoint, void> {
  const earlier = thread.checkpoints.get(checkpoint.seq);
  // First the new state, then the old one goes: what both need stays.
  const kept = { ...checkpoint, data: yield* thread.blocks.adding(state, checkpoint.namespace) };
  if (earlier !== undefined) yield* thread.blocks.releasing(earlier.data);
  keepRow(thread, kept);
  return kept;
}

/** Puts a row, whose state is kept, in its places. */
function keepRow(thread: ThreadEntry, checkpoint: KeptCheckpoint): void {
  const namespace = namespaceOf(thread, checkpoint.namespace);
  thread.checkpoints.put(checkpoint);
  namespace.checkpoints.put(checkpoint);
  namespace.seqs.set(checkpoint.checkpointId, checkpoint.seq);
  thread.lastSeq = Math.max(thread.lastSeq, checkpoint.seq);
}

/** Adds the write of a task, unless one of its index is there that is to stay (K3). */
export function keepWrite(
  thread: ThreadEntry,
  namespace: string,
  checkpointId: string,
  write: StoredWrite,
  overwrite: boolean,
): void {
  const { writes } = namespaceOf(thread, namespace);
  const ofCheckpoint = writes.get(checkpointId) ?? new Map<string, Map<number, StoredWrite>>();
  const ofTask = ofCheckpoint.get(write.taskId) ?? new Map<number, StoredWrite>();
  if (overwrite || !ofTask.has(write.index)) ofTask.set(write.index, write);
  ofCheckpoint.set(write.taskId, ofTask);
  writes.set(checkpointId, ofCheckpoint);
}

/** The writes of a checkpoint, in no order. */
export function writesOf(thread: ThreadEntry, namespace: string, checkpointId: string): StoredWrite[] {
  const tasks = thread.namespaces.get(namespace)?.writes.get(checkpointId)?.values() ?? [];
  return [...tasks].flatMap((ofTask) => [...ofTask.values()]);
}

/** Removes checkpoints with their writes, in steps. They are gone all at one moment; what they are made of follows. */
export function* removeCheckpoints(
  thread: ThreadEntry,
  checkpoints: readonly KeptCheckpoint[],
): Generator<void, void, void> {
  const seqs = new Set<number>();
  for (const { seq } of checkpoints) {
    seqs.add(seq);
    yield;
  }
  const lists = [thread, ...thread.namespaces.values()].map((each) => each.checkpoints);
  const kept: KeptCheckpoint[][] = [];
  for (const list of lists) {
    const rows: KeptCheckpoint[] = [];
    for (const row of list.toArray()) {
      if (!seqs.has(row.seq)) rows.push(row);
      yield;
    }
    kept.push(rows);
  }
  for (const [i, list] of lists.entries()) list.keepOnly(kept[i] ?? []);
  for (const { namespace, checkpointId, data } of checkpoints) {
    const entry = thread.namespaces.get(namespace);
    entry?.seqs.delete(checkpointId);
    entry?.writes.delete(checkpointId);
    yield* thread.blocks.releasing(data);
    yield;
  }
}

/** Gives an empty thread all that another one has, in steps. Rows never change, so the two share no fate (K7). */
export function* copyCheckpoints(from: ThreadEntry, to: ThreadEntry): Generator<void, void, void> {
  yield* from.blocks.copyTo(to.blocks);
  for (const row of from.checkpoints.toArray()) {
    keepRow(to, row);
    yield;
  }
  to.lastSeq = from.lastSeq;
  for (const [namespace, { writes }] of from.namespaces) {
    const copies = namespaceOf(to, namespace).writes;
    for (const [checkpointId, tasks] of writes) {
      copies.set(checkpointId, new Map(Array.from(tasks, ([taskId, ofTask]) => [taskId, new Map(ofTask)])));
      yield;
    }
  }
}

function link(tenant: Tenant, { threadId, sessionId }: StoredThread): void {
  const session = sessionId === null ? undefined : tenant.sessions.get(sessionId);
  if (session === undefined) return;
  session.threads ??= new Set();
  session.threads.add(threadId);
}

function unlink(tenant: Tenant, { threadId, sessionId }: StoredThread): void {
  if (sessionId !== null) tenant.sessions.get(sessionId)?.threads?.delete(threadId);
}
