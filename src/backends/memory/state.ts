/**
 * What the memory backend holds. Rows are never changed in place: a change puts a new row where the old one was, so a row that
 * was handed out stays as it was. Contents are encoded text, so nothing of a caller's is kept and nothing kept is given away.
 */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { Clock } from "../../domain/clock.js";
import type { Call } from "../../domain/driver/call.js";
import type {
  StoredCheckpoint,
  StoredContext,
  StoredLease,
  StoredMessage,
  StoredSession,
  StoredThread,
  StoredWrite,
} from "../../domain/driver/stored.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import type { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import { isExpired } from "../../domain/sessions.js";
import type { Blocks } from "./blocks.js";
import { type ItemKey, KeptItems } from "./kept-items.js";
import { LazyIndex } from "./lazy-index.js";
import { OrderedIndex } from "./ordered-index.js";
import type { SeqList } from "./seq-list.js";

/** All tenants, and the options that verbs need. */
export interface MemoryStore {
  readonly clock: Clock;
  /** How many of a task context's newest versions are kept (T2). */
  readonly keepVersions: number;
  readonly tenants: Map<string, Tenant>;
  /** What is remembered of the states that were stored last, by the blocks of their threads. */
  readonly outlines: RecentOutlines<object>;
}

/** Each tenant has a state of its own, so that no lookup can reach another's (I2). */
export interface Tenant {
  readonly sessions: Map<string, SessionEntry>;
  /** By creation stand the entries, which never move; by update the rows, of which each write makes a new one. */
  readonly sessionsByCreated: OrderedIndex<Created<SessionId>, SessionEntry>;
  readonly sessionsByUpdated: LazyIndex<Updated<SessionId>, StoredSession>;
  readonly sessionsByUserAndCreated: OrderedIndex<Created<SessionId>, SessionEntry>;
  readonly sessionsByUserAndUpdated: LazyIndex<Updated<SessionId>, StoredSession>;
  readonly threads: Map<string, ThreadEntry>;
  readonly threadsByCreated: OrderedIndex<Created<ThreadId>, ThreadEntry>;
  readonly threadsByUpdated: LazyIndex<Updated<ThreadId>, StoredThread>;
  /** By id, an order that an export and an import do not change. */
  readonly contexts: OrderedIndex<ContextId, ContextEntry>;
  readonly items: KeptItems;
  /** Of the vectors below a first label, from the first of them until all items below it are deleted (M4). */
  readonly dimensions: Map<string, number>;
  /** How far the round that removes expired items has come; `null` at its start. */
  sweptTo: ItemKey | null;
  readonly leases: { readonly session: Map<string, StoredLease>; readonly thread: Map<string, StoredLease> };
  /** The fencing token given last; deletions do not lower it (L1). */
  lastToken: number;
  /** Those of the store: one bound for all tenants. */
  readonly outlines: RecentOutlines<object>;
  /** Settles when the call is done that has the tenant for itself; `null` when none has. */
  taken: Promise<void> | null;
}

/** A session with all that is its own; parts that it does not have yet are `null`. */
export interface SessionEntry {
  readonly sessionId: string;
  readonly userId: string;
  readonly createdAt: number;
  row: StoredSession;
  conversation: Conversation | null;
  context: ContextEntry | null;
  /** Ids of the threads linked to it. */
  threads: Set<string> | null;
  idempotency: Map<string, RememberedUpdate> | null;
}

export interface Conversation {
  readonly messages: SeqList<StoredMessage>;
  /** The same messages, so that a filter by role reads no others. */
  readonly byRole: Map<string, SeqList<StoredMessage>>;
  /** Positions by message id. An id may stay for a moment after its message is gone. */
  readonly seqs: Map<string, number>;
}

/** The first use of an idempotency key (S5). */
export interface RememberedUpdate {
  readonly digest: string;
  readonly result: StoredSession;
  readonly at: number;
}

/** A task context, and the sessions that read and write it (T3). */
export interface ContextEntry {
  readonly contextId: string;
  /** Oldest first. */
  versions: readonly StoredContext[];
  readonly sessions: Set<string>;
}

export interface ThreadEntry {
  readonly threadId: string;
  readonly createdAt: number;
  row: StoredThread;
  lastSeq: number;
  /** Of all namespaces. */
  readonly checkpoints: SeqList<KeptCheckpoint>;
  /** What their states are made of. */
  readonly blocks: Blocks;
  readonly namespaces: Map<string, NamespaceEntry>;
}

