/**
 * Many scores, of which a few are taken, the best first: those that may be next are looked for when they are asked for, so that what
 * is never taken costs the writing of its score alone.
 */

/** Places whose owners are to be found in a list of them. */
interface Run<Owner> {
  /** The first of its places. */
  readonly first: number;
  readonly owners: readonly Owner[];
  /** Where the owner of the first place stands. */
  readonly from: number;
}

/** Scores that there is room for in the beginning. */
const FIRST_SCORES = 256;

/** How many more are looked for each time that all that were found are taken. */
const GROWTH = 8;

export class BestFirst<Owner> {
  readonly #compare: (a: Owner, b: Owner) => number;
  readonly #runs: Run<Owner>[] = [];
  /** One after the other, as they were added. */
  #scores = new Float64Array(FIRST_SCORES);
  #count = 0;
  /** Owners of a few, which share a run. */
  #single: Owner[] = [];
  #wanted: number;
  /** Everything from this score on was found. */
  #found: number = Number.POSITIVE_INFINITY;
  #round: Round<Owner> | undefined;

  /**
   * @param wanted how many are likely to be taken
   * @param compare orders what has equal scores
   */
  constructor(wanted: number, compare: (a: Owner, b: Owner) => number) {
    this.#wanted = Math.max(1, wanted);
    this.#compare = compare;
  }

  add(owner: Owner, score: number): void {
    if (this.#single.length === 0) this.#runs.push({ first: this.#count, owners: this.#single, from: 0 });
    this.#single.push(owner);
    this.#grow(1);
    this.#scores[this.#count] = score;
    this.#count += 1;
  }

  /** Room for the scores of owners from a place in their list on, which are to be written at once. */
  addRun(owners: readonly Owner[], from: number, count: number): Float64Array {
    this.#single = [];
    this.#runs.push({ first: this.#count, owners, from });
    this.#grow(count);
    this.#count += count;
    return this.#scores.subarray(this.#count - count, this.#count);
  }

  /** The best of those that are left. Nothing may be added from now on. */
  next(): { readonly owner: Owner; readonly score: number } | undefined {
    while (this.#round === undefined || this.#round.left === 0) {
      const round = this.#nextRound();
      if (round === undefined) return undefined;
      this.#round = round;
    }
    return this.#round.take();
  }

  #grow(count: number): void {
    const end = this.#count + count;
    if (end <= this.#scores.length) return;
    const scores = new Float64Array(Math.max(end, 2 * this.#scores.length));
    scores.set(this.#scores.subarray(0, this.#count));
    this.#scores = scores;
  }

  /** The next best, with all whose score is that of the last of them; `undefined` when there are none. */
  #nextRound(): Round<Owner> | undefined {
    const scores = this.#scores.subarray(0, this.#count);
    const least = leastOfBest(scores, this.#found, this.#wanted);
    if (least === undefined) return undefined;
    const owners: Owner[] = [];
    const best: number[] = [];
    let run = -1;
    for (let place = 0; place < scores.length; place++) {
      const score = scores[place] as number;
      if (score < least || score >= this.#found) continue;
      while ((this.#runs[run + 1]?.first ?? Number.POSITIVE_INFINITY) <= place) run += 1;
      const { first, owners: all, from } = this.#runs[run] as Run<Owner>;
      owners.push(all[from + place - first] as Owner);
      best.push(score);
    }
    this.#found = least;
    this.#wanted *= GROWTH;
    return new Round(owners, best, this.#compare);
  }
}

/** The least of the `count` greatest scores below a limit; `undefined` when none is below it. */
function leastOfBest(scores: Float64Array, below: number, count: number): number | undefined {
  // A heap of the greatest so far, the least of them at its top.
  const heap = new Float64Array(Math.min(count, scores.length));
  let size = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (score >= below) continue;
    if (size < heap.length) {
      let place = size;
      size += 1;
      for (let parent = (place - 1) >>> 1; place > 0 && (heap[parent] as number) > score; parent = (place - 1) >>> 1) {
        heap[place] = heap[parent] as number;
        place = parent;
      }
      heap[place] = score;
    } else if (score > (heap[0] as number)) {
      let place = 0;
      for (let child = 1; child < size; child = 2 * place + 1) {
        if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child += 1;
        if ((heap[child] as number) >= score) break;
        heap[place] = heap[child] as number;
        place = child;
      }
      heap[place] = score;
    }
  }
  return size === 0 ? undefined : heap[0];
}

/** Some owners with their scores, taken from the best downwards; taking a few does not sort the others. */
class Round<Owner> {
  readonly #owners: readonly Owner[];
  readonly #scores: readonly number[];
  readonly #compare: (a: Owner, b: Owner) => number;
  /** Places in the lists, a heap with the best at its top. */
  readonly #heap: Uint32Array;
  left: number;

  constructor(owners: readonly Owner[], scores: readonly number[], compare: (a: Owner, b: Owner) => number) {
    this.#owners = owners;
    this.#scores = scores;
    this.#compare = compare;
    this.#heap = Uint32Array.from(owners.keys());
    this.left = owners.length;
    for (let i = (this.left >>> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  take(): { readonly owner: Owner; readonly score: number } {
    const best = this.#heap[0] as number;
    this.left -= 1;
    this.#heap[0] = this.#heap[this.left] as number;
    this.#sink(0);
    return { owner: this.#owners[best] as Owner, score: this.#scores[best] as number };
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const each = heap[from] as number;
    let place = from;
    for (let child = 2 * place + 1; child < this.left; child = 2 * place + 1) {
      if (child + 1 < this.left && this.#isBetter(heap[child + 1] as number, heap[child] as number)) child += 1;
      if (!this.#isBetter(heap[child] as number, each)) break;
      heap[place] = heap[child] as number;
      place = child;
    }
    heap[place] = each;
  }

  #isBetter(a: number, b: number): boolean {
    const difference = (this.#scores[a] as number) - (this.#scores[b] as number);
    // The difference of two infinite ones is NaN.
    if (difference > 0 || difference < 0) return difference > 0;
    return this.#compare(this.#owners[a] as Owner, this.#owners[b] as Owner) < 0;
  }
}
