/** What an update adds to the counters of a session, and what several of them add together. */
import type { SessionUpdate } from "../../contract/session-storage.js";
import type { SessionChange } from "../../domain/driver/storage-driver.js";
import { MAX_COUNTED_AT_ONCE } from "../../domain/session-arguments.js";

export interface Counts {
  readonly requests: number;
  /** Seconds. */
  readonly processingTime: number;
  readonly error: boolean;
}

/** What an update adds, if that is all that it does; `undefined` for any other. */
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

export function countsNothing({ requests, processingTime, error }: Counts): boolean {
  return requests === 0 && processingTime === 0 && !error;
}

/** Their sum; `undefined` where one update cannot say it. */
export function together(one: Counts, other: Counts): Counts | undefined {
  const requests = one.requests + other.requests;
  const processingTime = one.processingTime + other.processingTime;
  if (one.error && other.error) return undefined;
  if (requests > MAX_COUNTED_AT_ONCE || processingTime > MAX_COUNTED_AT_ONCE) return undefined;
  return { requests, processingTime, error: one.error || other.error };
}

export function updateOf({ requests, processingTime, error }: Counts): SessionUpdate {
  return {
    ...(requests > 0 ? { incrementRequests: requests } : {}),
    ...(processingTime > 0 ? { addProcessingTime: processingTime } : {}),
    ...(error ? { markError: true } : {}),
  };
}
