/** The words of `waystone sessions`, `waystone history` and `waystone contexts`. */
import { Argument, type Command, Option } from "commander";
import { duration, instant, metadataPair, several, severalOf, wholeNumber } from "../option-values.js";
import { cursorOption, dryRunOption, limitOption, orderOption, reverseOption } from "./options.js";
import type { Start } from "./start.js";

const SESSION = "its id, the beginning of its id, or @last";
const STATUSES = ["active", "completed", "failed", "expired"];

export function addSessions(program: Command, start: Start): void {
  const sessions = program.command("sessions").description("List, show, end and delete sessions");
  sessions
    .command("ls")
    .description("List sessions, the one written to last first")
    .option("--user <id>", "only of this user")
    .addOption(
      new Option("--status <status>", "only of this status (repeatable)")
        .choices(STATUSES)
        .argParser(severalOf(STATUSES)),
    )
    .option("--meta <key=value>", "only with this metadata: a JSON scalar, else text (repeatable)", metadataPair)
    .option("--since <when>", "only from then on, by the instant that orders: 2h, 7d, 2026-01-31", instant)
    .option("--until <when>", "only before then", instant)
    .addOption(orderOption(["updated", "created"], "updated"))
    .addOption(reverseOption())
    .addOption(limitOption(50, 1000))
    .addOption(cursorOption())
    .action(start(async () => (await import("../commands/sessions-ls.js")).sessionsLs));
  sessions
    .command("show")
    .description("Show a session")
    .argument("<session>", SESSION)
    .action(start(async () => (await import("../commands/sessions-show.js")).sessionsShow));
  sessions
    .command("end")
    .description("End a session")
    .argument("<session>", "its whole id")
    .addOption(
      new Option("--status <status>", "how it ended").choices(STATUSES.slice(1)).default("completed", "completed"),
    )
    .action(start(async () => (await import("../commands/sessions-end.js")).sessionsEnd));
  sessions
    .command("rm")
    .description("Delete sessions with all that belongs to them")
    .argument("<session...>", "their whole ids")
    .addOption(dryRunOption())
    .action(start(async () => (await import("../commands/sessions-rm.js")).sessionsRm));
}

export function addHistory(program: Command, start: Start): void {
  program
    .command("history")
    .description("Show the conversation of a session, the newest messages, oldest first")
    .argument("<session>", SESSION)
    .addOption(limitOption(50, 10_000, 0))
    .option("--before <seq>", "only messages before this one", wholeNumber(0))
    .option("--after <seq>", "only messages after this one, beginning with the oldest", wholeNumber(0))
    .option("--role <role>", "only of this role (repeatable)", several)
    .addOption(cursorOption())
    .option("--full", "whole messages instead of a line each")
    .addOption(
      new Option("-f, --follow", "go on with new messages; with --json a document a line").conflicts([
        "before",
        "cursor",
      ]),
    )
    .addOption(
      new Option("--interval <duration>", "time between two looks with --follow")
        .argParser(interval)
        .default(1000, "1s"),
    )
    .action(start(async () => (await import("../commands/history.js")).history));
}

export function addContexts(program: Command, start: Start): void {
  const contexts = program.command("contexts").description("List and show the task context of a session");
  contexts
    .command("ls")
    .description("List the versions that are kept, newest first")
    .argument("<session>", SESSION)
    .addOption(limitOption(20, 10_000, 0))
    .action(start(async () => (await import("../commands/contexts-ls.js")).contextsLs));
  contexts
    .command("show")
    .description("Show the newest version, or the one asked for")
    .argument("<session>", SESSION)
    .addArgument(new Argument("[version]", "which version").argParser(wholeNumber(1)))
    .option("--full", "all of it, however long")
    .action(start(async () => (await import("../commands/contexts-show.js")).contextsShow));
}

function interval(text: string): number {
  return Math.max(10, duration(text));
}
