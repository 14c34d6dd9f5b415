/** Lets those go on who wait until something has been copied, or a store has come or gone. */

const PACE_MS = 2_000;

export class Progress {
  #step = Promise.withResolvers<void>();

  /** Settles with the next step. */
  get next(): Promise<void> {
    return this.#step.promise;
  }

  advance(): void {
    this.#step.resolve();
    this.#step = Promise.withResolvers<void>();
  }

  /** The next step, or the end of that time. */
  async within(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, Math.min(ms, PACE_MS)));
    });
    await Promise.race([this.next, late]);
    clearTimeout(timer);
  }
}
