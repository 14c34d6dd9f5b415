/** Exact search by similarity, for stores whose vectors are compared in the process (M5). */
import type { VectorDistance } from "../contract/item-storage.js";
import type { NearestListing } from "./driver/items.js";
import type { StoredVectors } from "./driver/stored.js";
import { compareCodePoints } from "./identifiers.js";
import { compareNamespaces } from "./namespaces.js";
import type { VectorPart } from "./vector-blocks.js";

/** Vectors of an item, with what every comparison needs to know of them. */
export interface ComparableVectors extends StoredVectors {
  /** The Euclidean length of each vector. */
  readonly lengths: Float64Array;
}

export function comparableVectors({ dimensions, values }: StoredVectors): ComparableVectors {
  const lengths = new Float64Array(values.length / dimensions);
  for (let i = 0; i < lengths.length; i++) {
    lengths[i] = lengthOf(values, i * dimensions, dimensions);
  }
  return { dimensions, values, lengths };
}

/** What a ranking looks at of an item. */
export interface Candidate {
  readonly namespace: readonly string[];
  readonly key: string;
}

/** Below every score: the place of items that have none. */
const NO_SCORE = Number.NEGATIVE_INFINITY;

/**
 * Ranks candidates by score, the best first, ties by namespace and key. All are added before the first is taken; taking a few
 * does not sort the others.
 */
export class Ranking<Each extends Candidate> {
  readonly #listing: Pick<NearestListing, "after" | "minScore" | "unscored">;
  readonly #scoreOfRow: ScoreOfOne;
  readonly #dimensions: number;
  readonly #candidates: Each[] = [];
  readonly #scores: number[] = [];
  /** Places in the two lists above; a heap from the first `next` on, the best at its top. */
  #heap: Uint32Array | undefined;
  #left = 0;

  constructor(listing: Pick<NearestListing, "vector" | "distance" | "after" | "minScore" | "unscored">) {
    this.#listing = listing;
    // Numbers of 64 bits need no conversion in the loop.
    const query = Float64Array.from(listing.vector);
    this.#scoreOfRow = scoreOfOne(query, lengthOf(listing.vector, 0, query.length), listing.distance);
    this.#dimensions = listing.vector.length;
  }

