/** Turns of the event loop: SQLite works in this thread, so that everybody's work is done in slices (no call holds the loop for 50 ms). */
import { performance } from "node:perf_hooks";

/** How long the work of one turn may take together, in milliseconds. */
const TURN_MS = 6;

export class Turns {
  #began: number = performance.now();
  #next: Promise<void> | undefined;
  readonly #waiting: (() => void)[] = [];

  /** The time of this turn is used up. */
  get isOver(): boolean {
    return performance.now() - this.#began > TURN_MS;
  }

  /**
   * Runs work in this turn if it has time left, else in a later one, in the order of the calls: of many that wait, each turn does
   * what it has time for, and at least one.
   */
  inTurn<T>(work: () => T): T | Promise<T> {
    if (this.#waiting.length === 0 && !this.isOver) return work();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
      void this.#nextTurn();
    });
  }

  /**
   * Runs work in this turn if it has time left, else in the next: once all who are about to go on have done so, or without
   * waiting for them where nobody is expected.
   */
  soon(work: () => void, expectsOthers: boolean): void {
    if (this.isOver) void this.#nextTurn().then(work);
    else if (expectsOthers) process.nextTick(work);
    else queueMicrotask(work);
  }
  /** The next turn; all who wait for it share one promise. */
  #nextTurn(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        this.#began = performance.now();
        this.#runWaiting();
        resolve();
      });
    });
    return this.#next;
  }

  #runWaiting(): void {
    let count = 0;
    for (const work of this.#waiting) {
      if (count > 0 && this.isOver) break;
      count += 1;
      work();
    }
    this.#waiting.splice(0, count);
    if (this.#waiting.length > 0) void this.#nextTurn();
  }
}
