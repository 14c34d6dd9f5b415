/** Where the command's words go: data to stdout, everything else to stderr. */
import type { Writable } from "node:stream";
import { CommandFailure } from "../command-failure.js";
import { escapeJson, escapeLine } from "./escape.js";
import type { TableStyle } from "./table.js";

/** Who reads stdout: a program that wants JSON, a person at a terminal, or a pipe that wants lines. */
export type OutputForm = "json" | "table" | "text";

export interface Printer {
  readonly form: OutputForm;
  readonly style: TableStyle;
  /** No notes and no progress. */
  readonly quiet: boolean;
  /** Whether a person sees stderr and may be shown a bar or asked. */
  readonly attended: boolean;
  /** Writes data and waits until the reader has taken it. @throws PipeClosed, CommandFailure `FILE` */
  print(text: string): Promise<void>;
  /** Writes a line for people, escaped: footers, warnings. Nothing with `--quiet` and `--json`. */
  note(line: string): void;
  /** Writes an event for programs that follow stderr: nothing without `--json`. */
  event(event: object): void;
}

/** The reader of stdout has gone, as `head` does when it has enough: no failure. */
export class PipeClosed extends Error {}

export interface PrinterOptions {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly form: OutputForm;
  readonly style: TableStyle;
  readonly quiet: boolean;
  readonly attended: boolean;
}

export function makePrinter({ stdout, stderr, ...traits }: PrinterOptions): Printer {
  return {
    ...traits,
    print: (text) => write(stdout, text),
    note(line) {
      if (!traits.quiet && traits.form !== "json") stderr.write(`${escapeLine(line)}\n`);
    },
    event(event) {
      if (!traits.quiet && traits.form === "json") stderr.write(`${escapeJson(JSON.stringify(event))}\n`);
    },
  };
}

function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else if ("code" in error && error.code === "EPIPE") reject(new PipeClosed("nobody reads", { cause: error }));
      else reject(new CommandFailure("FILE", `stdout cannot be written: ${error.message}`, { cause: error }));
    });
  });
}
