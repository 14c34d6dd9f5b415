/**
 * Deadlines of calls, watched by one coarse timer: a timer a call would cost more than many calls do. The tick is well inside
 * the 250 ms that F2 allows.
 */
import { performance } from "node:perf_hooks";
import { AbortedError, StorageTimeoutError } from "../../contract/errors.js";
import { OPERATIONS } from "../../contract/operations.js";
import type { Call, CallName } from "../driver/call.js";
import { InFlight } from "../in-flight.js";

const TICK_MS = 50;

/** A call in flight, with the way to settle it from outside. */
export class WatchedCall implements Call {
  readonly tenant: string;
  readonly operation: CallName;
  readonly #deadline: number;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  cancelled = false;
  sent = false;
  place = -1;
  /**
   * Rejects the caller's promise; set while the call is watched. Name the function before it is assigned: what is written as the value of
   * an assignment to a property is made among the old objects, where only a full collection frees it and the results that it leads to.
   */
  giveUp: ((reason: Error) => void) | undefined;

  constructor(tenant: string, operation: CallName, timeoutMs: number, signal: AbortSignal | undefined) {
    this.tenant = tenant;
    this.operation = operation;
    this.#timeoutMs = timeoutMs;
    this.#deadline = timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : performance.now() + timeoutMs;
    this.#signal = signal;
  }

  remainingMs(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  cancellation(): Error {
    const reads = this.operation !== "replaceStored" && OPERATIONS[this.operation].access === "read";
    const outcome = this.sent && !reads ? "unknown" : "not-applied";
    if (this.#signal?.aborted) {
      return new AbortedError("the caller gave the call up", { outcome, cause: this.#signal.reason });
    }
    return new StorageTimeoutError(`no answer within ${this.#timeoutMs} ms`, { outcome });
  }

  /** Settles the caller's promise and tells the driver to begin nothing more. */
  cancel(): void {
    this.cancelled = true;
    this.giveUp?.(this.cancellation());
  }

  overdue(now: number): boolean {
    return now >= this.#deadline;
  }
}

/** The calls in flight of one storage. */
export class Deadlines {
  readonly #calls = new InFlight<WatchedCall>();
  #timer: NodeJS.Timeout | undefined;

  watch(call: WatchedCall): void {
    this.#calls.add(call);
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#tick(), TICK_MS);
    else if (this.#calls.size === 1) this.#timer.ref();
  }

  unwatch(call: WatchedCall): void {
    this.#calls.delete(call);
    // An idle timer must not hold the process; it stops at its next tick.
    if (this.#calls.size === 0) this.#timer?.unref();
  }

  /** Leaves no timer behind (F4). */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    if (this.#calls.size === 0) {
      this.stop();
      return;
    }
    const now = performance.now();
    for (const call of this.#calls) if (call.overdue(now)) call.cancel();
  }
}
