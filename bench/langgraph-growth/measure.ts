// Takes every saver through the same conversation and notes, turn by turn, how long a turn took and what was stored.
import { SaverProcess } from "./saver-process.ts";
import type { SaverName, SaverPlace, Subject } from "./savers.ts";

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
/** A median is of this many turns on each side. */
const WINDOW = 20;

/**
 * Savers take turns in stretches of the conversation, each in a process of its own: what slows the machine down slows them all down,
 * and nobody's heap is a burden to another's collector. One computes at a time.
 */
export async function measure(
  subjects: readonly Subject[],
  turnsOf: (subject: Subject) => number,
  place: SaverPlace,
  isCpu: boolean,
  tell: (line: string) => void,
): Promise<Measured[]> {
  const runs: { process: SaverProcess; measured: Measured; last: number }[] = [];
  try {
    for (const subject of subjects) {
      const { name, title, isPeer } = subject;
      const measured: Measured = { name, title, isPeer, turns: 0, turnMs: [], marks: [] };
      runs.push({ process: await SaverProcess.start(name, place, isCpu), measured, last: turnsOf(subject) });
    }
    const longest = Math.max(...runs.map(({ last }) => last));
    const ends = [...new Set([...MARKS, ...REPORTED.map((turn) => turn + WINDOW), ...runs.map(({ last }) => last)])]
      .filter((turn) => turn <= longest)
      .sort((a, b) => a - b);
    for (const end of ends) {
      for (const { process, measured } of runs.filter(({ last }) => end <= last)) {
        const { turnMs, getStateMs, bytes } = await process.takeTurns(end);
        measured.turns = end;
        measured.turnMs.push(...turnMs);
        measured.marks.push({ turn: end, getStateMs, bytes });
      }
      for (const { process } of runs.filter(({ last }) => last === end)) await process.close();
      if (REPORTED.includes(end)) tell(`turn ${end}`);
    }
  } finally {
    for (const { process } of runs) process.kill();
  }
  return runs.map(({ measured }) => measured);
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
