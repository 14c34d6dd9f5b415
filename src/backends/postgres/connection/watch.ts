/** Looks after calls whose statements are on the server: one that was given up is cancelled there (F2). */
import { InFlight, type Member } from "../../../domain/in-flight.js";

/** Between two looks, in milliseconds. */
const TICK_MS = 40;

/** A connection that a call has. */
export interface Watched extends Member {
  /** Whether its call was cancelled. */
  readonly cancelled: boolean;
  giveUp(): void;
}

export class Watch {
  readonly #watched = new InFlight<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** Gives up once if the call is cancelled before `unwatch`. */
  watch(watched: Watched): void {
    this.#watched.add(watched);
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#tick(), TICK_MS);
    else if (this.#watched.size === 1) this.#timer.ref();
  }

  unwatch(watched: Watched): void {
    this.#watched.delete(watched);
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
    for (const watched of this.#watched) {
      if (!watched.cancelled) continue;
      this.#watched.delete(watched);
      watched.giveUp();
    }
  }
}
