// Whether a call holds the event loop: a probe runs whenever the loop is free, and tells its turns and the longest time between two.
import { expect } from "vitest";

/** Far above what a slice takes, far below what the whole takes; `npm run bench event-loop` tells the true delay. */
const LIMIT_MS = { processor: 250, clock: 1_000 };

/** Processor time of this thread, in milliseconds: what other programs on the machine take is not counted. */
function used(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** The longest step while the call ran, in milliseconds of processor time and by the clock, which waits for the disk too. */
async function longestStepOf(call: () => Promise<unknown>): Promise<{ processor: number; clock: number }> {
  const longest = { processor: 0, clock: 0 };
  let isOver = false;
  let before = { processor: used(), clock: performance.now() };
  const probe = (): void => {
    const now = { processor: used(), clock: performance.now() };
    longest.processor = Math.max(longest.processor, now.processor - before.processor);
    longest.clock = Math.max(longest.clock, now.clock - before.clock);
    before = now;
    if (!isOver) setImmediate(probe);
  };
  setImmediate(probe);
  await call();
  isOver = true;
  await new Promise((resolve) => setImmediate(resolve));
  return longest;
}

/** A collection of garbage may meet one try: the shortest of a few is the call's own. */
export async function expectShortSteps(
  name: string,
  prepare: () => Promise<unknown>,
  call: () => Promise<unknown>,
  tries = 3,
): Promise<void> {
  let [processor, clock] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < tries && (processor >= LIMIT_MS.processor || clock >= LIMIT_MS.clock); i++) {
    await prepare();
    const longest = await longestStepOf(call);
    processor = Math.min(processor, longest.processor);
    clock = Math.min(clock, longest.clock);
  }
  expect(processor, `processor time for which ${name} holds the event loop`).toBeLessThan(LIMIT_MS.processor);
  expect(clock, `time for which ${name} holds the event loop`).toBeLessThan(LIMIT_MS.clock);
}

/** How often others had their turn while the work ran. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns += 1;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  over = true;
  return turns;
}
