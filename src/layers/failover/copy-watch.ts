/** The time that copying may take, and which of the two stores was at fault when it failed. */
import { isStorageError, StorageTimeoutError } from "../../contract/errors.js";
import type { Side } from "./side.js";

/** A copy that a store has failed. */
export class CopyFailure extends Error {
  readonly side: Side;
  override readonly cause: unknown;

  constructor(side: Side, cause: unknown) {
    super(`the ${side} failed a copy`);
    this.side = side;
    this.cause = cause;
  }
}

/** Work that was given up and goes on at a store: nothing else is copied before it has ended, so that it cannot come late. */
export class Abandoned {
  readonly #running = new Map<Promise<unknown>, Side>();

  add(side: Side, work: Promise<unknown>): void {
    this.#running.set(work, side);
    const done = (): unknown => this.#running.delete(work);
    work.then(done, done);
  }

  /** The store that has not ended what it was given. */
  get side(): Side | undefined {
    return this.#running.values().next().value;
  }
}

/** Watches over one copy: each step has `timeoutMs`. */
export class CopyWatch {
  readonly #timeoutMs: number;
  readonly #abandoned: Pick<Abandoned, "add">;
  readonly #signal: AbortSignal;

  constructor(timeoutMs: number, abandoned: Pick<Abandoned, "add">, signal: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#abandoned = abandoned;
    this.#signal = signal;
  }

  get options(): { readonly signal: AbortSignal; readonly timeoutMs: number } {
    return { signal: this.#signal, timeoutMs: this.#timeoutMs };
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  /** One step of a store. @throws CopyFailure */
  async at<T>(side: Side, start: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    try {
      if (this.#signal.aborted) throw new StorageTimeoutError("the copy was given up");
      const work = start();
      const late = new Promise<never>((_resolve, reject) => {
        const giveUp = (): void => {
          this.#abandoned.add(side, work);
          reject(new StorageTimeoutError(`the ${side} did not answer within ${this.#timeoutMs} ms`));
        };
        timer = setTimeout(giveUp, this.#timeoutMs);
      });
      return await Promise.race([work, late]);
    } catch (error) {
      throw new CopyFailure(side, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** All that a stream gives. @throws CopyFailure */
  async all<T>(side: Side, open: () => AsyncIterable<T>): Promise<T[]> {
    const found: T[] = [];
    for await (const each of this.each(side, open)) found.push(each);
    return found;
  }

  /** What a stream gives, one by one. @throws CopyFailure */
  async *each<T>(side: Side, open: () => AsyncIterable<T>): AsyncGenerator<T> {
    let records: AsyncIterator<T>;
    try {
      records = open()[Symbol.asyncIterator]();
    } catch (error) {
      throw new CopyFailure(side, error);
    }
    let isOver = false;
    try {
      for (;;) {
        const next = await this.at(side, () => records.next());
        if (next.done === true) {
          isOver = true;
          return;
        }
        yield next.value;
      }
    } catch (error) {
      isOver = true;
      throw error;
    } finally {
      if (!isOver) await records.return?.();
    }
  }
}

/** Whether a store is away, as opposed to refusing. */
export function isAway(error: unknown): boolean {
  return isStorageError(error) && (error.code === "CONNECTION" || error.code === "TIMEOUT" || error.code === "ABORTED");
}
