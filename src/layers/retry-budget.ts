/** How much extra load retries may be: without a bound they make an overload worse just when the store can bear it least. */
export class RetryBudget {
  readonly #ratio: number;
  readonly #most: number;
  #left: number;

  /** Retries are at most `ratio` of the calls, and `reserve` more. */
  constructor(ratio: number, reserve: number) {
    this.#ratio = ratio;
    this.#most = Math.max(1, reserve);
    this.#left = reserve;
  }

  /** A call has come. What is not used is kept only up to the reserve, so that a long calm does not pay for a storm. */
  earn(): void {
    this.#left = Math.min(this.#most, this.#left + this.#ratio);
  }

  /** Whether one retry may be made; it is spent then. */
  spend(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
