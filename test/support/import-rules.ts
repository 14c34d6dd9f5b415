// The direction of imports, as a pure function over a graph: contract ← domain ← the rest, never back.
import { posix } from "node:path";
import type { ImportGraph, ModuleImport } from "./import-graph.js";

/** The packages that `src` may name at all. */
export interface AllowedPackages {
  /** Declared optional peers: drivers and frameworks that the user brings. */
  readonly optionalPeers: readonly string[];
  /** Development packages that the build inlines into the command. */
  readonly bundledInCommand: readonly string[];
  /** Development packages that the build inlines into `layers/bundled`. */
  readonly bundledInLayers: readonly string[];
}

/** What each part may import besides itself: a part, or one module of a part. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  domain: ["contract"],
  backends: ["contract", "domain", "runtime"],
  layers: ["contract", "domain", "runtime"],
  engine: [
    "contract",
    "domain/arguments",
    "domain/identifiers",
    "domain/lists",
    "domain/message-content",
    "domain/realms",
    "domain/clock",
    "runtime",
  ],
  operations: ["contract"],
  testing: ["contract", "domain", "layers/intercept", "layers/layer-call", "runtime"],
  adapters: [
    "contract",
    "domain/codec/codec",
    "domain/codec/prepared-value",
    "domain/file-url",
    "domain/item-changes",
    "domain/items",
    "domain/lists",
    "domain/realms",
    "runtime",
  ],
  server: ["contract", "operations", "runtime"],
  open: ["contract", "domain", "backends", "layers", "runtime"],
  driver: ["contract", "domain", "runtime"],
  index: ["contract", "domain", "layers", "engine", "operations", "open", "runtime"],
  cli: ["contract", "domain", "engine", "operations", "open", "adapters", "server", "runtime"],
  runtime: ["contract"],
};

/** Modules at the root of `src` that are about the runtime and the package itself. */
const RUNTIME_MODULES = new Set(["node-sqlite", "node-version", "require-node", "version"]);

/** Parts without I/O, and the modules of Node that they may use. */
const PURE_PARTS = new Set(["contract", "domain"]);
const PURE_BUILTINS = new Set(
  [
    "async_hooks",
    "buffer",
    "crypto",
    "os",
    "perf_hooks",
    "string_decoder",
    "timers",
    "timers/promises",
    "util",
    "util/types",
    "zlib",
  ].map((name) => `node:${name}`),
);

/** Parts that may name an optional peer; only an adapter's whole purpose is the package, so it alone links it. */
const PEER_PARTS = new Set(["adapters", "backends", "layers", "open", "server"]);

/** Every wrong import as one sentence; an empty list when all is well. */
export function importViolations(graph: ImportGraph, packages: AllowedPackages): string[] {
  const violations: string[] = [];
  const edges = new Map<string, string[]>();
  for (const [file, imports] of graph) {
    const targets: string[] = [];
    for (const each of imports) {
      if (!each.specifier.startsWith(".")) {
        violations.push(...packageViolations(file, each, packages));
        continue;
      }
      const target = posix.normalize(posix.join(posix.dirname(file), each.specifier)).replace(/\.js$/, ".ts");
      if (!graph.has(target)) {
        violations.push(`${file} imports ${each.specifier}, which is not a module of src`);
        continue;
      }
      targets.push(target);
      violations.push(...directionViolations(file, target, each));
    }
    edges.set(file, targets);
  }
  for (const cycle of cyclesOf(edges)) violations.push(`files import each other in a circle: ${cycle.join(" -> ")}`);
  for (const cycle of cyclesOf(folderEdges(edges))) {
    violations.push(`folders import each other in a circle: ${cycle.join(" -> ")}`);
  }
  return violations;
}

function directionViolations(file: string, target: string, each: ModuleImport): string[] {
  const from = partOf(file);
  const to = partOf(target);
  const allowed = MAY_IMPORT[from.kind];
  if (allowed === undefined) return [`${file} belongs to no part that the architecture names`];
  if (from.kind === to.kind) {
    return from.name === to.name ? [] : [`${file} imports ${target}: ${from.kind} never import each other`];
  }
  if (!allowed.includes(to.kind) && !allowed.includes(target.replace(/\.ts$/, ""))) {
    return [`${file} imports ${target}: ${from.kind} may import ${allowed.join(", ") || "nothing"}`];
  }
  if (from.kind === "open" && to.kind === "backends" && each.when === "static") {
    return [`${file} imports ${target}: a backend is loaded by import() when its scheme is asked for`];
  }
  if (from.kind === "cli" && to.kind === "adapters" && each.when === "static") {
    return [`${file} imports ${target}: an adapter needs packages that only its own command may ask for, by import()`];
  }
  return [];
}

function packageViolations(file: string, each: ModuleImport, packages: AllowedPackages): string[] {
  const { kind } = partOf(file);
  const { specifier } = each;
  if (specifier.startsWith("node:")) {
    if (!PURE_PARTS.has(kind) || each.when === "type" || PURE_BUILTINS.has(specifier)) return [];
    return [`${file} imports ${specifier}: ${kind} is pure and does no I/O`];
  }
  const name = packageName(specifier);
  if (kind === "cli" && packages.bundledInCommand.includes(name)) return [];
  if (file.startsWith("layers/bundled/") && packages.bundledInLayers.includes(name)) return [];
  if (!packages.optionalPeers.includes(name)) {
    return [`${file} imports ${specifier}: the package has no dependencies and no such optional peer`];
  }
  if (!PEER_PARTS.has(kind)) return [`${file} imports ${specifier}: ${kind} knows no driver and no framework`];
  if (kind !== "adapters" && each.when === "static") {
    return [`${file} imports ${specifier}: an optional peer is loaded by import() when it is first needed`];
  }
  return [];
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** `backends/sqlite/items.ts` is of the kind `backends` and is named `backends/sqlite`. */
function partOf(file: string): { kind: string; name: string } {
  const [first = "", second = ""] = file.split("/");
  if (first.endsWith(".ts")) {
    const module = first.slice(0, -".ts".length);
    const kind = RUNTIME_MODULES.has(module) ? "runtime" : module;
    return { kind, name: kind };
  }
  const many = first === "backends" || first === "adapters";
  return { kind: first, name: many ? `${first}/${second}` : first };
}

/** Edges between folders that lie beside each other; a folder and its own subfolders are one subject. */
function folderEdges(edges: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const folders = new Map<string, Set<string>>();
  for (const [file, targets] of edges) {
    const from = posix.dirname(file);
    for (const target of targets) {
      const to = posix.dirname(target);
      if (`${to}/`.startsWith(`${from}/`) || `${from}/`.startsWith(`${to}/`) || from === "." || to === ".") continue;
      folders.set(from, (folders.get(from) ?? new Set()).add(to));
    }
  }
  return new Map([...folders].map(([from, targets]) => [from, [...targets]]));
}

/** Each circle once, found depth first: the first node is repeated at the end. */
function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): void => {
    const start = path.indexOf(node);
    if (start !== -1) {
      cycles.push([...path.slice(start), node]);
      return;
    }
    if (done.has(node)) return;
    path.push(node);
    for (const next of edges.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of edges.keys()) visit(node);
  return cycles;
}
