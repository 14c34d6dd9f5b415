/** What is counted of one session: one update is at the store, and what comes meanwhile is summed up in the next one. */
import type { Session, SessionStorage, SessionUpdate } from "../../contract/session-storage.js";
import type { SessionChange } from "../../domain/driver/storage-driver.js";
import type { CountedUpdate, Counts } from "./append.js";
import { sameLease } from "./leases.js";

/** What is counted of all lanes. */
export interface CounterCounts {
  updates: number;
  gathered: number;
}

/** What an update adds to the counters, if that is all that it does; `undefined` for any other. */
export function countsOf(change: SessionChange): Counts | undefined {
  const { mergeMetadata, unsetMetadata, status, expectedVersion, idempotency } = change;
  const isMore =
    mergeMetadata !== null ||
    unsetMetadata.length > 0 ||
    status !== null ||
    expectedVersion !== null ||
    idempotency !== null;
  if (isMore) return undefined;
  return { requests: change.addRequests, processingTime: change.addProcessingTime, error: change.addErrors > 0 };
}

export class CounterLane {
  readonly #inner: SessionStorage;
  readonly #sessionId: string;
  readonly #delayMs: number;
  readonly #counts: CounterCounts;
  readonly #idle: () => void;
  readonly #queue = new Set<CountedUpdate>();
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #isSending = false;

  /** @param idle called when it has nothing to do any more */
  constructor(inner: SessionStorage, sessionId: string, delayMs: number, counts: CounterCounts, idle: () => void) {
    this.#inner = inner;
    this.#sessionId = sessionId;
    this.#delayMs = delayMs;
    this.#counts = counts;
    this.#idle = idle;
  }

  add(update: CountedUpdate): void {
    this.#queue.add(update);
    if (this.#isSending || this.#timer !== undefined) return;
    this.#timer =
      this.#delayMs === 0 ? setImmediate(() => this.flush()) : setTimeout(() => this.flush(), this.#delayMs);
  }

  /** It settles by itself, and waits no longer. */
  leave(update: CountedUpdate): void {
    if (this.#queue.delete(update) && this.#queue.size === 0 && !this.#isSending) this.#end();
  }

  /** Sends what has gathered, now. */
  flush(): void {
    this.#unschedule();
    if (this.#isSending) return;
    const batch = this.#take();
    if (batch.length === 0) {
      this.#end();
      return;
    }
    this.#isSending = true;
    void this.#send(batch).then(() => {
      this.#isSending = false;
      this.flush();
    });
  }

  /** In order and under one lease; an update counts one error at most. */
  #take(): CountedUpdate[] {
    const batch: CountedUpdate[] = [];
    let errors = 0;
    for (const update of this.#queue) {
      errors += update.counts.error ? 1 : 0;
      if (batch.length > 0 && (errors > 1 || !sameLease(batch[0]?.lease, update.lease))) break;
      this.#queue.delete(update);
      batch.push(update);
    }
    return batch;
  }

  /** Settles every update of the batch, and never fails itself. */
  async #send(batch: readonly CountedUpdate[]): Promise<void> {
    const waiting = batch.filter((update) => !update.isSettled);
    const [first] = waiting;
    if (first === undefined) return;
    const timeoutMs = Math.max(1, ...waiting.map((update) => update.remainingMs()));
    for (const update of waiting) update.sent();
    try {
      const session = await this.#inner.updateSession(this.#sessionId, sumOf(waiting), {
        lease: first.lease,
        timeoutMs,
      });
      this.#counts.updates += 1;
      this.#counts.gathered += waiting.length;
      for (const update of waiting) update.resolve(copyOf(session));
    } catch (error) {
      for (const update of waiting) update.reject(error);
    }
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

function sumOf(batch: readonly CountedUpdate[]): SessionUpdate {
  const requests = batch.reduce((sum, { counts }) => sum + counts.requests, 0);
  const addProcessingTime = batch.reduce((sum, { counts }) => sum + counts.processingTime, 0);
  return {
    ...(requests > 0 ? { incrementRequests: requests } : {}),
    ...(addProcessingTime > 0 ? { addProcessingTime } : {}),
    ...(batch.some(({ counts }) => counts.error) ? { markError: true } : {}),
  };
}

/** Each caller gets a session of his own. */
function copyOf(session: Session): Session {
  return structuredClone(session);
}
