// Every example runs against the built package and prints what stands beside it.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { userEnvironment } from "./support/packed-package.js";
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
    if (!existsSync(join(repositoryRoot, "dist"))) throw new Error("dist is not built: run `npm run build` first");
    const done = spawnSync(process.execPath, [file], {
      cwd: folder,
      env: userEnvironment,
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(done.stderr).toBe("");
    expect(done.stdout).toBe(readFileSync(join(folder, `${basename(file, ".ts")}.out`), "utf8"));
    expect(done.status).toBe(0);
  });
});
