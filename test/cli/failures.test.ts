// Failures: exit codes, one document on stderr with --json, nothing on stdout, and what to do next.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AbortedError,
  ClosedError,
  ConflictError,
  CorruptionError,
  FencedError,
  InvalidArgumentError,
  SerializationError,
  SessionExistsError,
  SessionNotFoundError,
  StorageConnectionError,
  StorageTimeoutError,
  UnsupportedError,
} from "waystone";
import { CommandFailure, fileFailure } from "../../src/cli/command-failure.js";
import { EXIT_OF_CODE } from "../../src/cli/exit-codes.js";
import { failureReport, failureText } from "../../src/cli/failure-report.js";
import { readMarkdownPage } from "../support/markdown-page.js";
import { repositoryRoot } from "../support/repository.js";
import { runCommand } from "./run-command.js";
import { type SampleStore, sampleStore } from "./sample-store.js";

let store: SampleStore;

beforeAll(async () => {
  store = await sampleStore();
  writeFileSync(join(store.folder, "text.db"), "this is no database, but long enough to look like one\n".repeat(100));
  writeFileSync(join(store.folder, "empty.db"), "");
  mkdirSync(join(store.folder, "folder.db"));
});
afterAll(() => store[Symbol.dispose]());

const COMMANDS = [
  ["sessions", "ls"],
  ["sessions", "show", "trip-1"],
  ["sessions", "end", "trip-1"],
  ["sessions", "rm", "trip-1", "--yes"],
  ["history", "trip-1"],
  ["threads", "ls"],
  ["threads", "rm", "work", "--yes"],
  ["checkpoints", "ls", "work"],
  ["checkpoints", "show", "work"],
  ["checkpoints", "rm", "work", "step-1", "--yes"],
  ["checkpoints", "prune", "--keep-last", "1", "--yes"],
  ["contexts", "ls", "trip-1"],
  ["contexts", "show", "trip-1"],
  ["items", "ls"],
  ["metrics"],
  ["health"],
  ["cleanup", "--yes"],
  ["export"],
];

/** Both forms of a failure. @returns what people read */
async function fails(args: readonly string[], code: number, failure: string): Promise<string> {
  const [words] = await Promise.all([failsForPeople(args, code), failsWithJson(args, code, failure)]);
  return words;
}

async function failsForPeople(args: readonly string[], code: number): Promise<string> {
  const plain = await runCommand(args, { cwd: store.folder });
  expect({ args, code: plain.code, stdout: plain.stdout }).toEqual({ args, code, stdout: "" });
  expect(plain.stderr).toMatch(/^waystone: .*\n(.*\n)* {2}hint: .+\n {2}see: {2}docs\/\S+\n$/);
  return plain.stderr;
}

async function failsWithJson(args: readonly string[], code: number, failure: string): Promise<void> {
  const json = await runCommand([...args, "--json", "-q"], { cwd: store.folder });
  expect({ args, code: json.code, stdout: json.stdout }).toEqual({ args, code, stdout: "" });
  expect(JSON.parse(json.stderr)).toEqual({
    error: {
      code: failure,
      message: expect.any(String),
      hint: expect.stringMatching(/./),
      docs: expect.stringMatching(new RegExp(`^docs/(cli|errors)\\.md#${failure.toLowerCase()}$`)),
    },
  });
}

describe("a store that is not there", () => {
  it.each(COMMANDS.map((args) => ({ args })))("is not created by $args", async ({ args }) => {
    const words = await failsForPeople(args, 7);
    expect(words).toContain("./.waystone/store.db");
    expect(words).toContain("WAYSTONE_URL");
    expect(words).toContain("waystone import");
    await failsWithJson([...args, "-u", "sqlite:no/such/store.db"], 7, "STORE_NOT_FOUND");
    expect(readdirSync(store.folder).sort()).toEqual(expect.not.arrayContaining([".waystone", "no"]));
  });

  it("is also an empty file", async () => {
    await fails(["sessions", "ls", "-u", "sqlite:empty.db"], 7, "STORE_NOT_FOUND");
    expect(readFileSync(join(store.folder, "empty.db"))).toHaveLength(0);
  });
});

