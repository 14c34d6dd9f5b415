/** Looks after calls whose statements are on the server: one that was given up is cancelled there (F2). */
import type { Call } from "../../../domain/driver/call.js";

/** Between two looks, in milliseconds. */
const TICK_MS = 40;

export class Watch {
  readonly #watched = new Map<Call, (call: Call) => void>();
  #timer: NodeJS.Timeout | undefined;

  /** Calls `giveUp` once if the call is cancelled before `unwatch`. */
  watch(call: Call, giveUp: (call: Call) => void): void {
    this.#watched.set(call, giveUp);
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#tick(), TICK_MS);
    else if (this.#watched.size === 1) this.#timer.ref();
  }

  unwatch(call: Call): void {
    this.#watched.delete(call);
    if (this.#watched.size === 0) this.#timer?.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    if (this.#watched.size === 0) {
      this.stop();
      return;
    }
    for (const [call, giveUp] of this.#watched) {
      if (!call.cancelled) continue;
      this.#watched.delete(call);
      giveUp(call);
    }
  }
}
