/** One run of the command: what was asked of it as a whole, and where its words go. */
import type { CallOptions } from "../contract/call.js";
import { makePrinter, type OutputForm, type Printer } from "./output/printer.js";

const DAY_MS = 86_400_000;

/** The options that every command takes. */
export interface GlobalOptions {
  readonly url?: string;
  readonly tenant?: string;
  readonly json?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  /** `false` with `--no-color`. */
  readonly color: boolean;
  readonly quiet?: boolean;
  readonly yes?: boolean;
}

export interface Invocation extends Printer {
  readonly url: string | undefined;
  readonly tenant: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Delete and overwrite without a question. */
  readonly yes: boolean;
  /** The words behind the command's name, as they were typed. */
  readonly words: readonly string[];
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A call that takes as long as it takes, unless `--timeout` says otherwise: what removes much has no usual time. */
export function longCall({ signal, timeoutMs }: Invocation): CallOptions {
  return { signal, timeoutMs: timeoutMs ?? DAY_MS };
}

export function makeInvocation(
  options: GlobalOptions,
  words: readonly string[],
  signal: AbortSignal,
  { stdout, stderr, env } = process,
): Invocation {
  const form: OutputForm = options.json === true ? "json" : stdout.isTTY ? "table" : "text";
  const plain = !options.color || (env.NO_COLOR ?? "") !== "";
  const printer = makePrinter({
    stdout,
    stderr,
    form,
    style: {
      // Some terminals do not know their size, and say 0.
      width: stdout.columns || 80,
      color: form === "table" && !plain && stdout.hasColors(),
      now: Date.now(),
    },
    quiet: options.quiet === true,
    attended: stderr.isTTY === true,
  });
  return {
    ...printer,
    url: options.url,
    tenant: options.tenant,
    timeoutMs: options.timeout,
    yes: options.yes === true,
    words,
    signal,
  };
}
