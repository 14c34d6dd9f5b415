/** How a command that was recognised is started. The code of a command is loaded when it runs, so that help and mistakes are quick. */
import type { Command } from "commander";
import type { Invocation } from "../invocation.js";

/** What a command does. @returns its exit code, 0 if it says none */
export type Run<Args extends readonly unknown[], Options> = (
  invocation: Invocation,
  args: Args,
  options: Options,
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands say no exit code.
) => Promise<number | void>;

/** Any of them: what it takes is described beside where it is loaded. */
export type AnyRun = Run<never, never>;

/** Makes the handler of a command. */
export type Start = (load: () => Promise<AnyRun>) => (this: Command) => Promise<void>;
