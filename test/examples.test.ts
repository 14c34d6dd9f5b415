// Every example runs against the built package and prints what stands beside it; the demo prints what the README shows.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { userEnvironment } from "./support/packed-package.js";
import { readmeBlocks } from "./support/readme-blocks.js";
import { repositoryRoot } from "./support/repository.js";

const folder = join(repositoryRoot, "examples");
const examples = globSync("*.ts", { cwd: folder }).sort();

describe("the examples", () => {
  it("are there, each with what it prints and a line in the list", () => {
    const list = readFileSync(join(folder, "README.md"), "utf8");
    const listed = [...list.matchAll(/^\| \[(.+?\.ts)\]\(\1\) \|/gm)].map((match) => match[1]);
    expect(examples.length).toBeGreaterThan(0);
    expect(listed.sort()).toEqual(examples);
    expect(globSync("*.out", { cwd: folder }).sort()).toEqual(examples.map((file) => `${basename(file, ".ts")}.out`));
  });

  it.each(examples)("%s prints what stands beside it", (file) => {
    expect(run(file, folder)).toBe(readFileSync(join(folder, `${basename(file, ".ts")}.out`), "utf8"));
  });
});

describe("the demo", () => {
  it("prints the lines that the README shows of it, whichever step is hit", { timeout: 60_000 }, () => {
    const lines = (text: string): string[] => text.replaceAll(/\d+/g, "9").split("\n");
    const blocks = readmeBlocks(readFileSync(join(repositoryRoot, "README.md"), "utf8"));
    const shown = blocks.find((block) => block.code.includes("npm run demo"))?.output;
    const wanted = lines(shown ?? "").filter((line) => line !== "" && line !== "…" && !/^ {2}q9/.test(line));
    expect(wanted.length).toBeGreaterThan(3);
    const printed = lines(run("demo/main.ts", repositoryRoot));
    // In this order: each is looked for behind the one before.
    const missing = wanted.filter((line) => {
      const at = printed.indexOf(line);
      return at === -1 || printed.splice(0, at + 1).length === 0;
    });
    expect(missing).toEqual([]);
  });
});

/** What a program prints; one that fails, or complains, is reported with its complaint. */
function run(file: string, cwd: string): string {
  if (!existsSync(join(repositoryRoot, "dist"))) throw new Error("dist is not built: run `npm run build` first");
  const done = spawnSync(process.execPath, [file], { cwd, env: userEnvironment, encoding: "utf8", timeout: 50_000 });
  expect(done.stderr).toBe("");
  expect(done.status, done.stdout).toBe(0);
  return done.stdout;
}
