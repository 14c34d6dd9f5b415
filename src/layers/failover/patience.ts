/** How long a call may take that waits for more than one store (F2). */
import { performance } from "node:perf_hooks";
import { AbortedError, type StorageErrorOutcome, StorageTimeoutError } from "../../contract/errors.js";
import type { LayerCall } from "../layer-call.js";

export class Patience {
  readonly #timeoutMs: number;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;

  constructor({ timeoutMs, signal }: Pick<LayerCall, "timeoutMs" | "signal">) {
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
    this.#signal = signal;
  }

  get leftMs(): number {
    return this.#end - performance.now();
  }

  /** A shorter deadline for a store, where the caller's own would be too long. @throws StorageTimeoutError when no time is left */
  changes(atMostMs: number = Number.POSITIVE_INFINITY): { readonly timeoutMs: number } | undefined {
    if (this.#timeoutMs === Number.POSITIVE_INFINITY) return undefined;
    const left = this.leftMs;
    if (left <= 0) throw new StorageTimeoutError(`no answer within ${this.#timeoutMs} ms`);
    return left > this.#timeoutMs - 5 && left <= atMostMs ? undefined : { timeoutMs: Math.min(left, atMostMs) };
  }

  /**
   * Waits for work that the call does not depend on the outcome of.
   * @throws StorageTimeoutError, AbortedError with this outcome
   */
  async for<T>(work: Promise<T>, outcome: StorageErrorOutcome): Promise<T> {
    if (this.#timeoutMs === Number.POSITIVE_INFINITY && this.#signal === undefined) return work;
    const { promise, reject } = Promise.withResolvers<never>();
    const giveUp = (): void =>
      reject(new AbortedError("the call was given up", { outcome, cause: this.#signal?.reason }));
    if (this.#signal?.aborted === true) giveUp();
    const late = (): void => reject(new StorageTimeoutError(`no answer within ${this.#timeoutMs} ms`, { outcome }));
    const left = Math.max(0, Math.min(this.leftMs, 2 ** 31 - 1));
    const timer = setTimeout(late, left);
    this.#signal?.addEventListener("abort", giveUp);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", giveUp);
    }
  }
}
