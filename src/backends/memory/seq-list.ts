/** Rows in the order of their `seq`, found by binary search: messages of a conversation, checkpoints of a thread. */
import { firstNotBelow } from "./binary-search.js";

/** A part of the list: exclusive bounds by `seq`, `null` for none. */
export interface SeqRange {
  readonly after: number | null;
  readonly before: number | null;
}

export class SeqList<Row extends { readonly seq: number }> {
  #rows: Row[];

  constructor(rows: Row[] = []) {
    this.#rows = rows;
  }

  get length(): number {
    return this.#rows.length;
  }

  get newest(): Row | undefined {
    return this.#rows.at(-1);
  }

  get(seq: number): Row | undefined {
    const row = this.#rows[this.#firstFrom(seq)];
    return row?.seq === seq ? row : undefined;
  }

  /** Adds a row, or replaces the one of its `seq`. */
  put(row: Row): void {
    const newest = this.newest;
    if (newest === undefined || newest.seq < row.seq) {
      this.#rows.push(row);
      return;
    }
    const place = this.#firstFrom(row.seq);
    this.#rows.splice(place, this.#rows[place]?.seq === row.seq ? 1 : 0, row);
  }

  /** The newest rows of a range, oldest first; time depends on `limit` alone. */
  newestOf(range: SeqRange, limit: number): Row[] {
    const [start, end] = this.#places(range);
    return this.#rows.slice(Math.max(start, end - limit), end);
  }

  /** The oldest rows of a range, oldest first. */
  oldestOf(range: SeqRange, limit: number): Row[] {
    const [start, end] = this.#places(range);
    return this.#rows.slice(start, Math.min(end, start + limit));
  }

  /** Removes the rows of a range and returns them. */
  removeRange(range: SeqRange): Row[] {
    const [start, end] = this.#places(range);
    return this.#rows.splice(start, end - start);
  }

  /** Keeps these rows alone, some of those that are there, in order. */
  keepOnly(rows: Row[]): void {
    this.#rows = rows;
  }

  /** A copy; the rows are the same. */
  toArray(): Row[] {
    return this.#rows.slice();
  }

  #places({ after, before }: SeqRange): [start: number, end: number] {
    const start = after === null ? 0 : this.#firstFrom(after + 1);
    const end = before === null ? this.#rows.length : this.#firstFrom(before);
    return [start, Math.max(start, end)];
  }

  /** Where the first row stands whose `seq` is at least this one. */
  #firstFrom(seq: number): number {
    return firstNotBelow(this.#rows.length, (place) => (this.#rows[place] as Row).seq < seq);
  }
}
