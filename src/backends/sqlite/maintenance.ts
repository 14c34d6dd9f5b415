/** Work that nobody waits for: sweeping what deletions and crashes left, and giving free pages back to the disk (S10, K6). */
import { isError } from "../../contract/errors.js";
import type { Connection } from "./connection/connection.js";
import { hasGarbage, sweepStep } from "./garbage.js";
import type { Writer, WritingCall } from "./writer.js";

/** Free pages that a file may keep for what comes next. */
const KEPT_FREE_PAGES = 16;

/** How long one step of giving back pages may take, in milliseconds. */
const STEP_MS = 3;

/** Pages given back between two looks at the time. */
const PIECE_PAGES = 8;

/** Longest time that a call waits for free pages to be given back, in milliseconds; the rest goes on without it. */
const RECLAIM_WAIT_MS = 300;

export class Maintenance {
  readonly #writer: Writer;
  #running: Promise<void> | undefined;
  #stopped = false;
  #problem: string | undefined;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Why the last round ended early, for the health check. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Sweeps what one deletion left; after it nothing of that is there. */
  async sweep(call: WritingCall, batch: number): Promise<void> {
    try {
      while (await this.#writer.write(call, (tx) => sweepStep(tx, batch), "lazy"));
    } catch (error) {
      // Whoever gave the call up has deleted all the same: the rest goes on without it.
      this.wake();
      throw error;
    }
  }

  /** Gives free pages back for a moment; the rest goes on in the background. */
  async reclaim(call: WritingCall): Promise<void> {
    const end = performance.now() + Math.min(RECLAIM_WAIT_MS, call.remainingMs() / 4);
    let more = true;
    while (more && performance.now() < end && !call.cancelled) {
      more = await this.#writer.write(call, vacuumStep, "lazy");
    }
    if (more) this.wake();
  }

  /** Begins a round in the background, unless one is running. */
  wake(): void {
    if (this.#stopped || this.#running !== undefined) return;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
    });
  }

  /** Ends the round after its current step; the next open of the file goes on with it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #round(): Promise<void> {
    const isStopped = (): boolean => this.#stopped;
    const call: WritingCall = {
      sent: false,
      get cancelled() {
        return isStopped();
      },
      remainingMs: () => Number.POSITIVE_INFINITY,
      cancellation: () => new Error("the storage is closing"),
    };
    try {
      for (const step of [(tx: Connection) => sweepStep(tx, null), vacuumStep]) {
        let more = true;
        while (more && !this.#stopped) more = await this.#writer.write(call, step, "lazy");
      }
      this.#problem = undefined;
    } catch (error) {
      // Nobody waits for this round: it is told by the health check, and the next deletion or open tries again.
      this.#problem = isError(error) ? error.message : String(error);
    }
  }
}

/** Whether there is something to do, without taking the write lock. */
export function needsMaintenance(db: Connection): boolean {
  return hasGarbage(db, null) || freePages(db) > KEPT_FREE_PAGES;
}

/** Moves pages from the end of the file into free ones for a few milliseconds; `true` when more are left. */
function vacuumStep(tx: Connection): boolean {
  const end = performance.now() + STEP_MS;
  let free = freePages(tx);
  while (free > KEPT_FREE_PAGES) {
    tx.vacuum(Math.min(PIECE_PAGES, free - KEPT_FREE_PAGES));
    const left = freePages(tx);
    if (left >= free) return false;
    free = left;
    if (performance.now() >= end) break;
  }
  return free > KEPT_FREE_PAGES;
}

function freePages(db: Connection): number {
  return db.get<{ freelist_count: number }>("PRAGMA freelist_count")?.freelist_count ?? 0;
}
