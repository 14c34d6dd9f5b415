/** The words of `waystone threads` and `waystone checkpoints`. */
import type { Command } from "commander";
import { duration, metadataPair, wholeNumber } from "../option-values.js";
import { cursorOption, dryRunOption, limitOption, orderOption, reverseOption } from "./options.js";
import type { Start } from "./start.js";

export function addThreads(program: Command, start: Start): void {
  const threads = program.command("threads").description("List and delete threads");
  threads
    .command("ls")
    .description("List threads, the one written to last first")
    .option("--session <id>", "only those linked to this session")
    .addOption(orderOption(["updated", "created"], "updated"))
    .addOption(reverseOption())
    .addOption(limitOption(50, 1000))
    .addOption(cursorOption())
    .action(start(async () => (await import("../commands/threads-ls.js")).threadsLs));
  threads
    .command("rm")
    .description("Delete threads with their checkpoints and writes")
    .argument("<thread...>", "their ids")
    .addOption(dryRunOption())
    .action(start(async () => (await import("../commands/threads-rm.js")).threadsRm));
}

export function addCheckpoints(program: Command, start: Start): void {
  const checkpoints = program.command("checkpoints").description("List, show, delete and prune checkpoints");
  checkpoints
    .command("ls")
    .description("List the checkpoints of a thread, newest first")
    .argument("<thread>", "its id")
    .option("--namespace <name>", "only of this namespace; '' is the root")
    .option("--before <seq>", "only those before this one", wholeNumber(0))
    .option("--meta <key=value>", "only with this metadata: a JSON scalar, else text (repeatable)", metadataPair)
    .addOption(limitOption(20, 10_000, 0))
    .addOption(cursorOption())
    .action(start(async () => (await import("../commands/checkpoints-ls.js")).checkpointsLs));
  checkpoints
    .command("show")
    .description("Show the latest checkpoint of a thread with its state, or the one asked for")
    .argument("<thread>", "its id")
    .option("--id <checkpoint>", "which checkpoint")
    .option("--namespace <name>", "of this namespace instead of the root")
    .option("--writes", "with its intermediate writes")
    .option("--full", "all of the state, however long")
    .action(start(async () => (await import("../commands/checkpoints-show.js")).checkpointsShow));
  checkpoints
    .command("rm")
    .description("Delete checkpoints of a thread with their writes; what others need stays")
    .argument("<thread>", "its id")
    .argument("<checkpoint...>", "their ids")
    .option("--namespace <name>", "of this namespace instead of the root")
    .addOption(dryRunOption())
    .action(start(async () => (await import("../commands/checkpoints-rm.js")).checkpointsRm));
  checkpoints
    .command("prune")
    .description("Remove old checkpoints; heads, what kept ones need and open interrupts stay")
    .option("--keep-last <n>", "keep this many newest ones of every thread and namespace", wholeNumber(1))
    .option("--max-age <duration>", "keep those that are younger: 30d", duration)
    .option("--thread <id>", "only of this thread")
    .addOption(dryRunOption())
    .action(start(async () => (await import("../commands/checkpoints-prune.js")).checkpointsPrune));
}
