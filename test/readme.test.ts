// Every block of the README does what the page says, run from top to bottom with the packed package.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installPackage, packPackage, temporaryFolder, userEnvironment } from "./support/packed-package.js";
import { blockWord, printsAsShown, type ReadmeBlock, RUN_LANGUAGES, readmeBlocks } from "./support/readme-blocks.js";
import { manifest, repositoryRoot } from "./support/repository.js";

const readme = readFileSync(join(repositoryRoot, "README.md"), "utf8");
const blocks = readmeBlocks(readme);
const forTheRepository = blocks.filter((block) => block.words.includes("repository"));
const forUsers = blocks.filter((block) => RUN_LANGUAGES.includes(block.language) && !forTheRepository.includes(block));
const firstCode = forUsers.find((block) => block.language !== "sh");

describe("the README's blocks", () => {
  const folder = temporaryFolder();
  const installed = join(folder.path, "installed");
  let tarball = "";
  let current = "";

  beforeAll(() => {
    tarball = packPackage(folder.path);
    mkdirSync(installed);
    installPackage(installed, tarball);
  });
  afterAll(() => folder[Symbol.dispose]());

  it("are there", () => {
    expect(forUsers.length).toBeGreaterThan(1);
    expect(firstCode).toBeDefined();
  });

  it.each(forUsers.map((block) => [`line ${block.line}, ${block.language}`, block] as const))("%s", (_name, block) => {
    if (!block.words.includes("continues")) {
      current = join(folder.path, `line-${block.line}`);
      cpSync(installed, current, { recursive: true });
    }
    const file = join(current, blockWord(block, "file") ?? `line-${block.line}.${block.language}`);
    writeFileSync(file, offline(block, tarball));
    if (block.language === "ts") checkTypes(current, file);
    const printed = run(block.language === "sh" ? ["sh", "-eu", file] : ["node", file], current);
    if (block.output !== undefined && !printsAsShown(printed, block.output)) expect(printed).toBe(block.output);
  });
});

describe("the README's commands for the repository", () => {
  it("name the two that set up and test it, which CI runs word for word", () => {
    const setUpAndTest = "npm ci && npm test";
    expect(forTheRepository.map((block) => block.code).join("\n")).toContain(setUpAndTest);
    expect(readFileSync(join(repositoryRoot, ".ci", "run"), "utf8")).toContain(setUpAndTest);
  });

  it("name only scripts that exist", () => {
    const commands = forTheRepository.flatMap((block) => block.code.split(/\n|&&/)).map((command) => command.trim());
    const scripts = commands.flatMap((command) => /^npm run (\S+)/.exec(command)?.[1] ?? []);
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(scripts));
    expect(commands.filter((command) => !/^(npm (ci|test|run \S+)|git clone|cd )/.test(command))).toEqual([]);
  });
});

describe("the README as a page", () => {
  const lines = readme.split("\n");

  it("installs by line 15", () => {
    const install = lines.findIndex((line) => line.trim() === `npm install ${manifest.name}`);
    expect(install).toBeGreaterThan(-1);
    expect(install + 1).toBeLessThanOrEqual(15);
  });

  it("begins with code of at most 10 lines", () => {
    expect(firstCode?.code.split("\n").length).toBeLessThanOrEqual(10);
  });

  it("is at most 120 lines long", () => {
    expect(lines.length).toBeLessThanOrEqual(120);
  });

  it("links only to files that are there", () => {
    const targets = [...readme.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => match[1] ?? "");
    const missing = targets.filter((target) => !existsSync(join(repositoryRoot, target)));
    expect(missing).toEqual([]);
  });
});

/** The package is not fetched but installed from the tarball, by the command that the page shows. */
function offline(block: ReadmeBlock, tarball: string): string {
  if (block.language !== "sh") return `${block.code}\n`;
  return `${block.code.replaceAll(`npm install ${manifest.name}`, `npm install --offline "${tarball}"`)}\n`;
}

/** A reader's editor shows no error either; as in Node.js, `await` at the top makes a module of the file. */
function checkTypes(folder: string, file: string): void {
  const language = ["--strict", "--target", "es2023", "--lib", "es2023,esnext.disposable"];
  const modules = ["--module", "esnext", "--moduleResolution", "bundler"];
  const types = ["--types", "node", "--typeRoots", join(repositoryRoot, "node_modules", "@types")];
  const compiler = join(repositoryRoot, "node_modules", ".bin", "tsc");
  run([compiler, "--ignoreConfig", "--noEmit", ...language, ...modules, ...types, file], folder);
}

function run([program = "", ...args]: readonly string[], cwd: string): string {
  const done = spawnSync(program, args, { cwd, env: userEnvironment, encoding: "utf8", timeout: 60_000 });
  const report = `${program} ${args.join(" ")}\n${done.error ?? ""}\n${done.stdout}\n${done.stderr}`;
  expect(done.status, report).toBe(0);
  return done.stdout;
}
