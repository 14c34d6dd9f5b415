/** Lists that grow without being moved, in chunks: what takes a large value has no time for copies, and the collector moves no long array. */

/** Elements of a chunk: so many that V8 gives one of references a place of its own from the start. */
const CHUNK_BITS = 15;
const CHUNK: number = 1 << CHUNK_BITS;
const PLACE: number = CHUNK - 1;

/** Elements of the first chunk to begin with: many values that come this far are short, and a call may have thousands. */
const FEW = 64;

/** How much larger the first chunk becomes each time, until it is a whole one. */
const GROWTH = 4;

export class Words {
  #chunk: Int32Array = new Int32Array(FEW);
  readonly #chunks: Int32Array[] = [this.#chunk];
  #used = 0;
  #room: number = FEW;

  get length(): number {
    return (this.#chunks.length - 1) * CHUNK + this.#used;
  }

  add(word: number): void {
    if (this.#used === this.#room) this.#grow();
    this.#chunk[this.#used] = word;
    this.#used += 1;
  }

  /** Adds the bits of a number: two words. */
  addNumber(number: number): void {
    NUMBER[0] = number;
    this.add(BITS[0] as number);
    this.add(BITS[1] as number);
  }

  /** Takes back the last one, right behind `add`. */
  takeBack(): void {
    this.#used -= 1;
  }

  set(at: number, word: number): void {
    (this.#chunks[at >> CHUNK_BITS] as Int32Array)[at & PLACE] = word;
  }

  at(at: number): number {
    return (this.#chunks[at >> CHUNK_BITS] as Int32Array)[at & PLACE] as number;
  }

  numberAt(at: number): number {
    BITS[0] = this.at(at);
    BITS[1] = this.at(at + 1);
    return NUMBER[0] as number;
  }

  #grow(): void {
    const isFirst = this.#room < CHUNK;
    this.#room = Math.min(CHUNK, GROWTH * this.#room);
    const next = new Int32Array(this.#room);
    if (isFirst) {
      next.set(this.#chunk);
      this.#chunks.pop();
    } else this.#used = 0;
    this.#chunk = next;
    this.#chunks.push(next);
  }
}

/** A number, and the same as words. */
const NUMBER = new Float64Array(1);
const BITS: Int32Array = new Int32Array(NUMBER.buffer);

export class References<T> {
  #chunk: T[] = [];
  readonly #chunks: T[][] = [this.#chunk];
  #used = 0;
  #room: number = FEW;

  get length(): number {
    return (this.#chunks.length - 1) * CHUNK + this.#used;
  }

  add(reference: T): void {
    if (this.#used === this.#room) this.#grow();
    this.#chunk[this.#used] = reference;
    this.#used += 1;
  }

  at(at: number): T {
    return (this.#chunks[at >> CHUNK_BITS] as T[])[at & PLACE] as T;
  }

  #grow(): void {
    const isFirst = this.#room < CHUNK;
    this.#room = Math.min(CHUNK, GROWTH * this.#room);
    const next = new Array<T>(this.#room);
    if (isFirst) {
      for (let i = 0; i < this.#used; i++) next[i] = this.#chunk[i] as T;
      this.#chunks.pop();
    } else this.#used = 0;
    this.#chunk = next;
    this.#chunks.push(next);
  }
}
