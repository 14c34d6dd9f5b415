// A Node.js that is too old gets one clear sentence, from every entry and from the command.
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeVersionProblem } from "../src/node-version.js";
import { manifest, repositoryRoot } from "./support/repository.js";

describe("nodeVersionProblem", () => {
  it.each(["22.13.0", "22.23.3", "23.0.0", "24.21.0", "26.10.0", "100.0.0", "22.13.0-nightly"])(
    "accepts %s",
    (version) => {
      expect(nodeVersionProblem(version)).toBeUndefined();
    },
  );

  it.each(["0.12.18", "16.20.2", "20.20.2", "21.7.3", "22.0.0", "22.9.0", "22.12.0"])("refuses %s", (version) => {
    expect(nodeVersionProblem(version)).toBe(`Waystone needs Node.js >= 22.13; this is v${version}.`);
  });

  it.each([undefined, "", "unknown"])("says nothing of a runtime that is not Node.js: %s", (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined();
  });

  it("asks for the version that the manifest asks for", () => {
    const required = manifest.engines.node.replace(">=", "");
    expect(nodeVersionProblem(`${required}.0`)).toBeUndefined();
    expect(nodeVersionProblem("0.0.0")).toContain(`>= ${required};`);
  });
});

interface Runtime {
  readonly name: string;
  readonly command: readonly string[];
}

/** The pinned Node.js that says it is an older one, and each really older one on this machine's path. */
const oldRuntimes: readonly Runtime[] = [
  {
    name: "v20.0.0, as this Node.js pretends",
    command: [
      process.execPath,
      "--import",
      `data:text/javascript,Object.defineProperty(process.versions, "node", { value: "20.0.0" })`,
    ],
  },
  ...reallyOldRuntimes(),
];

const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith(".json"));

describe.each(oldRuntimes)("on Node.js $name", ({ command }) => {
  it.each(entries)("importing %s throws one sentence", (entry) => {
    const specifier = `${manifest.name}${entry.slice(1)}`;
    const print = `import(${JSON.stringify(specifier)}).then(() => "nothing was thrown", (error) => error.message).then(console.log)`;
    const done = run([...command, "--eval", print]);
    expect(done).toMatchObject({
      stdout: expect.stringMatching(/^Waystone needs Node\.js >= 22\.13; this is v\S+\.\n$/),
    });
  });

  it("the command prints the sentence and fails", () => {
    const done = run([...command, join(repositoryRoot, manifest.bin.waystone ?? ""), "--version"]);
    expect(done).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/^Waystone needs Node\.js >= 22\.13; this is v\S+\.\n$/),
    });
  });
});

function run([program = "", ...args]: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: repositoryRoot,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

function reallyOldRuntimes(): Runtime[] {
  const candidates = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  const programs = new Set(candidates.filter((path) => existsSync(path)).map((path) => realpathSync(path)));
  return [...programs].flatMap((program) => {
    const name = run([program, "--version"]).stdout.trim();
    return nodeVersionProblem(name.slice(1)) === undefined ? [] : [{ name, command: [program] }];
  });
}
