/**
 * An ordered index of rows that change often. A changed row takes its new place when many have changed, or when a scan begins:
 * in between it may change again, as a session does with each message of a turn, and is moved only once.
 */
import { OrderedIndex } from "./ordered-index.js";

/** Most rows that wait to be moved: a scan begins with no more work than this. */
const MAX_WAITING = 256;

export class LazyIndex<Key, Row extends Key> {
  readonly #index: OrderedIndex<Key, Row>;
  /** By id: the row that the index has, and the one that is to take its place. */
  readonly #waiting = new Map<string, { readonly indexed: Row; row: Row }>();

  constructor(compare: (a: Key, b: Key) => number) {
    this.#index = new OrderedIndex(compare);
  }

  add(row: Row): void {
    this.#index.add(row);
  }

  delete(id: string, row: Row): void {
    this.#index.delete(this.#waiting.get(id)?.indexed ?? row);
    this.#waiting.delete(id);
  }

  /** Puts a row in the place of the one that has the same id. */
  replace(id: string, stored: Row, row: Row): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) waiting.row = row;
    else this.#waiting.set(id, { indexed: stored, row });
    if (this.#waiting.size === MAX_WAITING) this.#settle();
  }

  /** As `OrderedIndex.scan`. */
  scan(direction: "asc" | "desc" = "asc", beyond: Key | null = null): Generator<Row> {
    this.#settle();
    return this.#index.scan(direction, beyond);
  }

  #settle(): void {
    for (const { indexed, row } of this.#waiting.values()) this.#index.replace(indexed, row);
    this.#waiting.clear();
  }
}