describe("a store that cannot be opened", () => {
  it.each([
    ["sessions ls -u ftp:nowhere", 2, "INVALID_ARGUMENT"],
    ["sessions ls -u nonsense", 2, "INVALID_ARGUMENT"],
    ["sessions ls -u sqlite:", 2, "INVALID_ARGUMENT"],
    ["sessions ls -u sqlite:agent.db?pool=3", 2, "INVALID_ARGUMENT"],
    ["sessions ls -u sqlite:text.db", 4, "CORRUPTION"],
    ["export -u sqlite:text.db", 4, "CORRUPTION"],
    ["import -u sqlite:text.db", 4, "CORRUPTION"],
  ])("%s ends with %i %s", async (line, code, failure) => {
    const before = readFileSync(join(store.folder, "text.db"));
    await fails(line.split(" "), code, failure);
    expect(readFileSync(join(store.folder, "text.db"))).toEqual(before);
  });

  it("fails for a folder", async () => {
    const { code, stdout } = await runCommand(["sessions", "ls", "-u", "sqlite:folder.db"], { cwd: store.folder });
    expect(code).toBeGreaterThan(1);
    expect(stdout).toBe("");
  });

  it.each([
    ["ENOENT", 3],
    ["EACCES", 6],
    ["EROFS", 6],
    ["EISDIR", 2],
    ["ENOSPC", 1],
    ["EIO", 1],
  ])("by %s has the exit code %i", (code, exitCode) => {
    const failure = fileFailure(Object.assign(new Error(code), { code }), "a\nb");
    expect(failureReport(failure).exitCode).toBe(exitCode);
    expect(failureReport(failure).message).not.toContain("\n");
  });

  it("is unhealthy: a report on stdout, and exit code 7", async () => {
    const { code, stdout } = await runCommand(["health", "-u", "sqlite:text.db", "--json"], { cwd: store.folder });
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toMatchObject({ status: "unhealthy", checks: [{ status: "error" }] });
  });
});

describe("a store that is busy", () => {
  it("is given up after --timeout, with nothing changed", async () => {
    const other = new DatabaseSync(join(store.folder, "agent.db"));
    try {
      other.exec("BEGIN IMMEDIATE");
      const start = performance.now();
      await failsWithJson(["sessions", "end", "trip-1", "-u", store.url, "--timeout", "300ms"], 7, "TIMEOUT");
      expect(performance.now() - start).toBeLessThan(8000);
    } finally {
      other.close();
    }
    const { stdout } = await runCommand(["sessions", "show", "trip-1", "-u", store.url, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ status: "active" });
  });
});

describe("what is not there", () => {
  it.each([
    ["sessions show nobody", "SESSION_NOT_FOUND"],
    ["sessions end nobody", "SESSION_NOT_FOUND"],
    ["sessions rm nobody --yes", "SESSION_NOT_FOUND"],
    ["history nobody", "SESSION_NOT_FOUND"],
    ["history nobody --follow", "SESSION_NOT_FOUND"],
    ["contexts ls nobody", "SESSION_NOT_FOUND"],
    ["contexts show visit-1", "NOT_FOUND"],
    ["contexts show trip-1 9", "NOT_FOUND"],
    ["threads ls --session nobody", "SESSION_NOT_FOUND"],
    ["threads rm nothing --yes", "NOT_FOUND"],
    ["checkpoints ls nothing", "NOT_FOUND"],
    ["checkpoints show nothing", "NOT_FOUND"],
    ["checkpoints show work --id nothing", "NOT_FOUND"],
    ["checkpoints rm nothing step-1 --yes", "NOT_FOUND"],
    ["checkpoints rm work step-1 nothing --yes", "NOT_FOUND"],
    ["export --session nobody", "SESSION_NOT_FOUND"],
    ["sessions show @last --tenant acme", "NOT_FOUND"],
  ])("%s ends with 3", async (line, failure) => {
    await fails([...line.split(" "), "-u", store.url], 3, failure);
  });
});

