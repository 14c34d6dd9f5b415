/** Exact search by similarity, for stores whose vectors are compared in the process (M5). */
import type { VectorDistance } from "../contract/item-storage.js";
import { BestFirst } from "./best-first.js";
import type { NearestListing } from "./driver/items.js";
import type { StoredVectors } from "./driver/stored.js";
import { compareCodePoints } from "./identifiers.js";
import { compareNamespaces } from "./namespaces.js";
import type { VectorPart } from "./vector-blocks.js";
import { sumRows } from "./vector-sums.js";

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

/** At least so many are looked for at once. */
const LEAST_WANTED = 64;

/** Rows that are not worth a run of their own. */
const FEW_ROWS = 8;

type Ranked = Pick<NearestListing, "vector" | "distance" | "after" | "minScore" | "unscored" | "limit" | "offset">;

/**
 * Ranks candidates by score, the best first, ties by namespace and key. All are added before the first is taken; taking a few
 * does not sort the others.
 */
export class Ranking<Each extends Candidate> {
  readonly #listing: Ranked;
  readonly #query: Query;
  readonly #dimensions: number;
  readonly #best: BestFirst<Each>;
  #scratch = new Float64Array(64);
  /** Those that were taken, where a candidate may have been added with each of its rows; the best of them came first. */
  readonly #taken = new Set<Each>();

  constructor(listing: Ranked) {
    this.#listing = listing;
    const { vector, distance, limit, offset } = listing;
    this.#query = { numbers: Float64Array.from(vector), length: lengthOf(vector, 0, vector.length), distance };
    this.#dimensions = listing.vector.length;
    this.#best = new BestFirst<Each>(Math.max(LEAST_WANTED, offset + limit + 1), comparePlaces);
  }

  /** `null` for an item without vectors. Vectors of another dimension are not compared. */
  add(candidate: Each, vectors: ComparableVectors | null): void {
    if (vectors === null ? !this.#listing.unscored : vectors.dimensions !== this.#dimensions) return;
    this.addScored(candidate, vectors === null ? null : this.#bestOf(vectors));
  }

  /** Adds the owners of rows up to about `end`, each with all of its rows; returns the row to go on with. */
  addRows({ dimensions, values, lengths, owners, rows }: VectorPart<Each>, from: number, end: number): number {
    if (dimensions !== this.#dimensions) return rows;
    if (this.#listing.after === null) {
      const upTo = Math.min(rows, end);
      if (upTo - from < FEW_ROWS) {
        const few = this.#scoresOf(values, lengths, from, upTo);
        for (let row = from; row < upTo; row++) this.#best.add(owners[row] as Each, few[row - from] as number);
        return upTo;
      }
      scoreRows(this.#query, { values, lengths, from, end: upTo }, this.#best.addRun(owners, from, upTo - from));
      return upTo;
    }
    // Who stood on the page before must not come again with a row of a lesser score.
    let beyond = Math.min(rows, end);
    while (beyond < rows && owners[beyond] === owners[beyond - 1]) beyond += 1;
    const scores = this.#scoresOf(values, lengths, from, beyond);
    for (let row = from; row < beyond; ) {
      const owner = owners[row] as Each;
      let best = scores[row - from] as number;
      for (row += 1; row < beyond && owners[row] === owner; row++) {
        best = Math.max(best, scores[row - from] as number);
      }
      this.addScored(owner, best);
    }
    return beyond;
  }

  /** `null` for an item without vectors. */
  addScored(candidate: Each, score: number | null): void {
    const { after } = this.#listing;
    const rank = score ?? NO_SCORE;
    if (after !== null) {
      const last = after.score ?? NO_SCORE;
      if (rank > last || (rank === last && comparePlaces(candidate, after) <= 0)) return;
    }
    this.#best.add(candidate, rank);
  }

  /** The best of those that are left. */
  next(): { readonly candidate: Each; readonly score: number | null } | undefined {
    const { minScore } = this.#listing;
    for (;;) {
      const best = this.#best.next();
      if (best === undefined || (minScore !== null && best.score < minScore)) return undefined;
      const { owner: candidate, score } = best;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      return { candidate, score: score === NO_SCORE ? null : score };
    }
  }

  #bestOf({ values, lengths }: ComparableVectors): number {
    const scores = this.#scoresOf(values, lengths, 0, lengths.length);
    let best = scores[0] as number;
    for (let i = 1; i < lengths.length; i++) best = Math.max(best, scores[i] as number);
    return best;
  }

  /** Of some rows, the first one first; the numbers are good until the next call. */
  #scoresOf(values: Float32Array, lengths: Float64Array, from: number, end: number): Float64Array {
    if (this.#scratch.length < end - from) this.#scratch = new Float64Array(end - from);
    scoreRows(this.#query, { values, lengths, from, end }, this.#scratch);
    return this.#scratch;
  }
}

function comparePlaces(a: Candidate, b: Candidate): number {
  return compareNamespaces(a.namespace, b.namespace) || compareCodePoints(a.key, b.key);
}

interface Query {
  /** Of 64 bits, which need no conversion in the loop. */
  readonly numbers: Float64Array;
  readonly length: number;
  readonly distance: VectorDistance;
}

interface RowRange {
  readonly values: Float32Array;
  readonly lengths: Float64Array;
  readonly from: number;
  readonly end: number;
}

function scoreRows(
  { numbers, length, distance }: Query,
  { values, lengths, from, end }: RowRange,
  scores: Float64Array,
): void {
  const count = end - from;
  sumRows(distance === "euclidean" ? "squares" : "products", numbers, { values, from, count }, scores);
  for (let i = 0; i < count; i++) {
    const raw = scores[i] as number;
    let score = raw;
    if (distance === "euclidean") score = -Math.sqrt(raw);
    if (distance === "cosine") {
      const lengthsTogether = length * (lengths[from + i] as number);
      score = lengthsTogether === 0 ? 0 : Math.max(-1, Math.min(1, raw / lengthsTogether));
    }
    // `-0` is no score of its own.
    scores[i] = score === 0 ? 0 : score;
  }
}

function lengthOf(values: Float32Array, from: number, dimensions: number): number {
  let sum = 0;
  for (let i = from; i < from + dimensions; i++) sum += (values[i] as number) * (values[i] as number);
  return Math.sqrt(sum);
}
