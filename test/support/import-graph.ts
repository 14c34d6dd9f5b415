// Reads what each module imports, with a real parser: static, re-exported, lazy, type-only and `import("…")` types.
import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { parseSync, Visitor } from "rolldown/utils";

export interface ModuleImport {
  /** The specifier as written, or `<computed>` when it is not a string literal. */
  readonly specifier: string;
  /** `static`: linked with the module; `lazy`: loaded when the line runs; `type`: gone after compilation. */
  readonly when: "static" | "lazy" | "type";
}

/** Imports by module, named by its path below the root folder with `/`. */
export type ImportGraph = ReadonlyMap<string, readonly ModuleImport[]>;

/** The graph of every module below a folder. */
export function readImportGraph(folder: string, pattern = "**/*.ts"): ImportGraph {
  const files = globSync(pattern, { cwd: folder }).sort();
  return new Map(
    files.map((file) => [file.split(sep).join("/"), importsOf(file, readFileSync(join(folder, file), "utf8"))]),
  );
}

/** The imports of one module, in the order of the source. */
export function importsOf(file: string, code: string): ModuleImport[] {
  const parsed = parseSync(file, code);
  if (parsed.errors.length > 0) throw new Error(`${file} does not parse: ${parsed.errors[0]?.message}`);
  const imports: ModuleImport[] = [];
  const kind = (importKind: "type" | "value" | undefined) => (importKind === "type" ? "type" : "static");
  new Visitor({
    ImportDeclaration(node) {
      imports.push({ specifier: node.source.value, when: kind(node.importKind ?? undefined) });
    },
    ExportNamedDeclaration(node) {
      if (node.source !== null) imports.push({ specifier: node.source.value, when: kind(node.exportKind) });
    },
    ExportAllDeclaration(node) {
      imports.push({ specifier: node.source.value, when: kind(node.exportKind) });
    },
    ImportExpression(node) {
      imports.push({ specifier: literal(node.source), when: "lazy" });
    },
    TSImportType(node) {
      imports.push({ specifier: literal(node.source), when: "type" });
    },
    CallExpression(node) {
      const { callee } = node;
      const name = callee.type === "Identifier" ? callee.name : memberName(callee);
      if (name === "require" || name === "getBuiltinModule") {
        imports.push({ specifier: literal(node.arguments[0]), when: "lazy" });
      } else if (name === "createRequire") {
        imports.push({ specifier: "<computed>", when: "lazy" });
      }
    },
  }).visit(parsed.program);
  return imports;
}

function literal(node: { type: string; value?: unknown } | undefined): string {
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : "<computed>";
}

function memberName(node: { type: string; property?: { type: string; name?: unknown } }): string | undefined {
  const name =
    node.type === "MemberExpression" && node.property?.type === "Identifier" ? node.property.name : undefined;
  return typeof name === "string" ? name : undefined;
}