export interface NamespaceEntry {
  readonly checkpoints: SeqList<KeptCheckpoint>;
  /** Positions by checkpoint id. */
  readonly seqs: Map<string, number>;
  /** By checkpoint id, whether the checkpoint has come or not (K3); then by task and index. */
  readonly writes: Map<string, Map<string, Map<number, StoredWrite>>>;
}

/** A checkpoint; `data` is the manifest of its state, its writes are kept beside it. */
export type KeptCheckpoint = Omit<StoredCheckpoint, "etag"> & { readonly data: string; readonly writes: null };

interface SessionId {
  readonly sessionId: string;
  readonly userId: string;
}

interface ThreadId {
  readonly threadId: string;
}

type ContextId = Pick<ContextEntry, "contextId">;

type Created<Id> = Id & { readonly createdAt: number };
type Updated<Id> = Id & { readonly updatedAt: number };

const bySession = (a: SessionId, b: SessionId): number => compareCodePoints(a.sessionId, b.sessionId);
const byUser = (a: SessionId, b: SessionId): number =>
  // Users are only told apart, never listed: the fastest order will do.
  a.userId === b.userId ? 0 : a.userId < b.userId ? -1 : 1;
const byThread = (a: ThreadId, b: ThreadId): number => compareCodePoints(a.threadId, b.threadId);
const byCreated = (a: Created<unknown>, b: Created<unknown>): number => a.createdAt - b.createdAt;
const byUpdated = (a: Updated<unknown>, b: Updated<unknown>): number => a.updatedAt - b.updatedAt;
function emptyTenant({ outlines }: MemoryStore): Tenant {
  return {
    outlines,
    sessions: new Map(),
    sessionsByCreated: new OrderedIndex((a, b) => byCreated(a, b) || bySession(a, b)),
    sessionsByUpdated: new LazyIndex((a, b) => byUpdated(a, b) || bySession(a, b)),
    sessionsByUserAndCreated: new OrderedIndex((a, b) => byUser(a, b) || byCreated(a, b) || bySession(a, b)),
    sessionsByUserAndUpdated: new LazyIndex((a, b) => byUser(a, b) || byUpdated(a, b) || bySession(a, b)),
    threads: new Map(),
    threadsByCreated: new OrderedIndex((a, b) => byCreated(a, b) || byThread(a, b)),
    threadsByUpdated: new LazyIndex((a, b) => byUpdated(a, b) || byThread(a, b)),
    contexts: new OrderedIndex((a, b) => compareCodePoints(a.contextId, b.contextId)),
    items: new KeptItems(),
    dimensions: new Map(),
    sweptTo: null,
    leases: { session: new Map(), thread: new Map() },
    lastToken: 0,
    taken: null,
  };
}

/**
 * The tenant that a call is about, and the one moment at which all of the call happens. A write is in the store before its
 * caller hears of it: from here on a call that is given up may have had its effect.
 * @throws the call's cancellation
 */
export function enter(store: MemoryStore, call: Call): { readonly tenant: Tenant; readonly now: number } {
  if (call.cancelled) throw call.cancellation();
  call.sent = true;
  let tenant = store.tenants.get(call.tenant);
  if (tenant === undefined) {
    tenant = emptyTenant(store);
    store.tenants.set(call.tenant, tenant);
  }
  return { tenant, now: store.clock.now() };
}

/** The session for readers and writers: an expired one is not there (S8), though it may still take memory. */
export function liveSession(tenant: Tenant, sessionId: string, now: number): SessionEntry | undefined {
  const session = tenant.sessions.get(sessionId);
  return session === undefined || isExpired(session.row, now) ? undefined : session;
}

/** @throws SessionNotFoundError */
export function existingSession(tenant: Tenant, sessionId: string, now: number): SessionEntry {
  const session = liveSession(tenant, sessionId, now);
  if (session === undefined) throw new SessionNotFoundError(sessionId);
  return session;
}

/** The context for readers: it lives as long as one of its sessions does (T3). */
export function liveContext(tenant: Tenant, contextId: string, now: number): ContextEntry | undefined {
  const context = tenant.contexts.get({ contextId });
  const isLive = (sessionId: string): boolean => liveSession(tenant, sessionId, now) !== undefined;
  return context !== undefined && [...context.sessions].some(isLive) ? context : undefined;
}

/** The thread for readers: one that is linked to an expired session is gone with it. */
export function liveThread(tenant: Tenant, threadId: string, now: number): ThreadEntry | undefined {
  const thread = tenant.threads.get(threadId);
  const sessionId = thread?.row.sessionId ?? null;
  return sessionId !== null && liveSession(tenant, sessionId, now) === undefined ? undefined : thread;
}
