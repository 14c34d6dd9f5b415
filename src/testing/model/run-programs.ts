/**
 * Random programs on a store beside the reference model. They find what nobody thought of a clause for: commands that meet in
 * an order, with names and at instants, that a person would not try.
 */
import { randomInt } from "node:crypto";
import type { StorageFactory } from "../storage-factory.js";
import { describeCommand } from "./programs/command.js";
import { CHOICE_LIMIT } from "./programs/draw.js";
import type { Program } from "./programs/program.js";
import { CHOICES_PER_COMMAND, programOf } from "./programs/program.js";
import type { CheckReport, PropertyTester } from "./property-tester.js";
import { ProgramRun } from "./run/program-run.js";
import type { Choices } from "./shrink.js";
import { shrink } from "./shrink.js";

/** Options of `runPrograms`. */
export interface RunProgramsOptions {
  /** How many programs. Default 100. */
  readonly programs?: number | undefined;
  /** Commands in a program, on average; some have up to twice as many. Default 60. */
  readonly commands?: number | undefined;
  /** Where the random choices begin. Default: `WAYSTONE_TEST_SEED`, else another one each time. */
  readonly seed?: number | undefined;
  /** The one program of the seed to run, as a failure names it. Default: `WAYSTONE_TEST_PATH` if no seed is given, else all. */
  readonly path?: string | undefined;
  /** Told the seed before the programs run. Default: standard output. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A store and the reference model do not agree. The message has the shortest program found, and how to run it again. */
export class ProgramFailure extends Error {
  override readonly name = "ProgramFailure";
  /** The commands, each a line, up to the one after which they differ. */
  readonly program: readonly string[];
  readonly seed: number;
  readonly path: string;

  constructor(program: readonly string[], seed: number, path: string, cause: unknown) {
    const lines = program.map((line, i) => `  ${String(i + 1).padStart(3)}  ${line}`);
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      [
        `the store and the reference model differ after ${program.length} commands`,
        ...lines,
        reason,
        `Run it again: WAYSTONE_TEST_SEED=${seed} WAYSTONE_TEST_PATH=${path} npm test -- <the test file>`,
      ].join("\n"),
      { cause },
    );
    this.program = program;
    this.seed = seed;
    this.path = path;
  }
}

/**
 * Runs random programs on fresh stores of the factory, and compares every result, and at the end of each program everything
 * that can be read, with the reference model. Resolves to the number of programs that ran. Making a failing program short takes
 * up to a minute more.
 *
 * @param tester the module `fast-check`, which the caller brings
 * @throws ProgramFailure with a shrunk program
 */
export async function runPrograms(
  tester: PropertyTester,
  factory: StorageFactory,
  options: RunProgramsOptions = {},
): Promise<number> {
  const { programs = 100, commands = 60 } = options;
  const seed = options.seed ?? numberOf("WAYSTONE_TEST_SEED") ?? randomInt(2 ** 31);
  // A path belongs to the seed that it was told with.
  const path = options.path ?? (options.seed === undefined ? process.env.WAYSTONE_TEST_PATH : undefined);
  const log = options.log ?? console.log;
  log(`random programs: ${programs} of about ${commands} commands, WAYSTONE_TEST_SEED=${seed}`);

  const attemptOf = (choices: Choices): Promise<Attempt> => attempt(factory, programOf(choices, factory.supports));
  const property = async (choices: number[][]): Promise<void> => {
    const { failure } = await attemptOf(choices);
    if (failure !== undefined) throw failure;
  };
  const report = await check(tester, property, { programs, commands, seed, path });
  if (!report.failed) return report.numRuns;

  const [drawn] = report.counterexample as [Choices];
  const shortest = await shrink(drawn, async (choices) => {
    const { done, failure } = await attemptOf(choices);
    const { prelude } = programOf(choices, factory.supports);
    return failure === undefined ? undefined : Math.max(1, done.length - prelude + 1);
  });
  const { done, failure } = await attemptOf(shortest);
  const program = failure === undefined ? [...done, "// this program does not fail every time"] : done;
  throw new ProgramFailure(program, seed, report.counterexamplePath ?? "", failure ?? report.errorInstance);
}

/** How far a program went. */
interface Attempt {
  readonly done: readonly string[];
  readonly failure: unknown;
}

async function attempt(factory: StorageFactory, { cast, commands }: Program): Promise<Attempt> {
  const run = new ProgramRun(factory, cast);
  const done: string[] = [];
  try {
    await run.start();
    for (const command of commands) {
      done.push(describeCommand(command));
      await run.execute(command);
    }
    await run.compareAll();
    await run.end();
    return { done, failure: undefined };
  } catch (failure) {
    // The program's own failure counts before one of cleaning up.
    await Promise.allSettled([run.end()]);
    return { done, failure };
  }
}

/** The types of `fast-check` are not known here, so that nobody has to install it who does not call this. */
async function check(
  tester: PropertyTester,
  property: (choices: number[][]) => Promise<void>,
  { programs, commands, seed, path }: { programs: number; commands: number; seed: number; path: string | undefined },
): Promise<CheckReport> {
  const choice = tester.nat(CHOICE_LIMIT - 1);
  const command = tester.array(choice as never, {
    minLength: CHOICES_PER_COMMAND,
    maxLength: CHOICES_PER_COMMAND,
    size: "max",
  });
  const program = tester.array(command as never, { minLength: 1, maxLength: commands * 2, size: "max" });
  return tester.check(tester.asyncProperty(program as never, property) as never, {
    numRuns: path === undefined ? programs : 1,
    seed,
    // Small numbers are no better than others here: each stands for a choice.
    unbiased: true,
    // The program is made shorter by `shrink`.
    endOnFailure: true,
    ...(path === undefined ? {} : { path }),
  });
}

function numberOf(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${variable} must be a whole number, not ${text}`);
  return number;
}