  /** `null` for an item without vectors. Vectors of another dimension are not compared. */
  add(candidate: Each, vectors: ComparableVectors | null): void {
    if (vectors === null ? !this.#listing.unscored : vectors.dimensions !== this.#dimensions) return;
    this.addScored(candidate, vectors === null ? null : this.#bestOf(vectors));
  }

  /** Adds the owners of rows up to about `end`, each with all of its rows; returns the row to go on with. */
  addRows({ dimensions, values, lengths, owners, rows }: VectorPart<Each>, from: number, end: number): number {
    if (dimensions !== this.#dimensions) return rows;
    let row = from;
    while (row < rows && row < end) {
      const owner = owners[row] as Each;
      let best = this.#scoreOfRow(values, row * dimensions, lengths[row] as number);
      for (row += 1; row < rows && owners[row] === owner; row++) {
        best = Math.max(best, this.#scoreOfRow(values, row * dimensions, lengths[row] as number));
      }
      this.addScored(owner, best === 0 ? 0 : best);
    }
    return row;
  }

  /** `null` for an item without vectors. */
  addScored(candidate: Each, score: number | null): void {
    const { after, minScore } = this.#listing;
    if (minScore !== null && (score === null || score < minScore)) return;
    const rank = score ?? NO_SCORE;
    if (after !== null) {
      const last = after.score ?? NO_SCORE;
      if (rank > last || (rank === last && comparePlaces(candidate, after) <= 0)) return;
    }
    this.#candidates.push(candidate);
    this.#scores.push(rank);
  }

  /** The best of those that are left. */
  next(): { readonly candidate: Each; readonly score: number | null } | undefined {
    this.#heap ??= this.#heapOfAll();
    if (this.#left === 0) return undefined;
    const best = this.#heap[0] as number;
    this.#left -= 1;
    this.#heap[0] = this.#heap[this.#left] as number;
    this.#sink(this.#heap, 0);
    const score = this.#scores[best] as number;
    return { candidate: this.#candidates[best] as Each, score: score === NO_SCORE ? null : score };
  }

  #bestOf({ dimensions, values, lengths }: ComparableVectors): number {
    let best = this.#scoreOfRow(values, 0, lengths[0] as number);
    for (let i = 1; i < lengths.length; i++) {
      best = Math.max(best, this.#scoreOfRow(values, i * dimensions, lengths[i] as number));
    }
    return best === 0 ? 0 : best;
  }

  #heapOfAll(): Uint32Array {
    const heap = new Uint32Array(this.#scores.length);
    for (let i = 0; i < heap.length; i++) heap[i] = i;
    this.#left = heap.length;
    for (let i = (heap.length >>> 1) - 1; i >= 0; i--) this.#sink(heap, i);
    return heap;
  }

  #sink(heap: Uint32Array, from: number): void {
    const each = heap[from] as number;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#left) break;
      if (child + 1 < this.#left && this.#isBetter(heap[child + 1] as number, heap[child] as number)) child += 1;
      if (!this.#isBetter(heap[child] as number, each)) break;
      heap[place] = heap[child] as number;
      place = child;
    }
    if (place !== from) heap[place] = each;
  }

  #isBetter(a: number, b: number): boolean {
    const difference = (this.#scores[a] as number) - (this.#scores[b] as number);
    // The difference of two that have no score is NaN.
    if (difference > 0 || difference < 0) return difference > 0;
    return comparePlaces(this.#candidates[a] as Each, this.#candidates[b] as Each) < 0;
  }
}

function comparePlaces(a: Candidate, b: Candidate): number {
  return compareNamespaces(a.namespace, b.namespace) || compareCodePoints(a.key, b.key);
}

type ScoreOfOne = (values: Float32Array, from: number, length: number) => number;

function scoreOfOne(query: Float64Array, length: number, distance: VectorDistance): ScoreOfOne {
  switch (distance) {
    case "cosine":
      return (values, from, other) => {
        if (length === 0 || other === 0) return 0;
        return Math.max(-1, Math.min(1, dotProduct(query, values, from) / (length * other)));
      };
    case "dot":
      return (values, from) => dotProduct(query, values, from);
    case "euclidean":
      return (values, from) => -Math.sqrt(squaredDistance(query, values, from));
  }
}

function lengthOf(values: Float32Array, from: number, dimensions: number): number {
  let sum = 0;
  for (let i = from; i < from + dimensions; i++) sum += (values[i] as number) * (values[i] as number);
  return Math.sqrt(sum);
}

/** Several sums: an addition need not wait for the one before. One kind of array each: the loop is compiled for it alone. */
function dotProduct(query: Float64Array, values: Float32Array, from: number): number {
  const { length } = query;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    const place = from + i;
    a += (query[i] as number) * (values[place] as number);
    b += (query[i + 1] as number) * (values[place + 1] as number);
    c += (query[i + 2] as number) * (values[place + 2] as number);
    d += (query[i + 3] as number) * (values[place + 3] as number);
  }
  for (; i < length; i++) a += (query[i] as number) * (values[from + i] as number);
  return a + b + c + d;
}

function squaredDistance(query: Float64Array, values: Float32Array, from: number): number {
  const { length } = query;
  let a = 0;
  let b = 0;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    const first = (query[i] as number) - (values[from + i] as number);
    const second = (query[i + 1] as number) - (values[from + i + 1] as number);
    a += first * first;
    b += second * second;
  }
  if (i < length) {
    const last = (query[i] as number) - (values[from + i] as number);
    a += last * last;
  }
  return a + b;
}
