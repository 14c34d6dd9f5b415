/** A clock that stands still until a test moves it. */
import type { Clock } from "../domain/clock.js";

/** Where manual clocks start: far from the real time, so that a store which looks at another clock shows it. */
export const MANUAL_CLOCK_START: number = Date.UTC(2031, 2, 14, 9, 26, 53, 589);

/** Time as a test says it. */
export interface ManualClock extends Clock {
  /** Moves the clock by milliseconds, back if negative. */
  advance(ms: number): void;
  /** Sets the clock to an instant, in milliseconds since the epoch. */
  set(now: number): void;
}

/** A clock that shows `start` until it is moved. */
export function manualClock(start: number = MANUAL_CLOCK_START): ManualClock {
  let now = start;
  return {
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
    set: (instant) => {
      now = instant;
    },
  };
}
