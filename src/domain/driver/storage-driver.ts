/**
 * The port that a backend implements: the contract's verbs with arguments already validated and values already encoded.
 * `storageBackend(driver)` adds everything that is the same for all stores: validation, codec, deadlines, lazy initialisation,
 * closing, tenants, cursors, error fields. So a driver holds only what is its store's own.
 *
 * Every method runs in one atomic step of the store and one round trip, unless it says otherwise. Tenants never meet: every
 * method reaches `call.tenant` alone. Where a fencing token is given, it is compared in the same atomic step, before anything
 * else about the subject is decided but its existence: order of refusals is `SessionNotFoundError`, `FencedError`, `ConflictError`.
 */

import type { ChangeFeed } from "../../contract/change-feed.js";
import type { JsonScalar } from "../../contract/json.js";
import type { ExportFilter, StorageRecord } from "../../contract/records.js";
import type { SessionStatus } from "../../contract/session-storage.js";
import type { DurabilityLevel, HealthCheck } from "../../contract/storage-backend.js";
import type { EncodedText } from "../codec/encoded-text.js";
import type { StoredText } from "../codec/long-text.js";
import type { PruneCounts } from "../pruning.js";
import type { Call, FencingToken } from "./call.js";
import type { GroupVerdict, ImportBatch } from "./imports.js";
import type {
  ItemCount,
  ItemListing,
  ItemStep,
  ItemStepResult,
  NamespaceListing,
  NearestListing,
  ScoredItem,
} from "./items.js";
import type { ReplacementRow } from "./replacements.js";
import type {
  Rows,
  StoredCheckpoint,
  StoredContext,
  StoredItem,
  StoredLease,
  StoredMessage,
  StoredSession,
  StoredThread,
  StoredWrite,
} from "./stored.js";

/** Position in a listing: the row that the page before ended with. */
export interface TimePosition {
  readonly time: number;
  readonly id: string;
}

export interface NewStoredSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly metadata: string;
  readonly ttlMs: number | null;
}

/** A validated update; `applySessionChange` in `domain/sessions.ts` is its meaning. */
export interface SessionChange {
  /** Parsed, to be merged; `null` for none. */
  readonly mergeMetadata: { readonly [key: string]: unknown } | null;
  readonly unsetMetadata: readonly string[];
  readonly status: SessionStatus | null;
  readonly addRequests: number;
  readonly addProcessingTime: number;
  readonly addErrors: number;
  readonly expectedVersion: number | null;
  /** `digest` tells payloads apart (S5). */
  readonly idempotency: { readonly key: string; readonly digest: string } | null;
}

export interface SessionListing {
  readonly userId: string | null;
  /** `null` for any. */
  readonly statuses: readonly SessionStatus[] | null;
  /** Equality of top-level keys with scalars; `matchesMetadata` in `domain/metadata-filter.ts` is its meaning. */
  readonly metadata: readonly (readonly [key: string, value: JsonScalar])[];
  /** Inclusive lower, exclusive upper bounds, `null` for none. */
  readonly createdFrom: number | null;
  readonly createdTo: number | null;
  readonly updatedFrom: number | null;
  readonly updatedTo: number | null;
  readonly orderBy: "createdAt" | "updatedAt";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  readonly after: TimePosition | null;
}

export interface SessionDriver {
  /** An expired session counts as absent and is removed first. `created: false` returns the stored one unchanged. */
  createSession(
    call: Call,
    session: NewStoredSession,
  ): Promise<{ readonly created: boolean; readonly session: StoredSession }>;
  /** All or none; `exists` names the first id that is there. */
  createSessions(
    call: Call,
    sessions: readonly NewStoredSession[],
  ): Promise<{ readonly exists: string } | { readonly sessions: StoredSession[] }>;
  getSessions(call: Call, sessionIds: readonly string[]): Promise<(StoredSession | undefined)[]>;
  updateSession(
    call: Call,
    sessionId: string,
    change: SessionChange,
    fence: FencingToken | null,
  ): Promise<StoredSession>;
  /** `endStored` in `domain/sessions.ts` decides. */
  endSession(call: Call, sessionId: string, status: SessionStatus, fence: FencingToken | null): Promise<StoredSession>;
  listSessions(call: Call, listing: SessionListing): Promise<Rows<StoredSession>>;
  /** Not bound to one atomic step for what belongs to the session, but for readers it is all gone at once. */
  deleteSession(call: Call, sessionId: string): Promise<boolean>;
  /** Sessions whose `updatedAt <= idleBefore` or that are expired, of the tenant, in batches of `batchSize`. */
  cleanupSessions(
    call: Call,
    cleanup: { readonly idleBefore: number; readonly batchSize: number; readonly dryRun: boolean },
  ): Promise<number>;
}

