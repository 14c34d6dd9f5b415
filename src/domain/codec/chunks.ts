/** Lists that grow without being moved, in chunks: what takes a large value has no time for copies, and the collector moves no long array. */

/** Elements of a chunk: so many that V8 gives one of references a place of its own from the start. */
const CHUNK_BITS = 15;
const CHUNK: number = 1 << CHUNK_BITS;
const PLACE: number = CHUNK - 1;

export class Numbers {
  readonly #chunks: Float64Array[] = [];
  #chunk: Float64Array = new Float64Array(0);
  #used: number = CHUNK;

  get length(): number {
    return (this.#chunks.length - 1) * CHUNK + this.#used;
  }

  add(number: number): void {
    if (this.#used === CHUNK) this.#grow();
    this.#chunk[this.#used] = number;
    this.#used += 1;
  }

  /** Takes back the last one, right behind `add`. */
  takeBack(): void {
    this.#used -= 1;
  }

  set(at: number, number: number): void {
    (this.#chunks[at >> CHUNK_BITS] as Float64Array)[at & PLACE] = number;
  }

  at(at: number): number {
    return (this.#chunks[at >> CHUNK_BITS] as Float64Array)[at & PLACE] as number;
  }

  #grow(): void {
    this.#chunk = new Float64Array(CHUNK);
    this.#chunks.push(this.#chunk);
    this.#used = 0;
  }
}

export class References<T> {
  readonly #chunks: T[][] = [];
  #chunk: T[] = [];
  #used: number = CHUNK;

  get length(): number {
    return (this.#chunks.length - 1) * CHUNK + this.#used;
  }

  add(reference: T): void {
    if (this.#used === CHUNK) this.#grow();
    this.#chunk[this.#used] = reference;
    this.#used += 1;
  }

  at(at: number): T {
    return (this.#chunks[at >> CHUNK_BITS] as T[])[at & PLACE] as T;
  }

  #grow(): void {
    this.#chunk = new Array<T>(CHUNK);
    this.#chunks.push(this.#chunk);
    this.#used = 0;
  }
}
