/** How far a command is whose steps are known, on stderr: a bar at a terminal, else a line every few seconds, events with `--json`. */
import type { Printer } from "./printer.js";
import { count } from "./units.js";

export interface StepProgress {
  /** So many steps of the phase are done. */
  at(phase: string, done: number, total: number): void;
  /** Nothing may come after it. */
  end(): void;
}

/** Time between two lines, in milliseconds. */
const INTERVAL_MS = 5000;

/** Time between two drawings of the bar, in milliseconds. */
const DRAWING_MS = 100;

/** @param noun what a step is, in the plural. */
export async function startStepProgress(printer: Printer, noun: string): Promise<StepProgress> {
  if (printer.form !== "json" && printer.attended && !printer.quiet) return bar(noun);
  return lines(printer, noun);
}

function lines(printer: Printer, noun: string): StepProgress {
  const start = performance.now();
  let next = start + INTERVAL_MS;
  return {
    at(phase, done, total) {
      const now = performance.now();
      if (now < next) return;
      next = now + INTERVAL_MS;
      printer.note(`${phase}: ${count(done)} of ${count(total)} ${noun}`);
      printer.event({ progress: { phase, done, total, elapsedMs: Math.round(now - start) } });
    },
    end() {},
  };
}

async function bar(noun: string): Promise<StepProgress> {
  const { default: progress } = await import("cli-progress");
  const shown = new progress.SingleBar({
    format: `{phase} {bar} {percentage} % · {done} of {all} ${noun} · {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
  });
  let drawn: string | undefined;
  let next = 0;
  return {
    at(phase, done, total) {
      const now = performance.now();
      const payload = { phase, done: count(done), all: count(total) };
      if (drawn !== phase) {
        if (drawn !== undefined) shown.stop();
        shown.start(total, done, payload);
        drawn = phase;
      } else if (now >= next || done === total) {
        shown.update(done, payload);
      } else return;
      next = now + DRAWING_MS;
    },
    end() {
      if (drawn !== undefined) shown.stop();
    },
  };
}
