/** The command `waystone`: its name, options and commands, and what becomes of a failure. */
import { Command, CommanderError, Option } from "commander";
import { VERSION } from "../version.js";
import { CommandFailure } from "./command-failure.js";
import { EXIT } from "./exit-codes.js";
import { addContexts, addHistory, addSessions } from "./grammar/sessions.js";
import type { Run, Start } from "./grammar/start.js";
import { addItems, addLangGraph, addRecords, addSchema, addStore } from "./grammar/store.js";
import { addCheckpoints, addThreads } from "./grammar/threads.js";
import { watchInterruption } from "./interruption.js";
import { type GlobalOptions, makeInvocation } from "./invocation.js";
import { duration } from "./option-values.js";
import { PipeClosed } from "./output/printer.js";

/**
 * Runs the command line.
 *
 * @param argv as `process.argv`.
 * @returns the exit code; see `exit-codes.ts`.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const words = argv.slice(2);
  const interruption = watchInterruption();
  // What stdout could not take is told to whoever awaits that write.
  process.stdout.on("error", ignore);
  let exitCode: number = EXIT.ok;
  const start: Start = (load) =>
    async function handle(this: Command) {
      process.stderr.on("error", ignore);
      const invocation = makeInvocation(this.optsWithGlobals<GlobalOptions>(), words, interruption.signal);
      const run = (await load()) as Run<readonly unknown[], object>;
      exitCode = (await run(invocation, this.processedArgs, this.opts())) ?? EXIT.ok;
    };
  try {
    const program = commandLine(start);
    if (words.length === 0) program.outputHelp();
    else await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    return interruption.exitCode() ?? (await tell(error, words));
  } finally {
    interruption.stop();
  }
}

function ignore(): void {}

function commandLine(start: Start): Command {
  const program = new Command("waystone")
    .description("Look into and look after the stored state of AI agents")
    .version(VERSION, "-V, --version")
    .option("-u, --url <url>", "the store: sqlite:./agent.db (default: WAYSTONE_URL, else sqlite:./.waystone/store.db)")
    .option("--tenant <name>", "the tenant (default: WAYSTONE_TENANT, else default)")
    .option("--json", "one JSON document on stdout")
    .addOption(
      new Option("--timeout <duration>", "give a call up after this time: 500ms, 30s (default: 10s)").argParser(
        duration,
      ),
    )
    .option("--no-color", "no colours, as with NO_COLOR")
    .option("-q, --quiet", "no notes and no progress on stderr")
    .option("-y, --yes", "delete and overwrite without asking")
    .helpOption("-h, --help", "say what a command does and takes")
    .configureHelp({ showGlobalOptions: true })
    // Failures of usage are told as all others are, without the whole help.
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined })
    .exitOverride();
  for (const add of [
    addSessions,
    addHistory,
    addThreads,
    addCheckpoints,
    addContexts,
    addItems,
    addStore,
    addSchema,
    addRecords,
    addLangGraph,
  ]) {
    add(program, start);
  }
  return program;
}

/** Tells a failure on stderr. @returns the exit code */
async function tell(error: unknown, words: readonly string[]): Promise<number> {
  if (error instanceof PipeClosed) return EXIT.ok;
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
  const { failureReport, failureText } = await import("./failure-report.js");
  const failure = error instanceof CommanderError ? usageFailure(error) : error;
  const report = failureReport(failure);
  process.stderr.on("error", ignore);
  process.stderr.write(failureText(report, wantsJson(words)));
  if (process.env.WAYSTONE_DEBUG) console.error(error);
  return report.exitCode;
}

/** Also when the command line could not be understood. Behind `--` the word is an argument. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end === -1 ? words.length : end).includes("--json");
}

/** `error: unknown command 'sesions'\n(Did you mean sessions?)` */
function usageFailure(error: CommanderError): CommandFailure {
  if (error.code === "commander.help") {
    return new CommandFailure("USAGE", "a command is missing", { hint: "`--help` lists the commands" });
  }
  const [message = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  return new CommandFailure("USAGE", message, { hint: suggestion?.replace(/^\((.*)\)$/, "$1"), cause: error });
}