export interface NewStoredMessage {
  readonly messageId: string;
  /** The caller gave the id: look whether the session has it already (C4). */
  readonly keyed: boolean;
  readonly role: string;
  readonly content: StoredText;
  readonly metadata: string;
  /** `null`: the backend's clock. */
  readonly timestamp: number | null;
}

export interface HistoryWindow {
  readonly limit: number;
  /** Exclusive bounds, `null` for none. */
  readonly before: number | null;
  readonly after: number | null;
  /** `null` for any; distinct. */
  readonly roles: readonly string[] | null;
}

export interface ConversationDriver {
  addMessages(
    call: Call,
    sessionId: string,
    messages: readonly NewStoredMessage[],
    fence: FencingToken | null,
  ): Promise<StoredMessage[]>;
  /** Ascending by `seq`: the oldest `limit` of the window if `after` is given, else the newest. */
  getHistory(call: Call, sessionId: string, window: HistoryWindow): Promise<StoredMessage[]>;
  /** Exclusive bounds, `null` for none. */
  deleteMessages(
    call: Call,
    sessionId: string,
    range: { readonly after: number | null; readonly before: number | null },
    fence: FencingToken | null,
  ): Promise<number>;
}

export interface NewStoredCheckpoint {
  readonly namespace: string;
  readonly checkpointId: string;
  readonly parentId: string | null;
  readonly sessionId: string | null;
  readonly metadata: string;
  readonly needsParent: boolean;
  /** `String(data)` is the text to store; its parts spare a driver that shares blocks most of the work. */
  readonly data: EncodedText;
  readonly sizeBytes: number;
  /** `undefined`: no compare-and-set; `null`: there must be none yet (K8). */
  readonly expectedHead: string | null | undefined;
}

export interface WantedCheckpoint {
  readonly namespace: string;
  /** `null`: the latest of the namespace. */
  readonly checkpointId: string | null;
  readonly writes: boolean;
  /** With a state of this etag `data` may be `null`: the caller has it (K5). `null`: the state is wanted. */
  readonly ifNoneMatch: string | null;
}

export interface CheckpointListing {
  /** `null`: every namespace. */
  readonly namespace: string | null;
  readonly limit: number;
  readonly before: number | null;
  readonly metadata: readonly (readonly [key: string, value: JsonScalar])[];
  readonly data: boolean;
  readonly writes: boolean;
}

export interface ThreadListing {
  readonly sessionId: string | null;
  readonly orderBy: "createdAt" | "updatedAt";
  readonly direction: "asc" | "desc";
  readonly limit: number;
  readonly after: TimePosition | null;
}

/** `kept`: ids that have a checkpoint and stay, in the order in which they were named. */
export interface DeletionCounts {
  readonly removedCheckpoints: number;
  readonly removedWrites: number;
  readonly removedBytes: number;
  readonly kept: readonly string[];
}

/** A thread of an expired session is absent for every method. */
export interface CheckpointDriver {
  /** Also touches the session it is linked to; an absent one is `SessionNotFoundError`. */
  storeCheckpoint(
    call: Call,
    threadId: string,
    checkpoint: NewStoredCheckpoint,
    fence: FencingToken | null,
  ): Promise<StoredCheckpoint>;
  getCheckpoint(call: Call, threadId: string, wanted: WantedCheckpoint): Promise<StoredCheckpoint | undefined>;
  listCheckpoints(call: Call, threadId: string, listing: CheckpointListing): Promise<StoredCheckpoint[]>;
  putWrites(
    call: Call,
    threadId: string,
    target: { readonly namespace: string; readonly checkpointId: string; readonly overwrite: boolean },
    writes: readonly StoredWrite[],
    fence: FencingToken | null,
  ): Promise<void>;
  getWrites(
    call: Call,
    threadId: string,
    target: { readonly namespace: string; readonly checkpointId: string },
  ): Promise<StoredWrite[]>;
  listThreads(call: Call, listing: ThreadListing): Promise<Rows<StoredThread>>;
  /** `exists`: the target is there, nothing was changed. */
  copyThread(call: Call, fromThreadId: string, toThreadId: string): Promise<"copied" | "absent" | "exists">;
  deleteThread(call: Call, threadId: string): Promise<boolean>;
  /**
   * One atomic step; `neededOfNamed` in `domain/pruning.ts` decides what stays. Everything else that is stored under the ids goes,
   * writes that wait for their checkpoint too. `updatedAt` of thread and session moves if anything was removed, `lastSeq` never.
   */
  deleteCheckpoints(
    call: Call,
    threadId: string,
    target: { readonly namespace: string; readonly checkpointIds: readonly string[] },
    fence: FencingToken | null,
  ): Promise<DeletionCounts>;
  /**
   * `planPrune` in `domain/pruning.ts` decides, or `planPruneInSteps`, which holds the event loop for no long thread. A thread may
   * be pruned in several atomic steps, each of which decides for the thread as it is then and removes the newest of what goes. At
   * every moment what is kept is there and loads, as does what is still to go; a prune that is given up or dies between two steps
   * leaves such a thread, which the next one prunes further.
   */
  pruneCheckpoints(
    call: Call,
    prune: {
      readonly keepLast: number | null;
      readonly maxAgeMs: number | null;
      readonly threadId: string | null;
      readonly dryRun: boolean;
    },
  ): Promise<PruneCounts>;
}

