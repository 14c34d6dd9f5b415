/** Pages being filled: at most `limit` rows, and whether there are more. */
import type { Rows } from "../../domain/driver/stored.js";
import { firstNotBelow } from "./binary-search.js";

/** A page of rows that come in the order of the listing. */
export class FirstRows<Row> {
  readonly #limit: number;
  readonly #rows: Row[] = [];
  #more = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `false` when the page wants no more. */
  add(row: Row): boolean {
    if (this.#rows.length === this.#limit) this.#more = true;
    else this.#rows.push(row);
    return !this.#more;
  }

  page(): Rows<Row> {
    return { rows: this.#rows, more: this.#more };
  }
}

/** A page of rows that come in any order: the first by a comparison are kept. */
export class LeastRows<Row> {
  readonly #limit: number;
  readonly #compare: (a: Row, b: Row) => number;
  /** In order; one more than the page has. */
  readonly #rows: Row[] = [];

  constructor(limit: number, compare: (a: Row, b: Row) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  /** Always `true`: a later row may come before all others. */
  add(row: Row): boolean {
    const last = this.#rows.at(-1);
    const full = this.#rows.length > this.#limit;
    if (full && last !== undefined && this.#compare(row, last) >= 0) return true;
    if (full) this.#rows.pop();
    const place = firstNotBelow(this.#rows.length, (each) => this.#compare(this.#rows[each] as Row, row) < 0);
    this.#rows.splice(place, 0, row);
    return true;
  }

  page(): Rows<Row> {
    return { rows: this.#rows.slice(0, this.#limit), more: this.#rows.length > this.#limit };
  }
}
