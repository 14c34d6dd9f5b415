// The tarball that a user installs: what it holds, and what it must not.
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leaksIn } from "./support/leaks.js";
import {
  installPackage,
  packedFiles,
  packPackage,
  temporaryFolder,
  userEnvironment,
} from "./support/packed-package.js";
import { manifest } from "./support/repository.js";

describe("the list of packed files", () => {
  const files = packedFiles();

  it("holds the built library, the command, the licence and the pages", () => {
    expect(files).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "package.json",
        "dist/index.js",
        "dist/cli/main.js",
      ]),
    );
  });

  it("holds nothing else", () => {
    const expected = /^(dist\/.+\.(js|d\.ts|js\.map|txt)|docs\/.+|README\.md|CHANGELOG\.md|LICENSE|package\.json)$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
  });

  it("holds no tests, benchmarks, demonstrations or settings of the repository", () => {
    const wrong =
      /(^|\/)(test|bench|demo|examples|scripts|node_modules|src|\.ci|\.git[^/]*|\.npmrc|\.env.*)(\/|$)|\.test\.|\.tgz$/;
    expect(files.filter((file) => wrong.test(file))).toEqual([]);
  });
});

describe("the installed package", () => {
  const folder = temporaryFolder();
  const home = join(folder.path, "home");
  const installed = join(home, "node_modules", manifest.name);

  beforeAll(() => {
    mkdirSync(home);
    installPackage(home, packPackage(folder.path));
  });
  afterAll(() => folder[Symbol.dispose]());

  it("brings no other package", () => {
    expect(globSync("node_modules/{*,@*/*}/package.json", { cwd: home })).toEqual([
      join("node_modules", manifest.name, "package.json"),
    ]);
  });

  it("holds no secret and no path of the machine that built it", () => {
    const files = globSync("**/*", { cwd: installed }).filter((file) => statSync(join(installed, file)).isFile());
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap((file) => leaksIn(file, readFileSync(join(installed, file), "utf8")))).toEqual([]);
  });

  it("runs its command by name", () => {
    const version = execFileSync("npx", ["--no-install", "waystone", "--version"], { cwd: home, env: userEnvironment });
    expect(version.toString().trim()).toBe(manifest.version);
  });
});

describe("the search for leaks", () => {
  it.each([
    ["-----BEGIN RSA PRIVATE KEY-----", "a private key"],
    [`npm_${"a1B2".repeat(9)}`, "an npm token"],
    [`ghp_${"a1B2".repeat(9)}`, "a GitHub token"],
    ["AKIAABCDEFGHIJKLMNOP", "an AWS key"],
    ["//host.example/:_authToken=x", "an npm login"],
    [join(process.cwd(), "src", "index.ts"), "a path of the build"],
  ])("finds %s", (text, what) => {
    expect(leaksIn("a.js", `before ${text} after`)).toEqual([`a.js holds ${what}`]);
  });

  it("finds nothing in plain code", () => {
    expect(leaksIn("a.js", 'const key = "npm_config_cache"; // a token, a private key')).toEqual([]);
  });
});
