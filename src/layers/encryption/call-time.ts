/** The time of a call that takes several steps of the store: together they settle within its deadline (F2). */
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import type { CallOptions } from "../../contract/call.js";
import { StorageTimeoutError } from "../../contract/errors.js";
import { signalOption, timeoutOption } from "../../domain/call-options.js";

export class CallTime {
  readonly #timeoutMs: number;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  #attempts = 0;

  /** @param options the caller's. @throws InvalidArgumentError for what is no deadline or signal */
  constructor(storage: { readonly timeoutMs: number }, options: CallOptions | undefined) {
    this.#timeoutMs = timeoutOption(options?.timeoutMs) ?? storage.timeoutMs;
    this.#end = performance.now() + this.#timeoutMs;
    this.#signal = signalOption(options?.signal);
  }

  /** Options of the next step. @throws StorageTimeoutError when no time is left */
  options(): CallOptions {
    const timeoutMs = this.#end - performance.now();
    if (timeoutMs <= 0) throw new StorageTimeoutError(`no answer within ${this.#timeoutMs} ms`);
    return this.#signal === undefined ? { timeoutMs } : { timeoutMs, signal: this.#signal };
  }

  /** Waits a little before a step that another writer came before is tried again: longer, and more by chance, each time. */
  async backOff(): Promise<void> {
    this.#attempts += 1;
    await wait(Math.random() * Math.min(50, 2 ** Math.min(6, this.#attempts)));
  }
}
