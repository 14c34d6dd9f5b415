/** Task contexts: the versioned working state of a task, shared by one or more sessions (T1-T3). */
import type { CallOptions, LeaseHeld } from "./call.js";
import type { Metadata, MetadataInput } from "./json.js";

/** A version of a task context, without its content. */
export interface TaskContextInfo {
  /** The session that was asked. */
  readonly sessionId: string;
  /** From 1, one more for each store (T1). */
  readonly version: number;
  readonly metadata: Metadata;
  readonly createdAt: Date;
  /** Bytes of the encoded content. */
  readonly sizeBytes: number;
}

/** A version of a task context. */
export interface TaskContext extends TaskContextInfo {
  readonly context: unknown;
}

export interface StoreTaskContextOptions extends CallOptions, LeaseHeld {
  /** Compare-and-set: the version that must be the newest, 0 for none yet (T1). */
  readonly expectedVersion?: number | undefined;
  readonly metadata?: MetadataInput | undefined;
}

export interface GetTaskContextOptions extends CallOptions {
  /** Default: the newest. */
  readonly version?: number | undefined;
}

export interface ListTaskContextVersionsOptions extends CallOptions {
  /** Most versions returned, 0 to 10,000. Default 20. */
  readonly limit?: number | undefined;
  /** Only smaller versions. */
  readonly before?: number | undefined;
}

/** Contexts of sessions. */
export interface TaskContextStorage {
  /**
   * Stores the next version.
   * @throws SessionNotFoundError, ConflictError (`expectedVersion`), FencedError, SerializationError, InvalidArgumentError
   */
  storeTaskContext(sessionId: string, context: unknown, options?: StoreTaskContextOptions): Promise<TaskContextInfo>;

  /** The newest version, or the one asked for; `undefined` if there is none. */
  getTaskContext(sessionId: string, options?: GetTaskContextOptions): Promise<TaskContext | undefined>;

  /** Versions that are kept, newest first (T2). */
  listTaskContextVersions(sessionId: string, options?: ListTaskContextVersionsOptions): Promise<TaskContextInfo[]>;

  /**
   * From now on both sessions read and write the first one's context; what the second had alone is dropped (T3).
   * @throws SessionNotFoundError if either is not there
   */
  shareTaskContext(fromSessionId: string, withSessionId: string, options?: CallOptions): Promise<void>;
}
