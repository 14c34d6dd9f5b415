/** What a buffered writer has taken on: stored in order for each session, tried until the store has answered, and bounded. */
import {
  ClosedError,
  isStorageError,
  StorageConnectionError,
  type StorageError,
  StorageTimeoutError,
} from "../../contract/errors.js";
import { type BufferedBatch, type BufferedStorage, batchOfAppends, batchOfCounts } from "./buffered-batch.js";
import type { AppendEntry, CountEntry, Journal, JournalEntry } from "./journal.js";

export interface PendingBounds {
  readonly maxMessages: number;
  readonly maxWaiting: number;
  readonly maxRetryMs: number;
}

/** What a buffered writer has counted, and what waits now. */
export interface BufferedWriterStats {
  /** Messages that were stored. */
  readonly stored: number;
  /** Counts that were stored, as the callers made them, and in how many updates they reached the store. */
  readonly countedUpdates: number;
  readonly counterUpdates: number;
  /** Messages and counts that the store has refused for good. */
  readonly failed: number;
  /** Attempts that found the store away. */
  readonly retries: number;
  readonly waiting: number;
}

/** Told of each entry that the store refuses for good. */
export type RefusedEntry = (entry: JournalEntry, error: StorageError) => void;

const FIRST_RETRY_MS = 50;

export class PendingWrites {
  readonly #storage: BufferedStorage;
  readonly #bounds: PendingBounds;
  readonly #journal: Journal | undefined;
  readonly #onRefused: RefusedEntry;
  /** By session, in the order in which they came. */
  readonly #appends = new Map<string, AppendEntry[]>();
  readonly #counts = new Map<string, CountEntry[]>();
  readonly #sending = new Set<Promise<void>>();
  readonly #waitingForRoom: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();
  readonly #stats = { stored: 0, failed: 0, retries: 0, waiting: 0, countedUpdates: 0, counterUpdates: 0 };
  #lastNumber = 0;
  #isClosed = false;
  #isGivenUp = false;

  constructor(storage: BufferedStorage, bounds: PendingBounds, journal: Journal | undefined, onRefused: RefusedEntry) {
    this.#storage = storage;
    this.#bounds = bounds;
    this.#journal = journal;
    this.#onRefused = onRefused;
  }

