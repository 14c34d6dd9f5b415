/** The appends of one session, in the order in which they came: one batch is at the store, the next one gathers meanwhile. */

import type { ConversationStorage, Message } from "../../contract/conversation-storage.js";
import { isStorageError, type StorageErrorCode } from "../../contract/errors.js";
import type { Append } from "./append.js";
import { sameLease } from "./leases.js";

export interface BatchBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly delayMs: number;
}

/** What is counted of all lanes. */
export interface LaneCounts {
  batches: number;
  messages: number;
}

/** Failures that may be those of one append: what failed as a batch is tried one by one. */
const OF_ONE: ReadonlySet<StorageErrorCode> = new Set<StorageErrorCode>([
  "SESSION_NOT_FOUND",
  "CONFLICT",
  "FENCED",
  "INVALID_ARGUMENT",
  "SERIALIZATION",
  "UNSUPPORTED",
]);

export class SessionLane {
  readonly #inner: ConversationStorage;
  readonly #sessionId: string;
  readonly #bounds: BatchBounds;
  readonly #counts: LaneCounts;
  readonly #idle: () => void;
  readonly #queue = new Set<Append>();
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #isSending = false;

  /** @param idle called when it has nothing to do any more */
  constructor(
    inner: ConversationStorage,
    sessionId: string,
    bounds: BatchBounds,
    counts: LaneCounts,
    idle: () => void,
  ) {
    this.#inner = inner;
    this.#sessionId = sessionId;
    this.#bounds = bounds;
    this.#counts = counts;
    this.#idle = idle;
  }

  add(append: Append): void {
    this.#queue.add(append);
    // Behind a batch that is under way the next one gathers until it is over.
    if (this.#isSending) return;
    if (this.#isFull()) this.flush();
    else this.#schedule();
  }

  /** It settles by itself, and waits no longer. */
  leave(append: Append): void {
    if (this.#queue.delete(append) && this.#queue.size === 0 && !this.#isSending) this.#end();
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

  #isFull(): boolean {
    const { maxMessages, maxBytes } = this.#bounds;
    let [messages, bytes] = [0, 0];
    for (const append of this.#queue) {
      messages += append.messages.length;
      bytes += append.bytes;
      if (messages >= maxMessages || bytes >= maxBytes) return true;
    }
    return false;
  }

  /** The next batch: in order, under one lease, within the bounds; an append is never divided. */
  #take(): Append[] {
    const { maxMessages, maxBytes } = this.#bounds;
    const batch: Append[] = [];
    let [messages, bytes] = [0, 0];
    for (const append of this.#queue) {
      const [first] = batch;
      messages += append.messages.length;
      bytes += append.bytes;
      const fits = messages <= maxMessages && bytes <= maxBytes && sameLease(first?.lease, append.lease);
      if (first !== undefined && !fits) break;
      this.#queue.delete(append);
      batch.push(append);
    }
    return batch;
  }

  /** Settles every append of the batch, and never fails itself. */
  async #send(batch: readonly Append[]): Promise<void> {
    const waiting = batch.filter((append) => !append.isSettled);
    const [first] = waiting;
    if (first === undefined) return;
    const messages = waiting.flatMap((append) => append.messages);
    const timeoutMs = Math.max(1, ...waiting.map((append) => append.remainingMs()));
    for (const append of waiting) append.sent();
    try {
      const stored = await this.#inner.addConversationMessages(this.#sessionId, messages, {
        lease: first.lease,
        timeoutMs,
      });
      this.#counts.batches += 1;
      this.#counts.messages += messages.length;
      settle(waiting, stored);
    } catch (error) {
      const isOfOne = isStorageError(error) && error.outcome === "not-applied" && OF_ONE.has(error.code);
      if (waiting.length === 1 || !isOfOne) {
        for (const append of waiting) append.reject(error);
        return;
      }
      for (const append of waiting) append.unsent();
      for (const append of waiting) await this.#send([append]);
    }
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const { delayMs } = this.#bounds;
    this.#timer = delayMs === 0 ? setImmediate(() => this.flush()) : setTimeout(() => this.flush(), delayMs);
  }

  #unschedule(): void {
    const timer = this.#timer;
    this.#timer = undefined;
    if (timer === undefined) return;
    if (this.#bounds.delayMs === 0) clearImmediate(timer as NodeJS.Immediate);
    else clearTimeout(timer as NodeJS.Timeout);
  }

  #end(): void {
    this.#unschedule();
    this.#idle();
  }
}

/** Gives each append its part of what was stored. */
function settle(batch: readonly Append[], stored: readonly Message[]): void {
  let at = 0;
  for (const append of batch) {
    append.resolve(stored.slice(at, at + append.messages.length));
    at += append.messages.length;
  }
}
