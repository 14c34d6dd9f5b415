/** Sessions: one user's run with an application (S1-S10). */
import type { CallOptions, LeaseHeld, Page, PageQuery, TimeRange } from "./call.js";
import type { Metadata, MetadataFilter, MetadataInput } from "./json.js";

/** `active` until ended; an ended session can still be read, written to and made `active` again. */
export type SessionStatus = "active" | "completed" | "failed" | "expired";

/** How a session may end. */
export type SessionEndStatus = Exclude<SessionStatus, "active">;

/** A stored session, as it was at the moment of the call: changing the object changes nothing stored. */
export interface Session {
  readonly sessionId: string;
  readonly userId: string;
  readonly status: SessionStatus;
  readonly metadata: Metadata;
  readonly createdAt: Date;
  /** Moves with every write that belongs to the session: messages, contexts and linked checkpoints too (S4). */
  readonly updatedAt: Date;
  /** Starts at 1; one more for each `updateSession` and `endSession` that changed the session (S4). */
  readonly version: number;
  /** Raised by `incrementRequests` (S2). */
  readonly requestCount: number;
  /** Seconds, summed by `addProcessingTime` (S3). */
  readonly totalProcessingTime: number;
  /** Raised by `markError` (S3). */
  readonly errorCount: number;
  /** Messages that the conversation holds now. */
  readonly messageCount: number;
  /** `seq` of the newest message ever added, 0 before the first; deleting messages does not lower it (C1). */
  readonly lastSeq: number;
  /** Time to live after the last write, in milliseconds; absent if the session does not expire (S8). */
  readonly ttlMs?: number;
  /** `updatedAt + ttlMs`: gone for readers from this instant (S8). */
  readonly expiresAt?: Date;
}

export interface CreateSessionOptions extends CallOptions {
  readonly metadata?: MetadataInput | undefined;
  /** The session expires this many milliseconds after its last write. Default: never. */
  readonly ttlMs?: number | undefined;
  /** What to do when the id is taken: reject with `SessionExistsError` (default) or return the stored one unchanged (S1). */
  readonly ifExists?: "error" | "return" | undefined;
}

/** What `updateSession` may change. Fields that are absent change nothing. */
export interface SessionUpdate {
  /** Merged by top-level key (S9). */
  readonly metadata?: MetadataInput | undefined;
  /** Top-level keys to remove; removed after the merge (S9). */
  readonly unsetMetadata?: readonly string[] | undefined;
  readonly status?: SessionStatus | undefined;
  /** `true` counts one request, a positive integer that many, at most 1,000,000,000 (S2). */
  readonly incrementRequests?: boolean | number | undefined;
  /** Seconds to add, a float from 0 to 1,000,000,000 (S3). */
  readonly addProcessingTime?: number | undefined;
  /** `true` counts one error (S3). */
  readonly markError?: boolean | undefined;
  /** Rejects with `ConflictError` unless the stored `version` is this one (S4). */
  readonly expectedVersion?: number | undefined;
  /** Seen in the last 24 h for this session: returns the first result and changes nothing (S5). */
  readonly idempotencyKey?: string | undefined;
}

export interface UpdateSessionOptions extends CallOptions, LeaseHeld {}

/** A session to create in a batch. */
export interface NewSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly metadata?: MetadataInput | undefined;
  readonly ttlMs?: number | undefined;
}

export interface SessionQuery extends PageQuery {
  readonly userId?: string | undefined;
  readonly status?: SessionStatus | readonly SessionStatus[] | undefined;
  readonly metadata?: MetadataFilter | undefined;
  readonly created?: TimeRange | undefined;
  readonly updated?: TimeRange | undefined;
  /** Default `createdAt`. */
  readonly orderBy?: "createdAt" | "updatedAt" | undefined;
  /** Default `desc`: newest first. Ties by session id, in the same direction, by code point. */
  readonly direction?: "asc" | "desc" | undefined;
  /** Default 50. */
  readonly limit?: number | undefined;
}

export interface CleanupOptions extends CallOptions {
  /** Removes sessions whose last write is at least this many hours ago. Default 24, as in the specification. */
  readonly maxIdleHours?: number | undefined;
  /** Counts what would be removed and changes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Sessions removed in one transaction. Default 100. */
  readonly batchSize?: number | undefined;
}

/** Sessions, their counters and metadata. */
export interface SessionStorage {
  /**
   * Creates a session. Never overwrites: of N racing creators exactly one creates (S1).
   * @throws SessionExistsError, InvalidArgumentError
   */
  createSession(sessionId: string, userId: string, options?: CreateSessionOptions): Promise<Session>;

  /** The session, or `undefined` if it is not there or has expired. */
  getSession(sessionId: string, options?: CallOptions): Promise<Session | undefined>;

  /**
   * Changes a session in one atomic step and returns it as it is after (S2-S5, S9).
   * @throws SessionNotFoundError, ConflictError, FencedError, InvalidArgumentError
   */
  updateSession(sessionId: string, update: SessionUpdate, options?: UpdateSessionOptions): Promise<Session>;

  /**
   * Ends a session; default status `completed`. Ending it again with the same status returns it unchanged; with another
   * status it rejects with `ConflictError`.
   * @throws SessionNotFoundError, ConflictError, FencedError
   */
  endSession(sessionId: string, status?: SessionEndStatus, options?: UpdateSessionOptions): Promise<Session>;

  /** One page of sessions, by key and never by offset (S7). Unknown fields are refused. */
  listSessions(query?: SessionQuery): Promise<Page<Session>>;

  /** Removes a session with all that belongs to it (S10). `false` if it was not there. */
  deleteSession(sessionId: string, options?: CallOptions): Promise<boolean>;

  /**
   * Creates all the sessions, at most 5,000 a call, or none, in one round trip; results in the order of the input.
   * @throws SessionExistsError if one of them exists, InvalidArgumentError if an id stands twice
   */
  batchCreateSessions(sessions: readonly NewSession[], options?: CallOptions): Promise<Session[]>;

  /** The sessions in the order of the ids, at most 10,000 a call, `undefined` where one is not there; one round trip. */
  batchGetSessions(sessionIds: readonly string[], options?: CallOptions): Promise<(Session | undefined)[]>;

  /** Removes idle and expired sessions with all that belongs to them, in bounded batches; returns how many (S8). */
  cleanupExpiredSessions(options?: CleanupOptions): Promise<number>;
}