describe("wrong usage", () => {
  it.each([
    ["sesions ls", "Did you mean sessions?"],
    ["sessions lss", "Did you mean ls?"],
    ["sessions ls --jsno", "Did you mean --json?"],
    ["sessions ls --limt 3", "Did you mean --limit?"],
    ["sessions", "--help"],
    ["sessions show", "--help"],
    ["sessions show a b", "--help"],
    ["sessions ls --limit x", "--help"],
    ["sessions ls --limit -1", "--help"],
    ["sessions ls --status done", "--help"],
    ["sessions ls --since yesterday", "--help"],
    ["sessions ls --meta tier", "--help"],
    ["sessions ls --timeout 30", "--help"],
    ["checkpoints prune", "--help"],
    ["history a --follow --before 3", "--help"],
  ])("%s is told with %j", async (line, hint) => {
    expect(await fails(line.split(" "), 2, "USAGE")).toContain(hint);
  });

  it.each([
    "sessions ls --limit 1001",
    "history trip-1 --limit 10001",
    "sessions ls --cursor abc",
    "sessions ls --cursor a.b",
    "sessions ls --since 2h --cursor a.b",
    "checkpoints ls work --cursor after-3",
    `sessions show ${"x".repeat(513)}`,
  ])("%s is refused by the storage's own words", async (line) => {
    await fails([...line.split(" "), "-u", store.url], 2, "INVALID_ARGUMENT");
  });
});

describe("the report of an error", () => {
  it.each([
    [new SessionNotFoundError("a"), 3],
    [new SessionExistsError("a"), 5],
    [new ConflictError("a"), 5],
    [new FencedError("a"), 5],
    [new StorageConnectionError("a"), 7],
    [new StorageTimeoutError("a"), 7],
    [new AbortedError("a"), 1],
    [new InvalidArgumentError("a"), 2],
    [new InvalidArgumentError("a", { operation: "importRecords" }), 4],
    [new SerializationError("$", "a"), 4],
    [new CorruptionError("a"), 4],
    [new UnsupportedError("a"), 6],
    [new ClosedError("a"), 1],
    [new CommandFailure("STORE_NOT_FOUND", "a"), 7],
    [new TypeError("a"), 1],
  ])("%s has an exit code, a hint and a page", (error, exitCode) => {
    const report = failureReport(error);
    expect(report.exitCode).toBe(exitCode);
    expect(report.hint).not.toBe("");
    const [page = "", anchor = ""] = report.docs.split("#");
    const { anchors, headings } = readMarkdownPage(readFileSync(join(repositoryRoot, page), "utf8"));
    expect(anchors).toContain(anchor);
    expect(headings.map(({ text }) => text)).toContain(report.code);
  });

  it("has a page for every code", () => {
    const pages = ["cli.md", "errors.md"].map((page) => readFileSync(join(repositoryRoot, "docs", page), "utf8"));
    for (const code of Object.keys(EXIT_OF_CODE)) {
      expect(
        pages.some((text) => new RegExp(`^#+ ${code}$`, "m").test(text)),
        code,
      ).toBe(true);
    }
  });

  it("shows what the driver said and hides credentials", () => {
    const cause = new Error("connect ECONNREFUSED postgres://ada:hunter2@db:5432/x?sslpassword=hunter2&a=1");
    const error = new StorageConnectionError("the store cannot be reached", { cause });
    for (const json of [true, false]) {
      const text = failureText(failureReport(error), json);
      expect(text).toContain("ECONNREFUSED postgres://ada:***@db:5432/x?sslpassword=***&a=1");
      expect(text).not.toContain("hunter2");
    }
  });
});

it("does not touch the folder it is started in", () => {
  expect(existsSync(join(store.folder, ".waystone"))).toBe(false);
});
