/** The appends of one session: those that come while a batch is at the store go together in the next one. */
import type { ConversationStorage, Message } from "../../contract/conversation-storage.js";
import { isStorageError, type StorageErrorCode } from "../../contract/errors.js";
import type { Append } from "./append.js";
import { Lane } from "./lane.js";
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

/** @param idle called when it has nothing to do any more */
export function sessionLane(
  inner: ConversationStorage,
  sessionId: string,
  { maxMessages, maxBytes, delayMs }: BatchBounds,
  counts: LaneCounts,
  idle: () => void,
): Lane<Append> {
  return new Lane({ isFull, take, send }, delayMs, idle);

  function isFull(waiting: Iterable<Append>): boolean {
    let [messages, bytes] = [0, 0];
    for (const append of waiting) {
      messages += append.messages.length;
      bytes += append.bytes;
      if (messages >= maxMessages || bytes >= maxBytes) return true;
    }
    return false;
  }

  /** In order, under one lease, within the bounds; an append is never divided. */
  function take(waiting: Iterable<Append>): Append[] {
    const batch: Append[] = [];
    let [messages, bytes] = [0, 0];
    for (const append of waiting) {
      const [first] = batch;
      messages += append.messages.length;
      bytes += append.bytes;
      const fits = messages <= maxMessages && bytes <= maxBytes && sameLease(first?.lease, append.lease);
      if (first !== undefined && !fits) break;
      batch.push(append);
    }
    return batch;
  }

  async function send(batch: readonly Append[]): Promise<void> {
    const waiting = batch.filter((append) => !append.isSettled);
    const [first] = waiting;
    if (first === undefined) return;
    const messages = waiting.flatMap((append) => append.messages);
    const timeoutMs = Math.max(1, ...waiting.map((append) => append.remainingMs()));
    for (const append of waiting) append.sent();
    try {
      const stored = await inner.addConversationMessages(sessionId, messages, { lease: first.lease, timeoutMs });
      counts.batches += 1;
      counts.messages += messages.length;
      settle(waiting, stored);
    } catch (error) {
      const isOfOne = isStorageError(error) && error.outcome === "not-applied" && OF_ONE.has(error.code);
      if (waiting.length === 1 || !isOfOne) {
        for (const append of waiting) append.reject(error);
        return;
      }
      for (const append of waiting) append.unsent();
      for (const append of waiting) await send([append]);
    }
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