  stats(): BufferedWriterStats {
    return { ...this.#stats };
  }

  /** Waits until one more may wait, in the order of the calls. @throws ClosedError */
  async room(): Promise<void> {
    this.#assertOpen();
    if (this.#stats.waiting < this.#bounds.maxWaiting && this.#waitingForRoom.length === 0) return;
    await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    this.#assertOpen();
  }

  /** Takes on something new. @throws StorageConnectionError when the journal cannot be written */
  write(entry: Omit<AppendEntry, "number"> | Omit<CountEntry, "number">): void {
    const numbered = { ...entry, number: this.#lastNumber + 1 };
    this.#journal?.add(numbered);
    this.take(numbered);
  }

  /** Takes on what the journal knows already. */
  take(entry: JournalEntry): void {
    this.#lastNumber = Math.max(this.#lastNumber, entry.number);
    this.#stats.waiting += weightOf(entry);
    if ("counts" in entry) {
      this.#enqueue(this.#counts, entry, (waiting) => batchOfCounts(this.#storage, this.#journal, waiting));
    } else {
      const { maxMessages } = this.#bounds;
      this.#enqueue(this.#appends, entry, (waiting) => batchOfAppends(this.#storage, waiting.slice(0, maxMessages)));
    }
  }

  async flush(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  /** @throws StorageTimeoutError when some of it could not be stored in time */
  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const go of this.#waitingForRoom.splice(0)) go();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), timeoutMs);
    });
    const outcome = await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    if (outcome === "late") {
      this.#isGivenUp = true;
      for (const go of this.#pauses) go();
    }
    const { waiting } = this.#stats;
    this.#journal?.close();
    if (outcome === "late" && waiting > 0) {
      const where = this.#journal === undefined ? "they are lost" : "they are in the journal";
      throw new StorageTimeoutError(`${waiting} writes could not be stored within ${timeoutMs} ms: ${where}`);
    }
  }

  #enqueue<Entry extends JournalEntry>(
    lanes: Map<string, Entry[]>,
    entry: Entry,
    next: (waiting: readonly Entry[]) => BufferedBatch<Entry>,
  ): void {
    const lane = lanes.get(entry.sessionId);
    if (lane !== undefined) {
      lane.push(entry);
      return;
    }
    lanes.set(entry.sessionId, [entry]);
    const sending = this.#run(lanes, entry.sessionId, next).then(() => {
      this.#sending.delete(sending);
    });
    this.#sending.add(sending);
  }

  /** Stores what waits of a session until nothing does. */
  async #run<Entry extends JournalEntry>(
    lanes: Map<string, Entry[]>,
    sessionId: string,
    next: (waiting: readonly Entry[]) => BufferedBatch<Entry>,
  ): Promise<void> {
    // What comes at the same moment goes together.
    await new Promise((resolve) => setImmediate(resolve));
    const lane = lanes.get(sessionId) ?? [];
    while (lane.length > 0 && !this.#isGivenUp) lane.splice(0, await this.#store(next(lane)));
    lanes.delete(sessionId);
  }

  /** Tries until the store has answered; returns how many are stored or refused. */
  async #store<Entry extends JournalEntry>(batch: BufferedBatch<Entry>): Promise<number> {
    const { entries } = batch;
    for (let delay = FIRST_RETRY_MS; !this.#isGivenUp; delay = Math.min(delay * 2, this.#bounds.maxRetryMs)) {
      try {
        await batch.send();
        if (this.#isGivenUp) return 0;
        this.#count(entries);
        this.#leave(entries);
        return entries.length;
      } catch (error) {
        if (this.#isGivenUp) return 0;
        if (isStorageError(error) && error.retryable) {
          this.#stats.retries += 1;
          await this.#pause(delay / 2 + (Math.random() * delay) / 2);
          continue;
        }
        const { parts } = batch;
        // One of them is at fault, and the others are stored in their order.
        for (const [i, part] of parts.entries()) if ((await this.#store(part)) === 0) return i;
        if (parts.length === 0) {
          this.#refuse(entries, error);
          this.#leave(entries);
        }
        return entries.length;
      }
    }
    return 0;
  }

  #count(entries: readonly JournalEntry[]): void {
    const weight = totalOf(entries);
    if ("counts" in (entries[0] as JournalEntry)) {
      this.#stats.countedUpdates += weight;
      this.#stats.counterUpdates += 1;
    } else {
      this.#stats.stored += weight;
    }
  }

  #refuse(entries: readonly JournalEntry[], cause: unknown): void {
    const error = isStorageError(cause)
      ? cause
      : new StorageConnectionError("the storage failed unexpectedly", { retryable: false, cause });
    this.#stats.failed += totalOf(entries);
    // What the caller's function throws is its own, and stops nothing here.
    for (const entry of entries) queueMicrotask(() => this.#onRefused(entry, error));
  }

  #leave(entries: readonly JournalEntry[]): void {
    this.#stats.waiting -= totalOf(entries);
    try {
      this.#journal?.done(entries.map(({ number }) => number));
    } catch (error) {
      // The next writer sends them again, and the store knows their ids and keys.
      if (!(error instanceof StorageConnectionError)) throw error;
    }
    const free = this.#bounds.maxWaiting - this.#stats.waiting;
    for (const go of this.#waitingForRoom.splice(0, free)) go();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.#pauses.delete(go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      this.#pauses.add(go);
    });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ClosedError("the writer is closed");
  }
}

/** How many calls an entry stands for. */
function weightOf(entry: JournalEntry): number {
  return "counts" in entry ? entry.gathered : 1;
}

function totalOf(entries: readonly JournalEntry[]): number {
  return entries.reduce((sum, entry) => sum + weightOf(entry), 0);
}
