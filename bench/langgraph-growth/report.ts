// Says what was measured: the table, and each aim with what was reached.
import { TURN_BYTES } from "./conversation.ts";
import { type Measured, REPORTED, turnMsAround } from "./measure.ts";
import type { SaverName } from "./savers.ts";

export function reportTable(all: readonly Measured[]): string[] {
  const lines = [
    "| turn | saver | ms a turn | x floor | getState ms | bytes stored | x text |",
    "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
  ];
  for (const turn of REPORTED) {
    const floor = timeOf(all, "floor", turn);
    for (const measured of all) {
      const time = turnMsAround(measured, turn);
      const mark = measured.marks.find((each) => each.turn === turn);
      if (time === undefined || mark === undefined) continue;
      const overFloor = floor === undefined ? "" : (time / floor).toFixed(1);
      const overText = (mark.bytes / (turn * TURN_BYTES)).toFixed(1);
      const { getStateMs, bytes } = mark;
      lines.push(
        `| ${turn} | ${measured.title} | ${time.toFixed(2)} | ${overFloor} | ${getStateMs.toFixed(2)} | ${inUnits(bytes)} | ${overText} |`,
      );
    }
  }
  return lines;
}

interface Aim {
  readonly text: string;
  readonly limit: number;
  /** Undefined where this run did not measure it. */
  reached(all: readonly Measured[]): number | undefined;
}

const AIMS: readonly Aim[] = [
  { text: "SQLite: bytes after 1,000 turns / text", limit: 4, reached: (all) => bytesOverText(all, "ours-sqlite") },
  {
    text: "SQLite: turn 300 / that of SqliteSaver",
    limit: 1 / 8,
    reached: (all) => ratio(timeOf(all, "ours-sqlite", 300), timeOf(all, "sqlite", 300)),
  },
  {
    text: "SQLite, unsynced as SqliteSaver: turn 300 / that of SqliteSaver",
    limit: 1 / 8,
    reached: (all) => ratio(timeOf(all, "ours-sqlite-process", 300), timeOf(all, "sqlite", 300)),
  },
  {
    text: "PostgreSQL: turn 300 / that of PostgresSaver",
    limit: 1 / 10,
    reached: (all) => ratio(timeOf(all, "ours-postgres", 300), timeOf(all, "postgres", 300)),
  },
  {
    text: "memory: turn 300 / that of MemorySaver",
    limit: 1 / 4,
    reached: (all) => ratio(timeOf(all, "ours-memory", 300), timeOf(all, "memory", 300)),
  },
  { text: "SQLite: turn 1,000 / turn 100", limit: 3, reached: (all) => lateOverEarly(all, "ours-sqlite") },
  { text: "memory: turn 1,000 / turn 100", limit: 3, reached: (all) => lateOverEarly(all, "ours-memory") },
  {
    text: "SQLite: turn 1,000 / that of the floor",
    limit: 6,
    reached: (all) => ratio(timeOf(all, "ours-sqlite", 1_000), timeOf(all, "floor", 1_000)),
  },
];

export function reportAims(all: readonly Measured[]): string[] {
  const rows = AIMS.flatMap(({ text, limit, reached }) => {
    const value = reached(all);
    if (value === undefined) return [];
    return [`| ${text} | ${limit.toFixed(3)} | ${value.toFixed(3)} | ${value <= limit ? "met" : "missed"} |`];
  });
  return rows.length === 0 ? [] : ["| aim | at most | reached | |", "| --- | ---: | ---: | --- |", ...rows];
}

function timeOf(all: readonly Measured[], name: SaverName, turn: number): number | undefined {
  const measured = all.find((each) => each.name === name);
  return measured && turnMsAround(measured, turn);
}

function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined ? undefined : value / base;
}

function lateOverEarly(all: readonly Measured[], name: SaverName): number | undefined {
  return ratio(timeOf(all, name, 1_000), timeOf(all, name, 100));
}

function bytesOverText(all: readonly Measured[], name: SaverName): number | undefined {
  const mark = all.find((each) => each.name === name)?.marks.find(({ turn }) => turn === 1_000);
  return mark && mark.bytes / (mark.turn * TURN_BYTES);
}

export function inUnits(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