export interface TaskContextDriver {
  storeContext(
    call: Call,
    sessionId: string,
    context: {
      readonly context: StoredText;
      readonly sizeBytes: number;
      readonly metadata: string;
      readonly expectedVersion: number | null;
    },
    fence: FencingToken | null,
  ): Promise<StoredContext>;
  /** `version: null` is the newest. */
  getContext(call: Call, sessionId: string, version: number | null): Promise<StoredContext | undefined>;
  /** Newest first, without contents. */
  listContexts(
    call: Call,
    sessionId: string,
    listing: { readonly limit: number; readonly before: number | null },
  ): Promise<StoredContext[]>;
  shareContext(call: Call, fromSessionId: string, withSessionId: string): Promise<void>;
}

export interface ItemDriver {
  /** All steps or none, in order. A single verb is a batch of one. */
  runItemSteps(call: Call, steps: readonly ItemStep[]): Promise<ItemStepResult[]>;
  searchItems(call: Call, listing: ItemListing): Promise<Rows<StoredItem>>;
  /**
   * Search by similarity (M5). A driver without it keeps no vectors: the shell refuses them with `UnsupportedError`, so that
   * no step brings any (F6).
   */
  searchNearest?(call: Call, listing: NearestListing): Promise<Rows<ScoredItem>>;
  countItems(call: Call, count: ItemCount): Promise<number>;
  listNamespaces(call: Call, listing: NamespaceListing): Promise<Rows<string[]>>;
  deleteItems(call: Call, prefix: readonly string[]): Promise<number>;
}

export interface LeaseDriver {
  /** `held`: another owner has it until `expiresAt`; nothing was changed. Tokens grow tenant-wide and survive deletions. */
  acquireLease(
    call: Call,
    subject: { readonly kind: "session" | "thread"; readonly id: string },
    lease: { readonly owner: string; readonly ttlMs: number },
  ): Promise<{ readonly acquired: StoredLease } | { readonly held: StoredLease }>;
  /** `ttlMs: null` as acquired. Rejects with `FencedError`. */
  renewLease(call: Call, fence: FencingToken, ttlMs: number | null): Promise<StoredLease>;
  releaseLease(call: Call, fence: FencingToken): Promise<boolean>;
}

export interface DriverHealth {
  readonly durability: DurabilityLevel | "unknown";
  readonly checks: readonly HealthCheck[];
}

/** Counts with whether they are exact. */
export interface DriverMetrics {
  readonly sessions: number;
  readonly activeSessions: number;
  readonly messages: number;
  readonly threads: number;
  readonly checkpoints: number;
  readonly items: number;
  readonly requests: number;
  readonly errors: number;
  readonly sizeBytes: number | null;
  /** Names of the counts above that are estimates. */
  readonly estimated: readonly string[];
}

/** A whole backend. */
export interface StorageDriver
  extends SessionDriver,
    ConversationDriver,
    CheckpointDriver,
    TaskContextDriver,
    ItemDriver,
    LeaseDriver {
  /** `memory`, `sqlite`, … */
  readonly kind: string;
  /** Opens the store and migrates its schema; safe from many processes at once (F3). Called once, again only after it failed. */
  open(call: Call): Promise<void>;
  /** Called once, when nothing is in flight; lets go of everything (F4). Also called when `open` never ran. */
  close(): Promise<void>;
  /** May throw; the shell turns that into `unhealthy`. */
  health(call: Call): Promise<DriverHealth>;
  metrics(call: Call): Promise<DriverMetrics>;
  /** In the order of `contract/records.ts`, page by page, in constant memory; sees one moment of the store where the store can. */
  exportRecords(call: Call, filter: ExportFilter): AsyncIterable<StorageRecord>;
  /**
   * Puts values in the place of stored ones (P2): each in one atomic step, only where the record is there for readers and holds what is
   * expected; nothing else of the record, its subject or its session changes. A driver without it has no such port.
   */
  replaceStored?(call: Call, replacements: readonly ReplacementRow[]): Promise<boolean[]>;
  /** Of a store that was opened with a feed of changes (F8): of all tenants, also before `open`. */
  readonly changes?: ChangeFeed;
  /** All groups or none. */
  importBatch(call: Call, batch: ImportBatch): Promise<GroupVerdict[]>;
  /** The driver's own errors to ours; what is no `StorageError` after it is a defect and is wrapped as one. */
  mapError(error: unknown, call: Call): unknown;
}
