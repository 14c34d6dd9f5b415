// Finds syntax that a file of the package must not have, with a real parser.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync, Visitor } from "rolldown/utils";

export type ForbiddenSyntax = "export-default" | "export-all" | "using";

/** One line for each find: `file: what`. */
export function forbiddenSyntax(folder: string, pattern: string, forbidden: readonly ForbiddenSyntax[]): string[] {
  return globSync(pattern, { cwd: folder })
    .sort()
    .flatMap((file) =>
      syntaxOf(file, readFileSync(join(folder, file), "utf8"))
        .filter((found) => forbidden.includes(found))
        .map((found) => `${file}: ${found}`),
    );
}

/** What one file holds of it, in the order of the source. */
export function syntaxOf(file: string, code: string): ForbiddenSyntax[] {
  const found: ForbiddenSyntax[] = [];
  new Visitor({
    ExportDefaultDeclaration() {
      found.push("export-default");
    },
    ExportAllDeclaration() {
      found.push("export-all");
    },
    ExportSpecifier(node) {
      if (node.exported.type === "Identifier" && node.exported.name === "default") found.push("export-default");
    },
    VariableDeclaration(node) {
      if (node.kind === "using" || node.kind === "await using") found.push("using");
    },
  }).visit(parseSync(file, code).program);
  return found;
}
