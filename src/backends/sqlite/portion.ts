/** How much is written or read before others have their turn: SQLite takes 2.5 ms for each megabyte of a row, so rows alone do not tell. */

/** Characters of rows between two looks at the time. */
const CHARACTERS = 256 * 1024;

/** Most characters of a text that is read beside other rows; a longer one is read by itself. */
export const SHORT_TEXT: number = 16 * 1024;

export class Portion {
  readonly #most: number;
  #rows = 0;
  #characters = 0;

  /** @param rows most short rows between two looks at the time */
  constructor(rows: number) {
    this.#most = rows;
  }

  /** Counts a row; `true` when it is time to look, with which the next portion begins. */
  isFull(characters: number): boolean {
    this.#rows += 1;
    this.#characters += characters;
    if (this.#rows < this.#most && this.#characters < CHARACTERS) return false;
    this.#rows = 0;
    this.#characters = 0;
    return true;
  }
}
