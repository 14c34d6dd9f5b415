/** The words of the commands that are about the store as a whole, and of `waystone items`. */
import { type Command, Option } from "commander";
import { amount, several, severalOf, wholeNumber } from "../option-values.js";
import { cursorOption, dryRunOption, limitOption, orderOption } from "./options.js";
import type { Start } from "./start.js";

export function addItems(program: Command, start: Start): void {
  const items = program.command("items").description("List items of long-term memory");
  items
    .command("ls")
    .description("List the items below a namespace")
    .argument("[label...]", "labels of the namespace, the outermost first; none means all items")
    .addOption(orderOption(["updated", "created", "key"], "updated"))
    .addOption(limitOption(50, 1000))
    .addOption(cursorOption())
    .action(start(async () => (await import("../commands/items-ls.js")).itemsLs));
}

export function addStore(program: Command, start: Start): void {
  program
    .command("health")
    .description("Look whether the store works; exit code 7 if it does not")
    .action(start(async () => (await import("../commands/health.js")).health));
  program
    .command("metrics")
    .description("Count what the tenant has stored")
    .action(start(async () => (await import("../commands/metrics.js")).metrics));
  program
    .command("cleanup")
    .description("Remove idle and expired sessions with all that belongs to them")
    .option("--max-idle-hours <hours>", "remove sessions last written at least this long ago", amount, 24)
    .option("--batch-size <n>", "sessions removed in one transaction", wholeNumber(1))
    .addOption(dryRunOption())
    .action(start(async () => (await import("../commands/cleanup.js")).cleanup));
}

export function addSchema(program: Command, start: Start): void {
  const schema = program.command("schema").description("Look at, migrate and print the schema of a store");
  const words = (name: string, description: string): Command =>
    schema
      .command(name)
      .description(description)
      .option(
        "--schema <name>",
        "PostgreSQL: the schema that holds the tables (default: as the URL says, else waystone)",
      )
      .option("--partitions <n>", "PostgreSQL: hash partitions of each large table of a new schema", wholeNumber(0))
      .option("--rls", "PostgreSQL: with row-level security");
  words("print", "Print the SQL that makes the schema; no server is asked")
    .option("--from <version>", "only what leads from this version on", wholeNumber(0))
    .action(start(async () => (await import("../commands/schema.js")).schemaPrint));
  words("migrate", "Bring the schema up to date; creates it if there is none").action(
    start(async () => (await import("../commands/schema.js")).schemaMigrate),
  );
  words("status", "Compare the schema with what this version needs; exit code 8 if something is pending").action(
    start(async () => (await import("../commands/schema.js")).schemaStatus),
  );
}

const KINDS = ["session", "message", "task_context", "thread", "checkpoint", "write", "item"];

export function addRecords(program: Command, start: Start): void {
  program
    .command("export")
    .description("Write the records of the tenant as JSON Lines")
    .addOption(new Option("--session <id>", "only this session and what belongs to it").conflicts("thread"))
    .option("--thread <id>", "only this thread")
    .addOption(
      new Option("--after <seq>", "only later messages of the session, or checkpoints of the thread").argParser(
        wholeNumber(0),
      ),
    )
    .addOption(
      new Option("--kind <kind>", "only records of this kind (repeatable)").choices(KINDS).argParser(severalOf(KINDS)),
    )
    .option("-o, --output <file>", "into this file instead of stdout; compressed if its name ends in .gz")
    .action(start(async () => (await import("../commands/export.js")).exportRecords));
  program
    .command("import")
    .description("Store the records of a JSON Lines file; creates the store if there is none")
    .argument("[file]", "as `export` writes it, compressed if its name ends in .gz; stdin without one, or with -")
    .addOption(
      new Option("--on-conflict <rule>", "what to do with a session, thread or item that is stored already")
        .choices(["error", "skip", "replace", "extend"])
        .default("error", "error"),
    )
    .action(start(async () => (await import("../commands/import.js")).importRecords));
}

export function addLangGraph(program: Command, start: Start): void {
  program
    .command("import-langgraph")
    .description("Bring the threads of LangGraph's own SqliteSaver or PostgresSaver over; run again, it goes on")
    .argument("<theirs>", "their database, which is only read: sqlite:./checkpoints.db, postgres://user@host/database")
    .argument("[ours]", "the store (default: as --url says); it is created if there is none")
    .option("--thread <id>", "only this thread (repeatable)", several)
    .option("--schema <name>", "PostgreSQL: the schema of their tables (default: public)")
    .option("--no-verify", "do not compare both sides afterwards")
    .addOption(new Option("-n, --dry-run", "read and count everything, and store nothing"))
    .action(start(async () => (await import("../commands/import-langgraph.js")).importFromLangGraph));
}
