/**
 * Rows in the order of a comparison, kept in short blocks: a change is a binary search and a move within one block, however
 * many rows there are. A scan sees the rows as they were when it began, whatever changes while it runs.
 */
import { firstNotBelow } from "./binary-search.js";

/** Most rows of a block. */
const BLOCK_LENGTH = 512;

const NO_ROWS: readonly never[] = [];

/** A block older than the index's epoch may be seen by a scan: it is copied before it changes. */
interface Block<Row> {
  readonly rows: Row[];
  readonly epoch: number;
}

/** `Key` is what of a row the comparison looks at; no two rows have equal keys. */
export class OrderedIndex<Key, Row extends Key> {
  readonly #compare: (a: Key, b: Key) => number;
  /** None is empty. */
  #blocks: Block<Row>[] = [];
  #epoch = 0;

  constructor(compare: (a: Key, b: Key) => number) {
    this.#compare = compare;
  }

  get(key: Key): Row | undefined {
    const rows = this.#rowsOf(this.#blockOf(key));
    const row = rows[this.#placeIn(rows, key)];
    return row !== undefined && this.#compare(row, key) === 0 ? row : undefined;
  }

  /** The first row above a key, or of all. */
  next(above: Key | null): Row | undefined {
    if (above === null) return this.#rowsOf(0)[0];
    const block = this.#blockOf(above);
    const rows = this.#rowsOf(block);
    return rows[this.#placeAbove(rows, above)] ?? this.#rowsOf(block + 1)[0];
  }

  add(row: Row): void {
    const block = this.#blockOf(row);
    const rows = this.#writable(block);
    const place = this.#placeIn(rows, row);
    rows.splice(place, 0, row);
    if (rows.length <= BLOCK_LENGTH) return;
    // Rows that come in order leave full blocks behind them.
    const atTheEnd = place === BLOCK_LENGTH && block === this.#blocks.length - 1;
    const second = rows.splice(atTheEnd ? BLOCK_LENGTH : BLOCK_LENGTH / 2);
    this.#blocks.splice(block + 1, 0, { rows: second, epoch: this.#epoch });
  }

  /** `false` if it was not there. */
  delete(key: Key): boolean {
    const block = this.#blockOf(key);
    const rows = this.#rowsOf(block);
    const place = this.#placeIn(rows, key);
    const found = place < rows.length && this.#compare(rows[place] as Row, key) === 0;
    if (found) this.#removeAt(block, place);
    return found;
  }

  /** Puts a row in the place of the one that is stored, and moves it to where it now belongs. */
  replace(stored: Key, row: Row): void {
    const block = this.#blockOf(stored);
    const rows = this.#rowsOf(block);
    const place = this.#placeIn(rows, stored);
    const previous = place > 0 ? rows[place - 1] : this.#rowsOf(block - 1).at(-1);
    const next = place + 1 < rows.length ? rows[place + 1] : this.#rowsOf(block + 1)[0];
    const staysInPlace =
      (previous === undefined || this.#compare(previous, row) < 0) &&
      (next === undefined || this.#compare(row, next) < 0);
    if (staysInPlace) {
      this.#writable(block)[place] = row;
    } else {
      this.#removeAt(block, place);
      this.add(row);
    }
  }

  /**
   * Removes the rows from a key on, up to the first that is not in the run, and returns them in the blocks that they stood in.
   * It looks at one row of each block, and into the first and the last one: the time hardly follows the number of rows.
   */
  removeRun(from: Key, inRun: (row: Row) => boolean): (readonly Row[])[] {
    const first = this.#blockOf(from);
    const start = this.#placeIn(this.#rowsOf(first), from);
    let last = first;
    while (last + 1 < this.#blocks.length && inRun(this.#rowsOf(last).at(-1) as Row)) last += 1;
    const removed = this.#blocks.slice(first, last + 1).map(({ rows }): readonly Row[] => rows);
    const end = this.#rowsOf(last).findIndex((row, place) => (last > first || place >= start) && !inRun(row));
    const head = this.#rowsOf(first).slice(0, start);
    const tail = end === -1 ? [] : this.#rowsOf(last).slice(end);
    if (end !== -1) removed[last - first] = this.#rowsOf(last).slice(0, end);
    if (removed[0] !== undefined) removed[0] = removed[0].slice(start);
    if (removed.every((rows) => rows.length === 0)) return [];
    const kept = [head, tail].filter((rows) => rows.length > 0);
    this.#blocks.splice(first, last + 1 - first, ...kept.map((rows) => ({ rows, epoch: this.#epoch })));
    return removed;
  }

  /** Rows beyond a key, which need not be there; all rows if it is `null`. */
  scan(direction: "asc" | "desc" = "asc", beyond: Key | null = null): Generator<Row> {
    this.#epoch += 1;
    const blocks = this.#blocks.slice();
    if (beyond === null) {
      return direction === "asc" ? ascending(blocks, 0, 0) : descending(blocks, blocks.length - 1, null);
    }
    const block = this.#blockOf(beyond);
    const rows = this.#rowsOf(block);
    return direction === "asc"
      ? ascending(blocks, block, this.#placeAbove(rows, beyond))
      : descending(blocks, block, this.#placeIn(rows, beyond) - 1);
  }

  /** The first block that does not end below the key, else the last one; 0 if there is none. */
  #blockOf(key: Key): number {
    return firstNotBelow(this.#blocks.length - 1, (block) => this.#compare(this.#rowsOf(block).at(-1) as Row, key) < 0);
  }

  /** Where the first row stands that is not below the key. */
  #placeIn(rows: readonly Row[], key: Key): number {
    return firstNotBelow(rows.length, (place) => this.#compare(rows[place] as Row, key) < 0);
  }

  #placeAbove(rows: readonly Row[], key: Key): number {
    const place = this.#placeIn(rows, key);
    const row = rows[place];
    return row !== undefined && this.#compare(row, key) === 0 ? place + 1 : place;
  }

  #removeAt(block: number, place: number): void {
    const rows = this.#writable(block);
    rows.splice(place, 1);
    if (rows.length === 0) this.#blocks.splice(block, 1);
    else this.#mergeWithNext(block);
  }

  #rowsOf(block: number): readonly Row[] {
    return this.#blocks[block]?.rows ?? NO_ROWS;
  }

  #writable(index: number): Row[] {
    const block = this.#blocks[index];
    if (block?.epoch === this.#epoch) return block.rows;
    const own = { rows: block?.rows.slice() ?? [], epoch: this.#epoch };
    this.#blocks[index] = own;
    return own.rows;
  }

  /** Blocks that thin out are joined, so that their number follows that of the rows. */
  #mergeWithNext(block: number): void {
    const rows = this.#rowsOf(block);
    const next = this.#rowsOf(block + 1);
    if (next.length === 0 || rows.length + next.length > BLOCK_LENGTH / 2) return;
    this.#blocks.splice(block, 2, { rows: [...rows, ...next], epoch: this.#epoch });
  }
}

function* ascending<Row>(blocks: readonly Block<Row>[], first: number, place: number): Generator<Row> {
  for (let b = first; b < blocks.length; b++) {
    const { rows } = blocks[b] as Block<Row>;
    for (let i = b === first ? place : 0; i < rows.length; i++) yield rows[i] as Row;
  }
}

/** `place: null` is the end of the first block. */
function* descending<Row>(blocks: readonly Block<Row>[], first: number, place: number | null): Generator<Row> {
  for (let b = first; b >= 0; b--) {
    const rows = blocks[b]?.rows ?? [];
    for (let i = b === first && place !== null ? place : rows.length - 1; i >= 0; i--) yield rows[i] as Row;
  }
}
