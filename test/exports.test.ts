// What `package.json` promises of the built package is there, typed, and loads no more than it should.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VERSION } from "../src/version.js";
import { importsOf, readImportGraph } from "./support/import-graph.js";
import { manifest, repositoryRoot } from "./support/repository.js";
import { forbiddenSyntax } from "./support/syntax.js";

const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === "string" ? [] : [{ name, specifier: `${manifest.name}${name.slice(1)}`, ...target }],
);

describe("the manifest", () => {
  it("has no dependencies and no script that runs at installation", () => {
    expect(manifest).not.toHaveProperty("dependencies");
    expect(manifest).not.toHaveProperty("optionalDependencies");
    expect(manifest).not.toHaveProperty("bundleDependencies");
    const atInstallation = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];
    expect(Object.keys(manifest.scripts).filter((name) => atInstallation.includes(name))).toEqual([]);
  });

  it("pins every development dependency to one version", () => {
    const loose = Object.entries(manifest.devDependencies).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range));
    expect(loose).toEqual([]);
  });

  it("has the version that the code reports", () => {
    expect(VERSION).toBe(manifest.version);
  });

  it("has a lock file that names no registry", () => {
    expect(readFileSync(join(repositoryRoot, "package-lock.json"), "utf8")).not.toMatch(
      /"resolved"|https?:\/\/registry/,
    );
  });
});

describe("the exports", () => {
  it("are the public entries", () => {
    expect(entries.map((entry) => entry.name)).toEqual(
      expect.arrayContaining([".", "./memory", "./sqlite", "./driver"]),
    );
    expect(manifest.exports["./package.json"]).toBe("./package.json");
  });

  it.each(entries)("$name has its types first, then its code, both built from one source", (entry) => {
    expect(Object.keys(manifest.exports[entry.name] ?? {})).toEqual(["types", "default"]);
    expect(entry.types).toBe(entry.default.replace(/\.js$/, ".d.ts"));
    for (const file of [entry.types, entry.default]) expect(existsSync(join(repositoryRoot, file)), file).toBe(true);
    expect(existsSync(join(repositoryRoot, sourceOf(entry.default)))).toBe(true);
  });

  it.each(entries)("$name can be imported, has named exports only and says nothing", ({ specifier }) => {
    const names = JSON.parse(runModule(`console.log(JSON.stringify(Object.keys(await import("${specifier}"))))`));
    expect(names).not.toContain("default");
    expect(names.length).toBeGreaterThan(0);
  });

  it.each(entries)("$name can be required", ({ specifier }) => {
    const print = `const { createRequire } = await import("node:module");
      const required = createRequire(process.cwd() + "/x.js")("${specifier}");
      console.log(Object.keys(required).length > 0)`;
    expect(runModule(print).trim()).toBe("true");
  });

  it.each(entries)("$name refuses an old Node.js before anything else", ({ default: file }) => {
    const source = sourceOf(file);
    const [first] = importsOf(source, readFileSync(join(repositoryRoot, source), "utf8")).filter(
      (each) => each.when === "static",
    );
    expect(first?.specifier).toMatch(/^(\.\/|(\.\.\/)+)require-node\.js$/);
  });

  it("are the same entries as the paths of the type checker", () => {
    const { paths } = JSON.parse(readFileSync(join(repositoryRoot, "tsconfig.json"), "utf8")).compilerOptions;
    const expected = entries.map((entry) => [entry.specifier, [`./${sourceOf(entry.default)}`]]);
    expect(paths).toEqual({ ...Object.fromEntries(expected), "#dist/*": ["./src/*"] });
  });

  it("load no driver with the root", () => {
    const record = `import { registerHooks } from "node:module";
      registerHooks({ resolve(specifier, context, next) {
        const resolved = next(specifier, context);
        console.log(resolved.url);
        return resolved;
      } });
      await import("waystone");`;
    const loaded = runModule(record).trim().split("\n");
    const foreign = loaded.filter((url) => /\/backends\/|\/adapters\/|\/cli\/|node_modules|node:sqlite/.test(url));
    expect(loaded.some((url) => url.endsWith("/dist/index.js"))).toBe(true);
    expect(foreign).toEqual([]);
  });
});

describe("the command", () => {
  const command = join(repositoryRoot, manifest.bin.waystone ?? "");

  it("is executable, prints its version and ships the licences of what it contains", () => {
    expect(statSync(command).mode & 0o111).toBe(0o111);
    expect(readFileSync(command, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    const done = spawnSync(command, ["--version"], { encoding: "utf8" });
    expect(done).toMatchObject({ status: 0, stdout: `${VERSION}\n`, stderr: "" });
    const licences = readFileSync(join(repositoryRoot, "dist", "cli", "THIRD-PARTY-LICENSES.txt"), "utf8");
    expect(licences).toContain("commander");
  });

  it("imports nothing that the package does not hold", () => {
    const built = readImportGraph(join(repositoryRoot, "dist"), "**/*.js");
    const packages = [...built].flatMap(([file, imports]) =>
      imports
        .map((each) => each.specifier)
        .filter((specifier) => !/^(\.|node:|<computed>)/.test(specifier))
        .map((specifier) => ({ file, specifier })),
    );
    const optional = Object.keys(manifest.peerDependencies ?? {});
    const foreign = packages.filter(
      ({ file, specifier }) =>
        !(file.startsWith("cli/") && isBuiltin(specifier)) && !optional.some((name) => isOf(name, specifier)),
    );
    expect(foreign).toEqual([]);
  });
});

/** Whether a specifier is a package or one of its entries. */
function isOf(name: string, specifier: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`);
}

describe("the packages that layers contain", () => {
  it("come with their licences, and no type of theirs is public", () => {
    const folder = join(repositoryRoot, "dist", "layers", "bundled");
    expect(readFileSync(join(folder, "THIRD-PARTY-LICENSES.txt"), "utf8")).toContain("cockatiel");
    expect(globSync("*", { cwd: folder }).filter((file) => !/^(.+\.js|THIRD-PARTY-LICENSES\.txt)$/.test(file))).toEqual(
      [],
    );
    const declarations = globSync("**/*.d.ts", { cwd: join(repositoryRoot, "dist") });
    const foreign = declarations.filter((file) =>
      /from "(cockatiel|lru-cache)"|layers\/bundled|\.\/bundled\//.test(
        readFileSync(join(repositoryRoot, "dist", file), "utf8"),
      ),
    );
    expect(foreign).toEqual([]);
  });
});

describe("the syntax", () => {
  it("of src has no default export and no export of everything", () => {
    const found = forbiddenSyntax(join(repositoryRoot, "src"), "**/*.ts", ["export-default", "export-all"]);
    expect(found).toEqual([]);
  });

  it("of dist is read by the oldest supported Node.js: no using declaration", () => {
    expect(forbiddenSyntax(join(repositoryRoot, "dist"), "**/*.js", ["using"])).toEqual([]);
  });
});

/** The source of a built module: `./dist/a/b.js` comes from `src/a/b.ts`. */
function sourceOf(built: string): string {
  return built.replace(/^\.\/dist\//, "src/").replace(/\.js$/, ".ts");
}

/** Runs a module as a user's program would: on its own, resolving the package by its name. */
function runModule(code: string): string {
  const done = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: repositoryRoot,
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(done.stderr).toBe("");
  expect(done.status).toBe(0);
  return done.stdout;
}
