/** Lets writes through, except for the moment in which the store in charge changes back. */

export class Gate {
  #closed: PromiseWithResolvers<void> | undefined;
  #running = 0;
  #onIdle: (() => void) | undefined;

  /** What a write waits for; `undefined` while the gate is open. */
  get wait(): Promise<void> | undefined {
    return this.#closed?.promise;
  }

  enter(): void {
    this.#running += 1;
  }

  leave(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#onIdle?.();
  }

  /** Holds back what comes from now on; returns what opens it again. */
  close(): () => void {
    const closed = Promise.withResolvers<void>();
    this.#closed = closed;
    return () => {
      this.#closed = undefined;
      closed.resolve();
    };
  }

  /** Waits until no write is under way; `false` if that takes longer than `timeoutMs`. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.#running === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    this.#onIdle = undefined;
    return this.#running === 0;
  }
}
