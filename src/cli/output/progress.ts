/** How far a long command is, on stderr: a bar at a terminal, else a line every few seconds, events with `--json`. */
import type { Printer } from "./printer.js";
import { count, counted, size } from "./units.js";

export interface Progress {
  /** Counts one more record and the bytes that it took from the source. */
  add(bytes: number): void;
  /** The last word; nothing may be added after it. */
  end(): void;
}

export interface ProgressOptions {
  /** Bytes of the whole source, if they are known. */
  readonly totalBytes?: number | undefined;
}

/** Time between two lines, in milliseconds. */
const INTERVAL_MS = 5000;

/** Time between two drawings of the bar, in milliseconds. */
const DRAWING_MS = 100;

export async function startProgress(printer: Printer, { totalBytes }: ProgressOptions = {}): Promise<Progress> {
  if (printer.form !== "json" && printer.attended && !printer.quiet) return bar(printer, totalBytes);
  return lines(printer, totalBytes);
}

function lines(printer: Printer, totalBytes: number | undefined): Progress {
  const start = performance.now();
  let next = start + INTERVAL_MS;
  let records = 0;
  let bytes = 0;
  const tell = (now: number): void => {
    const elapsedMs = Math.round(now - start);
    const part = totalBytes ? ` of ${size(totalBytes)} (${Math.floor((100 * bytes) / totalBytes)} %)` : "";
    printer.note(`${counted(records, "record")}, ${size(bytes)}${part}, ${count(rate(records, elapsedMs))}/s`);
    printer.event({ progress: { records, bytes, totalBytes: totalBytes ?? null, elapsedMs } });
  };
  return {
    add(more) {
      records += 1;
      bytes += more;
      const now = performance.now();
      if (now < next) return;
      next = now + INTERVAL_MS;
      tell(now);
    },
    end() {
      if (records > 0) tell(performance.now());
    },
  };
}

async function bar(printer: Printer, totalBytes: number | undefined): Promise<Progress> {
  const { default: progress } = await import("cli-progress");
  const start = performance.now();
  const known = totalBytes !== undefined && totalBytes > 0;
  const shown = new progress.SingleBar({
    format: known
      ? "{bar} {percentage} % · {done} records · {rate}/s · {eta_formatted} left"
      : "{done} records · {rate}/s",
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
  });
  let records = 0;
  let bytes = 0;
  let next = start;
  const payload = (): object => ({ done: count(records), rate: count(rate(records, performance.now() - start)) });
  shown.start(known ? totalBytes : Number.MAX_SAFE_INTEGER, 0, payload());
  return {
    add(more) {
      records += 1;
      bytes += more;
      const now = performance.now();
      if (now < next) return;
      next = now + DRAWING_MS;
      shown.update(bytes, payload());
    },
    end() {
      shown.stop();
      if (records > 0)
        printer.note(
          `${counted(records, "record")}, ${size(bytes)}, ${count(rate(records, performance.now() - start))}/s`,
        );
    },
  };
}

function rate(records: number, elapsedMs: number): number {
  return Math.round((1000 * records) / Math.max(1, elapsedMs));
}
