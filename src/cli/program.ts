/** The command `waystone`: its name, version and subcommands. */
import { Command, CommanderError } from "commander";
import { VERSION } from "../version.js";

/**
 * Runs the command line.
 *
 * @param argv as `process.argv`.
 * @returns the exit code: 0 when done, 2 for wrong usage.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("waystone")
    .description("Look into and look after the stored state of AI agents")
    .version(VERSION, "-V, --version")
    .exitOverride();
  program.action(() => {
    program.outputHelp();
  });
  try {
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}
