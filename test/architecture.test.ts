// The house keeps its shape: no import of `src` points the wrong way, goes in a circle or names a foreign package.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ImportGraph, importsOf, readImportGraph } from "./support/import-graph.js";
import { importViolations } from "./support/import-rules.js";
import { manifest, repositoryRoot } from "./support/repository.js";

const bundledInCommand = ["commander", "cli-table3", "cli-progress", "string-width"];
const bundledInLayers = ["cockatiel", "lru-cache"];
const optionalPeers = Object.entries(manifest.peerDependenciesMeta ?? {})
  .filter(([, meta]) => meta.optional)
  .map(([name]) => name);

describe("the sources", () => {
  const graph = readImportGraph(join(repositoryRoot, "src"));

  it("are read", () => {
    expect([...graph.keys()]).toContain("contract/errors.ts");
  });

  it("import in one direction only", () => {
    expect(importViolations(graph, { optionalPeers, bundledInCommand, bundledInLayers })).toEqual([]);
  });

  it("bundle only packages that are development dependencies", () => {
    expect(Object.keys(manifest.devDependencies)).toEqual(
      expect.arrayContaining([...bundledInCommand, ...bundledInLayers]),
    );
  });

  it("declare every peer as optional", () => {
    expect(optionalPeers.sort()).toEqual(Object.keys(manifest.peerDependencies ?? {}).sort());
  });
});

describe("the reader of imports", () => {
  it.each([
    ['import { a } from "./a.js";', "./a.js", "static"],
    ['import "./a.js";', "./a.js", "static"],
    ['import { type A } from "./a.js";', "./a.js", "static"],
    ['import type { A } from "./a.js";', "./a.js", "type"],
    ['export { a } from "./a.js";', "./a.js", "static"],
    ['export type { A } from "./a.js";', "./a.js", "type"],
    ['export * from "./a.js";', "./a.js", "static"],
    ['type A = import("./a.js").A;', "./a.js", "type"],
    ['const a = await import("./a.js");', "./a.js", "lazy"],
    ["const a = await import(name);", "<computed>", "lazy"],
    ['const a = require("a");', "a", "lazy"],
    ["const a = createRequire(import.meta.url);", "<computed>", "lazy"],
    ['const a = process.getBuiltinModule("node:fs");', "node:fs", "lazy"],
  ])("finds %s", (code, specifier, when) => {
    expect(importsOf("x.ts", code)).toEqual([{ specifier, when }]);
  });

  it("is not misled by text", () => {
    expect(importsOf("x.ts", 'const a = "import b from \'c\'"; // import d from "e"')).toEqual([]);
  });
});

