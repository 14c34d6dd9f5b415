/** What is counted of one session: one update is at the store, and what comes meanwhile is summed up in the next one. */
import type { Session, SessionStorage } from "../../contract/session-storage.js";
import type { CountedUpdate } from "./append.js";
import { type Counts, together, updateOf } from "./counts.js";
import { Lane } from "./lane.js";
import { sameLease } from "./leases.js";

/** What is counted of all lanes. */
export interface CounterCounts {
  updates: number;
  gathered: number;
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
    const [first, ...rest] = waiting;
    if (first === undefined) return;
    const timeoutMs = Math.max(1, ...waiting.map((update) => update.remainingMs()));
    for (const update of waiting) update.sent();
    try {
      const session = await inner.updateSession(sessionId, updateOf(sumOf([first, ...rest])), {
        lease: first.lease,
        timeoutMs,
      });
      counts.updates += 1;
      counts.gathered += waiting.length;
      for (const update of waiting) update.resolve(copyOf(session));
    } catch (error) {
      for (const update of waiting) update.reject(error);
    }
  }
}

/** In order and under one lease. */
function take(waiting: Iterable<CountedUpdate>): CountedUpdate[] {
  const batch: CountedUpdate[] = [];
  let sum: Counts | undefined;
  for (const update of waiting) {
    sum = sum === undefined ? update.counts : together(sum, update.counts);
    if (sum === undefined || (batch.length > 0 && !sameLease(batch[0]?.lease, update.lease))) break;
    batch.push(update);
  }
  return batch;
}

function sumOf([first, ...rest]: readonly [CountedUpdate, ...CountedUpdate[]]): Counts {
  // What was taken together has a sum, and so has what is left of it.
  return rest.reduce((sum, { counts }) => together(sum, counts) as Counts, first.counts);
}

/** Each caller gets a session of his own. */
function copyOf(session: Session): Session {
  return structuredClone(session);
}
