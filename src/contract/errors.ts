/**
 * Every failure a Waystone storage reports (promise F1).
 *
 * Decide by `code` (closed list, stable across releases and realms) or by class; decide on a retry by `retryable` and
 * `outcome`. No message ever holds a credential or stored content.
 */

import { types } from "node:util";

/** The closed list of codes. Each has a heading of the same name in `docs/errors.md`. */
export type StorageErrorCode =
  | "SESSION_NOT_FOUND"
  | "SESSION_EXISTS"
  | "CONFLICT"
  | "FENCED"
  | "CONNECTION"
  | "TIMEOUT"
  | "ABORTED"
  | "INVALID_ARGUMENT"
  | "SERIALIZATION"
  | "CORRUPTION"
  | "UNSUPPORTED"
  | "CLOSED";

/**
 * What is known of the write that failed.
 *
 * - `not-applied`: nothing was changed; the call may be sent again.
 * - `unknown`: the request left, no answer came; only an idempotent or keyed call may be sent again.
 */
export type StorageErrorOutcome = "not-applied" | "unknown";

/** What an error may carry beside its message. */
export interface StorageErrorOptions {
  /** Default `not-applied`. */
  readonly outcome?: StorageErrorOutcome | undefined;
  /** Whether the same call may succeed later without a change by the caller. Default: as the class says. */
  readonly retryable?: boolean | undefined;
  /** Kind of the backend: `memory`, `sqlite`, … Default: filled in by the backend. */
  readonly backend?: string | undefined;
  /** Name of the operation, as in `OPERATIONS`. Default: filled in by the backend. */
  readonly operation?: string | undefined;
  /** Milliseconds after which another attempt may help, where that is known. */
  readonly retryAfterMs?: number | undefined;
  /** The driver's own error, kept as it was. */
  readonly cause?: unknown;
}

/** The class of all errors of a storage. Use a subclass, or `error.code`, to tell them apart. */
export abstract class StorageError extends Error {
  abstract readonly code: StorageErrorCode;
  readonly outcome: StorageErrorOutcome;
  readonly retryable: boolean;
  /** Milliseconds after which another attempt may help; `undefined` where nobody knows. */
  readonly retryAfterMs: number | undefined;
  /** Kind of the backend that refused, `undefined` until a backend has seen the error. */
  backend: string | undefined;
  /** Operation that failed, `undefined` until a backend has seen the error. */
  operation: string | undefined;

  constructor(message: string, options: StorageErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.outcome = options.outcome ?? "not-applied";
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.backend = options.backend;
    this.operation = options.operation;
  }
}

/** The session is not there, or has expired (S6, S8). */
export class SessionNotFoundError extends StorageError {
  readonly code = "SESSION_NOT_FOUND";
  constructor(sessionId: string, options?: StorageErrorOptions) {
    super(`session ${quoteIdentifier(sessionId)} does not exist`, options);
  }
}

/** A session of this id is already there; it was not changed (S1). */
export class SessionExistsError extends StorageError {
  readonly code = "SESSION_EXISTS";
  constructor(sessionId: string, options?: StorageErrorOptions) {
    super(`session ${quoteIdentifier(sessionId)} already exists`, options);
  }
}

/**
 * The stored state is not the one that the caller expected: a version, a head, an idempotency key with another
 * payload, a lease that another owner holds (S4, S5, K8, T1). Read again, then decide.
 */
export class ConflictError extends StorageError {
  readonly code = "CONFLICT";
}

/** The write carried a lease that a later owner has superseded, or that is gone with its subject (L1, K7). */
export class FencedError extends StorageError {
  readonly code = "FENCED";
}

/** The store cannot be reached or opened, or its disk is full. */
export class StorageConnectionError extends StorageError {
  readonly code = "CONNECTION";
  constructor(message: string, options: StorageErrorOptions = {}) {
    super(message, { retryable: true, ...options });
  }
}

/** A layer kept the call from the store, to which nothing was sent: its circuit is open, or its queue is full. */
export class CallRefusedError extends StorageConnectionError {
  readonly reason: "circuit-open" | "queue-full";
  constructor(reason: "circuit-open" | "queue-full", message: string, options?: StorageErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The call did not settle before its deadline (F2). */
export class StorageTimeoutError extends StorageError {
  readonly code = "TIMEOUT";
  constructor(message: string, options: StorageErrorOptions = {}) {
    super(message, { retryable: true, ...options });
  }
}

/** The caller's `AbortSignal` fired; `cause` is the signal's reason. */
export class AbortedError extends StorageError {
  readonly code = "ABORTED";
}

/** An argument is not what the contract allows; refused before any I/O (I1, V2, S3, S7). */
export class InvalidArgumentError extends StorageError {
  readonly code = "INVALID_ARGUMENT";
}

/** A value cannot be stored without loss; refused before any I/O (V1). `path` says where in the value. */
export class SerializationError extends StorageError {
  readonly code = "SERIALIZATION";
  /** Where in the value, from `$`: `$.a[3].f`. */
  readonly path: string;
  constructor(path: string, reason: string, options?: StorageErrorOptions) {
    super(`${path}: ${reason}`, options);
    this.path = path;
  }
}

/** Stored content is missing, damaged or not of this product; it is reported, never returned in part (K5). */
export class CorruptionError extends StorageError {
  readonly code = "CORRUPTION";
}

/** This backend, or this server, cannot do what was asked; nothing was written (F6). */
export class UnsupportedError extends StorageError {
  readonly code = "UNSUPPORTED";
}

/** The storage, or this view of it, is closed (F4). */
export class ClosedError extends StorageError {
  readonly code = "CLOSED";
}

/** Whether a value is an error, also one of another realm: under Jest, those that Node.js itself throws are no instances of `Error`. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** Whether a value is a storage error, also one of another copy of this package. */
export function isStorageError(value: unknown): value is StorageError {
  return (
    value instanceof StorageError ||
    (isError(value) && "code" in value && "outcome" in value && "retryable" in value && "operation" in value)
  );
}

/** Identifiers appear in messages shortened and with control characters escaped, so that no log line is forged. */
export function quoteIdentifier(identifier: string): string {
  return JSON.stringify(identifier.length > 80 ? `${identifier.slice(0, 79)}…` : identifier);
}
