// Export and import: what goes out comes in again, and what is wrong is said by line.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand, runJson } from "./run-command.js";
import { HARMFUL, type SampleStore, sampleStore } from "./sample-store.js";

let store: SampleStore;
let exported: string;

const inFolder = (name: string): string => join(store.folder, name);
const storeIn = (name: string): string => `sqlite:${inFolder(name)}`;

beforeAll(async () => {
  store = await sampleStore();
  const { code, stdout } = await runCommand(["export", "-u", store.url]);
  expect(code).toBe(0);
  exported = stdout;
});
afterAll(() => store[Symbol.dispose]());

const kindsOf = (lines: string): string[] =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).kind);

describe("export", () => {
  it("writes a record a line, and the rest to stderr", async () => {
    expect(kindsOf(exported).filter((kind) => kind === "message")).toHaveLength(6);
    expect(exported).not.toMatch(HARMFUL);
    const { stderr } = await runCommand(["export", "-u", store.url]);
    expect(stderr).toMatch(new RegExp(`^${kindsOf(exported).length} records, .*\n$`));
    expect((await runCommand(["export", "-u", store.url, "-q"])).stderr).toBe("");
  });

  it("tells its progress as events with --json", async () => {
    const { stdout, stderr } = await runCommand(["export", "-u", store.url, "--json"]);
    expect(stdout).toBe(exported);
    const events = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({
      progress: { records: kindsOf(exported).length, bytes: Buffer.byteLength(exported) },
    });
  });

  it("takes a part", async () => {
    const only = async (...args: string[]): Promise<string[]> =>
      kindsOf((await runCommand(["export", "-u", store.url, ...args])).stdout);
    expect(new Set(await only("--kind", "item", "--kind", "thread"))).toEqual(new Set(["item", "thread"]));
    expect((await only("--session", "visit")).filter((kind) => kind === "session")).toHaveLength(1);
    expect(new Set(await only("--thread", "work"))).toEqual(new Set(["thread", "checkpoint", "write"]));
    expect((await runCommand(["export", "-u", store.url, "--thread", "a", "--session", "b"])).code).toBe(2);
    expect(await only("--session", "visit", "--after", "1000")).toEqual(["session"]);
    for (const wrong of [
      ["--after", "1"],
      ["--session", "visit", "--after", "-1"],
      ["--thread", "work", "--after", "x"],
    ]) {
      expect((await runCommand(["export", "-u", store.url, ...wrong])).code).toBe(2);
    }
  });

  it("writes files whole, also compressed ones", async () => {
    const { stdout, stderr, code } = await runCommand([
      "export",
      "-u",
      store.url,
      "-o",
      inFolder("all.jsonl.gz"),
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      file: inFolder("all.jsonl.gz"),
      records: kindsOf(exported).length,
      bytes: Buffer.byteLength(exported),
    });
    expect(JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "")).toHaveProperty("progress");
    expect(gunzipSync(readFileSync(inFolder("all.jsonl.gz"))).toString()).toBe(exported);
    expect(readdirSync(store.folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("says that a file cannot be written", async () => {
    const { code, stdout } = await runCommand([
      "export",
      "-u",
      store.url,
      "-o",
      inFolder("no/such/folder.jsonl"),
      "--json",
    ]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  });
});

describe("import", () => {
  it("makes an equal store from a file, from a compressed file and from stdin", async () => {
    writeFileSync(inFolder("all.jsonl"), exported);
    writeFileSync(inFolder("in.jsonl.gz"), gzipSync(exported));
    const ways = [
      { args: [inFolder("all.jsonl")], input: "" },
      { args: [inFolder("in.jsonl.gz")], input: "" },
      { args: ["-"], input: exported.replaceAll("\n", "\r\n\n") },
      { args: [], input: exported.trimEnd() },
    ];
    for (const [index, { args, input }] of ways.entries()) {
      const url = storeIn(`copy-${index}.db`);
      const { code, stdout } = await runCommand(["import", ...args, "-u", url, "--json"], { input });
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        changed: kindsOf(exported).length,
        imported: { message: 6, session: 4 },
        skipped: 0,
        replaced: 0,
      });
      expect((await runCommand(["export", "-u", url])).stdout).toBe(exported);
    }
  });

  it("creates the default store, and the others then find it", async () => {
    const cwd = store.folder;
    expect((await runCommand(["sessions", "ls"], { cwd })).code).toBe(7);
    expect((await runCommand(["import", "-q"], { cwd, input: exported })).stdout).toContain("changed\t");
    expect(await runJson(["sessions", "ls"], { cwd })).toMatchObject({ count: 4 });
  });

  it("asks what to do with what is stored", async () => {
    const again = (...args: string[]): ReturnType<typeof runCommand> =>
      runCommand(["import", "-u", storeIn("twice.db"), ...args, "--json"], { input: exported });
    await again();
    const { code, stdout, stderr } = await again();
    expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
    expect(stderr).toContain("--on-conflict");
    expect(JSON.parse((await again("--on-conflict", "skip")).stdout)).toMatchObject({ changed: 0 });
    expect(JSON.parse((await again("--on-conflict", "replace")).stdout)).toMatchObject({
      changed: kindsOf(exported).length,
    });
  });

  const session = (): string => `${exported.split("\n")[0]}\n`;
  it.each([
    ["no JSON", () => `${session()}{"kind":`, 4, /line 2 of stdin is not JSON/],
    ["no UTF-8", () => Buffer.from([0x22, 0xff, 0x22]), 4, /line 1 of stdin is not UTF-8/],
    ["no record", () => `${session()}\n{"kind":"nonsense"}`, 4, /record 2/i],
    ["a number", () => "7", 4, /record 1/i],
  ])("refuses %s by its number", async (name, input, exitCode, words) => {
    const url = storeIn(`bad ${name}.db`);
    const { code, stdout, stderr } = await runCommand(["import", "-u", url, "--json", "-q"], { input: input() });
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: "" });
    expect(JSON.parse(stderr).error.message).toMatch(words);
  });

  it("says that a compressed file is cut off", async () => {
    writeFileSync(inFolder("cut.jsonl.gz"), gzipSync(exported).subarray(0, -20));
    writeFileSync(inFolder("fake.gz"), exported);
    for (const file of ["cut.jsonl.gz", "fake.gz"]) {
      const { code, stderr } = await runCommand(["import", inFolder(file), "-u", storeIn(`${file}.db`)]);
      expect(code).toBe(4);
      expect(stderr).toContain("is not a whole gzip file");
    }
  });

  it("leaves no store behind when there is no such file", async () => {
    const { code, stdout } = await runCommand(["import", inFolder("none.jsonl"), "-u", storeIn("none.db"), "--json"]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(existsSync(inFolder("none.db"))).toBe(false);
    expect((await runCommand(["import", store.folder, "-u", storeIn("none.db")])).code).toBe(2);
  });
});
