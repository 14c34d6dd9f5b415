/** Calls that stand in line, in the order in which they came: one batch is at the store, the next one gathers meanwhile. */

/** What a lane does with what stands in it. */
export interface LaneWork<Entry> {
  /** Whether what waits is sent at once. */
  isFull(waiting: Iterable<Entry>): boolean;
  /** The next batch: the first of those that wait. */
  take(waiting: Iterable<Entry>): Entry[];
  /** Settles every entry of the batch, and never fails itself. */
  send(batch: readonly Entry[]): Promise<void>;
}

export class Lane<Entry> {
  readonly #work: LaneWork<Entry>;
  readonly #delayMs: number;
  readonly #idle: () => void;
  readonly #queue = new Set<Entry>();
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #isSending = false;

  /**
   * @param delayMs how long a batch gathers; 0 for what comes in one turn of the event loop
   * @param idle called when it has nothing to do any more
   */
  constructor(work: LaneWork<Entry>, delayMs: number, idle: () => void) {
    this.#work = work;
    this.#delayMs = delayMs;
    this.#idle = idle;
  }

  add(entry: Entry): void {
    this.#queue.add(entry);
    // Behind a batch that is under way the next one gathers until it is over.
    if (this.#isSending) return;
    if (this.#work.isFull(this.#queue)) this.flush();
    else this.#schedule();
  }

  /** It settles by itself, and waits no longer. */
  leave(entry: Entry): void {
    if (this.#queue.delete(entry) && this.#queue.size === 0 && !this.#isSending) this.#end();
  }

  /** Sends what has gathered, now. */
  flush(): void {
    this.#unschedule();
    if (this.#isSending) return;
    const batch = this.#work.take(this.#queue);
    if (batch.length === 0) {
      this.#end();
      return;
    }
    for (const entry of batch) this.#queue.delete(entry);
    this.#isSending = true;
    void this.#work.send(batch).then(() => {
      this.#isSending = false;
      this.flush();
    });
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    this.#timer =
      this.#delayMs === 0 ? setImmediate(() => this.flush()) : setTimeout(() => this.flush(), this.#delayMs);
  }

  #unschedule(): void {
    const timer = this.#timer;
    this.#timer = undefined;
    if (timer === undefined) return;
    if (this.#delayMs === 0) clearImmediate(timer as NodeJS.Immediate);
    else clearTimeout(timer as NodeJS.Timeout);
  }

  #end(): void {
    this.#unschedule();
    this.#idle();
  }
}
