/** The clock that stamps times and expiries; injected, so that tests can jump. It never orders anything (C1, K2). */
export interface Clock {
  /** Milliseconds since the Unix epoch, a whole number. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
