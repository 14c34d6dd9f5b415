// Whether a call holds the event loop: a probe runs whenever the loop is free, and tells its turns and the longest time between two.
import { readFileSync } from "node:fs";
import { expect } from "vitest";

/** Far above what a slice takes, far below what the whole takes; `npm run bench event-loop` tells the true delay. A slower machine has more. */
const LIMIT_MS = { processor: 250, clock: 1_000 };

/** Processor time that `knownWork` takes where the limits are as above. */
const KNOWN_WORK_MS = 16;

/** Processor time of this thread, in milliseconds: what other programs on the machine take is not counted. */
function used(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** How much slower this machine is now than one for which the limits are. */
function slowness(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const before = used();
    knownWork();
    least = Math.min(least, used() - before);
  }
  return Math.max(1, least / KNOWN_WORK_MS);
}

function knownWork(): number {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ i, name: `row ${i}`, list: [i, i + 1] }));
  return (JSON.parse(JSON.stringify(rows)) as unknown[]).length;
}

/** For how long this thread was ready to run and others ran, in milliseconds; 0 where the system does not tell. */
function waited(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** The longest step while the call ran, in milliseconds of processor time and by the clock, which waits for the disk too, but for no other process. */
async function longestStepOf(call: () => Promise<unknown>): Promise<{ processor: number; clock: number }> {
  const longest = { processor: 0, clock: 0 };
  const begun = waited();
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
  return { ...longest, clock: longest.clock - (waited() - begun) };
}

/** A collection of garbage may meet one try: the shortest of a few is the call's own. */
export async function expectShortSteps(
  name: string,
  prepare: () => Promise<unknown>,
  call: () => Promise<unknown>,
  tries = 4,
): Promise<void> {
  let [processor, clock] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < tries && (processor >= LIMIT_MS.processor || clock >= LIMIT_MS.clock); i++) {
    await prepare();
    const before = slowness();
    const longest = await longestStepOf(call);
    const slower = Math.max(before, slowness());
    processor = Math.min(processor, longest.processor / slower);
    clock = Math.min(clock, longest.clock / slower);
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
