// The face of the command: help, version, colours, and that its code and page name the same commands.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeInvocation } from "../../src/cli/invocation.js";
import { manifest, repositoryRoot } from "../support/repository.js";
import { runCommand } from "./run-command.js";

const COMMANDS = [
  "sessions ls",
  "sessions show",
  "sessions end",
  "sessions rm",
  "history",
  "threads ls",
  "threads rm",
  "checkpoints ls",
  "checkpoints show",
  "checkpoints rm",
  "checkpoints prune",
  "contexts ls",
  "contexts show",
  "items ls",
  "health",
  "metrics",
  "cleanup",
  "schema print",
  "schema migrate",
  "schema status",
  "export",
  "import",
  "import-langgraph",
];

describe("help", () => {
  const page = readFileSync(join(repositoryRoot, "docs", "cli.md"), "utf8");

  it.each(COMMANDS)("of %s names its options, which the page names too", async (command) => {
    const { code, stdout, stderr } = await runCommand([...command.split(" "), "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`Usage: waystone ${command}`);
    expect(page).toContain(`\`${command}`);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option ?? "");
    expect(options).toContain("--json");
    expect(options.filter((option) => !page.includes(option) && !["--help", "--version"].includes(option))).toEqual([]);
  });

  it("is what the command says without words, and with --help", async () => {
    const [bare, help] = await Promise.all([runCommand([]), runCommand(["--help"])]);
    expect(bare).toEqual(help);
    expect(help.code).toBe(0);
    for (const command of COMMANDS) expect(help.stdout).toContain(` ${command.split(" ")[0]}`);
  });

  it("shows the version", async () => {
    for (const option of ["--version", "-V"]) {
      expect(await runCommand([option])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
    }
  });
});

describe("the form of the output", () => {
  const never = new AbortController().signal;
  const terminal = { isTTY: true, columns: 132, hasColors: () => true };
  const streams = (stdout: object, env: Record<string, string> = {}): typeof process =>
    ({ stdout, stderr: { isTTY: true }, env }) as unknown as typeof process;

  it("is a coloured table at a terminal, as wide as it is", () => {
    const { form, style } = makeInvocation({ color: true }, [], never, streams(terminal));
    expect({ form, style }).toMatchObject({ form: "table", style: { width: 132, color: true } });
  });

  it.each([
    [{ color: false }, {}],
    [{ color: true }, { NO_COLOR: "1" }],
  ])("has no colour with %j and %j", (options, env) => {
    expect(makeInvocation(options, [], never, streams(terminal, env)).style.color).toBe(false);
  });

  it("is colourless text for a pipe, and JSON when asked", () => {
    const pipe = streams({});
    expect(makeInvocation({ color: true }, [], never, pipe)).toMatchObject({ form: "text", style: { color: false } });
    expect(makeInvocation({ color: true, json: true }, [], never, streams(terminal)).form).toBe("json");
  });
});
