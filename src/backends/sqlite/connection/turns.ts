/** Turns of the event loop: SQLite works in this thread, so that everybody's work is done in slices (no call holds the loop for 50 ms). */
import { performance } from "node:perf_hooks";

/** How long the work of one turn may take together, in milliseconds. */
const TURN_MS = 6;

export class Turns {
  #began: number = performance.now();
  #next: Promise<void> | undefined;

  /** The time of this turn is used up. */
  get isOver(): boolean {
    return performance.now() - this.#began > TURN_MS;
  }

  /** The next turn; all who wait for it share one promise. */
  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        this.#began = performance.now();
        resolve();
      });
    });
    return this.#next;
  }

  /**
   * Runs work in this turn if it has time left, else in the next: once all who are about to go on have done so, or without
   * waiting for them where nobody is expected.
   */
  soon(work: () => void, expectsOthers: boolean): void {
    if (this.isOver) void this.next().then(work);
    else if (expectsOthers) process.nextTick(work);
    else queueMicrotask(work);
  }

  /** A turn with time left: of many who wait, some go on in this one and the rest in later ones. */
  async withTimeLeft(): Promise<void> {
    while (this.isOver) await this.next();
  }
}
