/** Long work in slices: between them the rest of the process has its turn, and the call may be given up. */
import type { Call } from "./driver/call.js";
import { nextTurn, turnIsMarked, turnIsSpent } from "./turns.js";

/** Steps between two looks at the time, which costs more than most steps. */
const STEPS_PER_LOOK = 4;

/** For steps that take long enough for a look at the time after each. */
export const EACH_STEP = 1;

/** How much of a turn work takes of which one step may take longer than the whole turn, in milliseconds. */
const LONG_STEPS_MS = 4;

export class Slices {
  readonly #call: Pick<Call, "cancelled" | "cancellation"> | null;
  readonly #stepsPerLook: number;
  readonly #turnMs: number | undefined;
  #steps = 0;

  /**
   * @param call `null` for work that nobody gives up
   * @param longSteps one of them may take longer than a turn
   */
  constructor(
    call: Pick<Call, "cancelled" | "cancellation"> | null,
    stepsPerLook: number = STEPS_PER_LOOK,
    longSteps = false,
  ) {
    this.#call = call;
    this.#stepsPerLook = stepsPerLook;
    this.#turnMs = longSteps ? LONG_STEPS_MS : undefined;
    turnIsSpent();
  }

  /** Counts a step; `true` when it is time for `next` or `pause`. */
  over(): boolean {
    this.#steps += 1;
    return turnIsMarked() || (this.#steps % this.#stepsPerLook === 0 && turnIsSpent(this.#turnMs));
  }

  /** Lets others run, then begins a slice. @throws the call's cancellation */
  async next(): Promise<void> {
    await this.pause();
    if (this.#call?.cancelled) throw this.#call.cancellation();
  }

  /** As `next`, for work that has to be finished once it is begun. */
  pause(): Promise<void> {
    return nextTurn();
  }

  /** Runs work that yields where it may be interrupted. @throws the call's cancellation, with the work left where it is */
  async run<T>(work: Generator<void, T, void>): Promise<T> {
    let step = work.next();
    for (; !step.done; step = work.next()) if (this.over()) await this.next();
    return step.value;
  }

  /** As `run`, for work that has to be finished once it is begun. */
  async finish<T>(work: Generator<void, T, void>): Promise<T> {
    let step = work.next();
    for (; !step.done; step = work.next()) if (this.over()) await this.pause();
    return step.value;
  }
}

/**
 * Hands on each row until `take` wants no more; one may take several steps. Rows that change meanwhile are the iterable's to care for.
 * @param slices those of the work that this is a part of
 */
export async function inSlices<Row>(
  call: Call,
  rows: Iterable<Row>,
  take: (row: Row) => boolean | Generator<void, boolean, void>,
  slices: Slices = new Slices(call),
): Promise<void> {
  for (const row of rows) {
    const taken = take(row);
    if (!(typeof taken === "boolean" ? taken : await slices.run(taken))) return;
    if (slices.over()) await slices.next();
  }
}

/** What becomes of each row, in the order of the rows. One may take long by itself. */
export async function mapInSlices<Row, T>(call: Call, rows: readonly Row[], map: (row: Row) => T): Promise<T[]> {
  const results: T[] = [];
  await inSlices(call, rows, (row) => results.push(map(row)) > 0, new Slices(call, EACH_STEP));
  return results;
}

/** Runs work that could pause without a pause. */
export function runAtOnce<T>(work: Generator<void, T, void>): T {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}
