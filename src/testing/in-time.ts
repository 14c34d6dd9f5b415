/** Whether calls settle by their deadline, also on a machine that has little time for this process. */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";

/** Turns of the event loop for what a deadline has set going when its timer ran. */
const TURNS = 50;

/**
 * Whether all calls have settled, in whichever way, `ms` milliseconds after they were begun. A timer of this process decides and not the
 * clock: a machine that lets the process wait makes this timer as late as that of the deadline, which is the shorter one and runs first.
 */
export async function settlesWithin(ms: number, calls: readonly Promise<unknown>[]): Promise<boolean> {
  let isSettled = false;
  const settled = Promise.allSettled(calls).then(() => {
    isSettled = true;
  });
  const over = new AbortController();
  const late = async (): Promise<void> => {
    await wait(ms, undefined, { signal: over.signal });
    for (let i = 0; i < TURNS && !isSettled; i++) await turn();
  };
  await Promise.race([settled, late()]);
  over.abort();
  return isSettled;
}
