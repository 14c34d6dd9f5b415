/** What is counted of one session: one update is at the store, and what comes meanwhile is summed up in the next one. */
import type { Session, SessionStorage, SessionUpdate } from "../../contract/session-storage.js";
import type { SessionChange } from "../../domain/driver/storage-driver.js";
import type { CountedUpdate, Counts } from "./append.js";
import { Lane } from "./lane.js";
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

/** @param idle called when it has nothing to do any more */
export function counterLane(
  inner: SessionStorage,
  sessionId: string,
  delayMs: number,
  counts: CounterCounts,
  idle: () => void,
): Lane<CountedUpdate> {
  return new Lane({ isFull: () => false, take, send }, delayMs, idle);

  async function send(batch: readonly CountedUpdate[]): Promise<void> {
    const waiting = batch.filter((update) => !update.isSettled);
    const [first] = waiting;
    if (first === undefined) return;
    const timeoutMs = Math.max(1, ...waiting.map((update) => update.remainingMs()));
    for (const update of waiting) update.sent();
    try {
      const session = await inner.updateSession(sessionId, sumOf(waiting), { lease: first.lease, timeoutMs });
      counts.updates += 1;
      counts.gathered += waiting.length;
      for (const update of waiting) update.resolve(copyOf(session));
    } catch (error) {
      for (const update of waiting) update.reject(error);
    }
  }
}

/** In order and under one lease; an update counts one error at most. */
function take(waiting: Iterable<CountedUpdate>): CountedUpdate[] {
  const batch: CountedUpdate[] = [];
  let errors = 0;
  for (const update of waiting) {
    errors += update.counts.error ? 1 : 0;
    if (batch.length > 0 && (errors > 1 || !sameLease(batch[0]?.lease, update.lease))) break;
    batch.push(update);
  }
  return batch;
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
