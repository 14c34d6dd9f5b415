/** Merging what shards list, each in the same order, into one list in that order: never more than some rows of each are read ahead. */
import type { Rows } from "../../../domain/driver/stored.js";

type Order<T> = (a: T, b: T) => number;

/** A shard's part of a listing: so many rows from a place on. */
export type ReadRows<T> = (after: T | null, limit: number) => Promise<Rows<T>>;

/** The page of `limit` rows. Each shard is asked for its share first, and again when that is used up. */
export async function mergePages<T>(sources: readonly ReadRows<T>[], order: Order<T>, limit: number): Promise<Rows<T>> {
  const share = Math.min(limit, Math.ceil(limit / sources.length) + 8);
  const parts = await Promise.all(sources.map(async (read) => new Part(read, share, await read(null, share))));
  const rows: T[] = [];
  for (;;) {
    let first: Part<T> | undefined;
    for (const part of parts) {
      await part.refill();
      if (part.next !== undefined && (first?.next === undefined || order(part.next, first.next) < 0)) first = part;
    }
    const next = first?.next;
    if (first === undefined || next === undefined) return { rows, more: false };
    if (rows.length === limit) return { rows, more: true };
    rows.push(next);
    first.take();
  }
}

class Part<T> {
  readonly #read: ReadRows<T>;
  readonly #step: number;
  #rows: Rows<T>;
  #at = 0;

  constructor(read: ReadRows<T>, step: number, rows: Rows<T>) {
    this.#read = read;
    this.#step = step;
    this.#rows = rows;
  }

  get next(): T | undefined {
    return this.#rows.rows[this.#at];
  }

  take(): void {
    this.#at += 1;
  }

  async refill(): Promise<void> {
    const last = this.#rows.rows.at(-1);
    if (this.next !== undefined || !this.#rows.more || last === undefined) return;
    this.#rows = await this.#read(last, this.#step);
    this.#at = 0;
  }
}

/** What shards give one by one, each in the same order. */
export async function* mergeStreams<T>(
  streams: readonly AsyncGenerator<T, void, void>[],
  order: Order<T>,
): AsyncGenerator<T, void, void> {
  try {
    const heads = await Promise.all(streams.map((stream) => stream.next()));
    for (;;) {
      let first = -1;
      for (const [i, head] of heads.entries()) {
        const least = heads[first];
        if (head.done !== true && (least === undefined || least.done === true || order(head.value, least.value) < 0))
          first = i;
      }
      const head = heads[first];
      if (head === undefined || head.done === true) return;
      yield head.value;
      heads[first] = await (streams[first] as AsyncGenerator<T, void, void>).next();
    }
  } finally {
    await Promise.all(streams.map((stream) => stream.return()));
  }
}