/** Each entry is a small house with one fault; the words are part of the sentence that names it. */
const faults: readonly (readonly [name: string, files: Record<string, string>, words: string])[] = [
  [
    "the contract imports the domain",
    { "contract/a.ts": 'import "../domain/b.js";', "domain/b.ts": "" },
    "contract may import nothing",
  ],
  [
    "a type import in the wrong direction",
    { "contract/a.ts": 'import type { B } from "../domain/b.js";', "domain/b.ts": "" },
    "contract may import nothing",
  ],
  [
    "the domain imports a backend",
    { "domain/a.ts": 'import "../backends/memory/b.js";', "backends/memory/b.ts": "" },
    "domain may import contract",
  ],
  [
    "a backend imports another",
    { "backends/sqlite/a.ts": 'import "../memory/b.js";', "backends/memory/b.ts": "" },
    "backends never import each other",
  ],
  [
    "a backend imports a layer",
    { "backends/sqlite/a.ts": 'import "../../layers/b.js";', "layers/b.ts": "" },
    "backends may import",
  ],
  ["a layer imports a backend", { "layers/a.ts": 'import "../backends/b/c.js";', "backends/b/c.ts": "" }, "layers may"],
  [
    "the engine imports the codec",
    { "engine/a.ts": 'import "../domain/codec.js";', "domain/codec.ts": "" },
    "engine may",
  ],
  [
    "an operation imports the domain",
    { "operations/a.ts": 'import "../domain/b.js";', "domain/b.ts": "" },
    "operations may",
  ],
  [
    "the kit imports a backend",
    { "testing/a.ts": 'import "../backends/b/c.js";', "backends/b/c.ts": "" },
    "testing may",
  ],
  [
    "an adapter imports another",
    { "adapters/a/a.ts": 'import "../b/b.js";', "adapters/b/b.ts": "" },
    "never import each",
  ],
  ["the server imports the engine", { "server/a.ts": 'import "../engine/b.js";', "engine/b.ts": "" }, "server may"],
  ["the library imports the command", { "index.ts": 'import "./cli/a.js";', "cli/a.ts": "" }, "index may"],
  ["the root imports a backend", { "index.ts": 'import "./backends/b/c.js";', "backends/b/c.ts": "" }, "index may"],
  [
    "open links a backend",
    { "open.ts": 'import "./backends/b/c.js";', "backends/b/c.ts": "" },
    "import() when its scheme",
  ],
  [
    "the command links an adapter",
    { "cli/a.ts": 'import "../adapters/b/c.js";', "adapters/b/c.ts": "" },
    "may ask for, by import()",
  ],
  [
    "a folder that nobody named",
    { "stuff/a.ts": 'import "../contract/b.js";', "contract/b.ts": "" },
    "belongs to no part",
  ],
  ["a module that is not there", { "contract/a.ts": 'import "./b.js";' }, "not a module of src"],
  ["an import that leaves src", { "contract/a.ts": 'import "../../test/b.js";' }, "not a module of src"],
  ["the domain reads files", { "domain/a.ts": 'import { readFileSync } from "node:fs";' }, "does no I/O"],
  ["a package", { "engine/a.ts": 'import lodash from "lodash";' }, "no dependencies"],
  ["a package by require", { "engine/a.ts": 'const a = require("lodash");' }, "no dependencies"],
  ["a computed import", { "open.ts": "const a = await import(scheme);" }, "no dependencies"],
  ["the package itself", { "engine/a.ts": 'import { open } from "waystone";' }, "no dependencies"],
  [
    "a bundled package outside the command",
    { "engine/a.ts": 'import { Command } from "commander";' },
    "no dependencies",
  ],
  [
    "a bundled package of the layers beside its folder",
    { "layers/a.ts": 'import { LRUCache } from "lru-cache";' },
    "no dependencies",
  ],
  ["a peer in the engine", { "engine/a.ts": 'const a = await import("pg");' }, "knows no driver"],
  ["a peer that is linked", { "backends/postgres/a.ts": 'import pg from "pg";' }, "when it is first needed"],
  [
    "two files in a circle",
    { "domain/a.ts": 'import "./b.js";', "domain/b.ts": 'import type { A } from "./a.js";' },
    "files import each other in a circle: domain/a.ts -> domain/b.ts -> domain/a.ts",
  ],
  [
    "two folders in a circle",
    {
      "cli/commands/a.ts": 'import "../output/b.js";',
      "cli/output/b.ts": "",
      "cli/output/c.ts": 'import "../commands/d.js";',
      "cli/commands/d.ts": "",
    },
    "folders import each other in a circle: cli/commands -> cli/output -> cli/commands",
  ],
];

describe("the rules", () => {
  const packages = { optionalPeers: ["pg"], bundledInCommand: ["commander"], bundledInLayers: ["lru-cache"] };

  it.each(faults)("refuse %s", (_name, files, words) => {
    const violations = importViolations(graphOf(files), packages);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(words);
  });

  it("accept the house as it is planned", () => {
    const files = {
      "contract/errors.ts": "",
      "domain/identifiers.ts": 'import { randomUUID } from "node:crypto"; import "../contract/errors.js";',
      "domain/driver/items.ts": 'import "../identifiers.js";',
      "backends/sqlite/index.ts": 'import "node:sqlite"; import "./items.js"; import "../../require-node.js";',
      "backends/sqlite/items.ts": 'import "../../domain/identifiers.js";',
      "backends/postgres/index.ts": 'import type { Pool } from "pg"; const pg = await import("pg");',
      "adapters/pg/index.ts": 'import pg from "pg"; import "../../contract/errors.js";',
      "engine/index.ts": 'import "../domain/identifiers.js";',
      "layers/bundled/lru-cache.ts": 'export { LRUCache } from "lru-cache";',
      "open.ts": 'const a = await import("./backends/sqlite/index.js");',
      "index.ts": 'import "./require-node.js"; export { a } from "./open.js";',
      "require-node.ts": 'import "./contract/errors.js";',
      "cli/main.ts": 'await import("./commands/health.js");',
      "cli/commands/from-pg.ts": 'const a = await import("../../adapters/pg/index.js");',
      "cli/commands/health.ts":
        'import { Command } from "commander"; import "../../open.js"; import "../exit-code.js";',
      "cli/exit-code.ts": "",
    };
    expect(importViolations(graphOf(files), packages)).toEqual([]);
  });
});

function graphOf(files: Readonly<Record<string, string>>): ImportGraph {
  return new Map(Object.entries(files).map(([file, code]) => [file, importsOf(file, code)]));
}
