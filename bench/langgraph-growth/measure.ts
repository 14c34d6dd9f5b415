// Takes every saver through the same conversation and notes, turn by turn, how long a turn took and what was stored.
import { setImmediate } from "node:timers/promises";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { startGraph } from "./graph.ts";
import type { SaverName, Subject } from "./savers.ts";

export interface Measured {
  readonly name: SaverName;
  readonly title: string;
  readonly isPeer: boolean;
  /** The last turn. */
  turns: number;
  /** By turn, from turn 1: milliseconds of it. */
  readonly turnMs: number[];
  readonly marks: Mark[];
}

/** What was seen right after a turn. */
export interface Mark {
  readonly turn: number;
  /** Median of several `getState`, in milliseconds. */
  readonly getStateMs: number;
  /** All that is stored: of the files or tables, or of the heap for a saver that stores in memory. */
  readonly bytes: number;
}

/** Turns whose figures the table tells. */
export const REPORTED: readonly number[] = [10, 100, 300, 1_000];
/** Turns after which savers take over from each other; bytes are read there. */
const MARKS: readonly number[] = [
  1, 3, 10, 20, 30, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900, 1_000,
];
const WARM_UP_TURNS = 25;
const GET_STATES = 9;
/** A median is of this many turns on each side. */
const WINDOW = 20;

/**
 * Savers take turns in stretches of the conversation: what slows the machine down slows them all down, and the collector's work for
 * one does not fall into the time of another.
 */
export async function measure(
  subjects: readonly Subject[],
  turnsOf: (subject: Subject) => number,
  tell: (line: string) => void,
  now: () => number = () => performance.now(),
): Promise<Measured[]> {
  for (const subject of subjects) await warmUp(subject);
  const runs = [];
  for (const subject of subjects) {
    const { name, title, isPeer } = subject;
    const open = await subject.open("measured");
    const measured: Measured = { name, title, isPeer, turns: 0, turnMs: [], marks: [] };
    runs.push({ open, measured, graph: startGraph(open.saver), last: turnsOf(subject), heap: 0 });
  }
  const longest = Math.max(...runs.map(({ last }) => last));
  const ends = [...new Set([...MARKS, ...REPORTED.map((turn) => turn + WINDOW), ...runs.map(({ last }) => last)])]
    .filter((turn) => turn <= longest)
    .sort((a, b) => a - b);
  for (const end of ends) {
    for (const run of runs.filter(({ last }) => end <= last)) {
      const { measured, graph, open } = run;
      const before = await heapBytes();
      for (; measured.turns < end; measured.turns++) {
        const start = now();
        await graph.turn();
        measured.turnMs.push(now() - start);
      }
      const getStateMs = await medianGetState(graph.messages, 2 * end, now);
      run.heap += (await heapBytes()) - before;
      measured.marks.push({ turn: end, getStateMs, bytes: (await open.bytes?.()) ?? run.heap });
    }
    if (REPORTED.includes(end)) tell(`turn ${end}`);
  }
  for (const { open } of runs) await open.close();
  return runs.map(({ measured }) => measured);
}

/** Milliseconds that this process has computed, on all of its threads; other work on the machine hardly counts. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Median of the turns around this one, in milliseconds; absent where the run ended before the last of them. */
export function turnMsAround({ turnMs }: Measured, turn: number): number | undefined {
  const width = Math.min(WINDOW, Math.floor(turn / 2));
  if (turn + width > turnMs.length) return undefined;
  return median(turnMs.slice(turn - 1 - width, turn + width));
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function warmUp(subject: Subject): Promise<void> {
  const { saver, close } = await subject.open("warm_up");
  const graph = startGraph(saver);
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) await graph.turn();
  for (let i = 0; i < GET_STATES; i++) await graph.messages();
  await close();
}

async function medianGetState(
  messages: () => Promise<BaseMessage[]>,
  expected: number,
  now: () => number,
): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < GET_STATES; i++) {
    const start = now();
    const found = await messages();
    times.push(now() - start);
    if (found.length !== expected || !(found.at(-1) instanceof AIMessage)) {
      throw new Error(`getState gave ${found.length} messages of ${expected}`);
    }
  }
  return median(times);
}

/** What is in use, collected first: memory outside the heap is given back only after the event loop has gone round. */
async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
