/** What a driver is told about the call that it serves. */
import type { OperationName } from "../../contract/operations.js";

/** What a call is about: an operation of the contract, or of a port beside it. */
export type CallName = OperationName | "replaceStored";

/**
 * One call on its way through a driver.
 *
 * The shell (`storageBackend`) settles the caller's promise at the deadline or on abort, whatever the driver does. A driver
 * that queues or waits looks at `cancelled` before it begins, and between the slices of long work, and then throws
 * `call.cancellation()`; it sets `sent` as soon as the effect of a write may be in the store (just before COMMIT, or before
 * the request leaves), which decides between `not-applied` and `unknown`.
 */
export interface Call {
  readonly tenant: string;
  readonly operation: CallName;
  /** The deadline has passed or the caller has given up: begin nothing more. */
  readonly cancelled: boolean;
  sent: boolean;
  /** Milliseconds to the deadline, never negative; `Infinity` for streams. */
  remainingMs(): number;
  /** The error for a cancelled call: `StorageTimeoutError` or `AbortedError`. */
  cancellation(): Error;
}

/** A lease that a write carries; the driver compares it inside the write's own atomic step (L1). */
export interface FencingToken {
  readonly kind: "session" | "thread";
  readonly id: string;
  readonly token: number;
}
