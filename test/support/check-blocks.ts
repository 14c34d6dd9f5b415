// Type-checks the code of the documents: a reader who copies a block gets no error from the compiler.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryFolder } from "./packed-package.js";
import { blockWord, type ReadmeBlock } from "./readme-blocks.js";
import { manifest, repositoryRoot } from "./repository.js";

/** A block of a page. */
export interface PageBlock extends ReadmeBlock {
  /** Path of the page below the repository. */
  readonly page: string;
}

/** What a block marked `fragment` may use without saying where it comes from. */
const IN_SCOPE = `declare global { const storage: import("${manifest.name}").StorageBackend }\nexport {};\n`;

/** The compiler's complaints; empty when every block compiles. Blocks of one page may import each other by `file=NAME`. */
export function checkBlocks(blocks: readonly PageBlock[]): string {
  const fragments = blocks.filter((block) => block.words.includes("fragment"));
  const programs = blocks.filter((block) => !block.words.includes("fragment"));
  return [compile(programs, {}), compile(fragments, { "in-scope.d.ts": IN_SCOPE })].filter(Boolean).join("\n");
}

function compile(blocks: readonly PageBlock[], files: { readonly [name: string]: string }): string {
  if (blocks.length === 0) return "";
  using folder = temporaryFolder();
  symlinkSync(join(repositoryRoot, "node_modules"), join(folder.path, "node_modules"), "junction");
  const all = {
    ...files,
    "package.json": '{ "type": "module" }',
    "tsconfig.json": JSON.stringify({
      extends: join(repositoryRoot, "tsconfig.json"),
      compilerOptions: {
        paths: sourcePaths(),
        types: ["node"],
        noUnusedLocals: false,
        noUnusedParameters: false,
        skipLibCheck: true,
      },
      include: ["."],
    }),
  };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(folder.path, name), text);
  for (const block of blocks) {
    const page = join(folder.path, block.page);
    mkdirSync(page, { recursive: true });
    writeFileSync(join(page, blockWord(block, "file") ?? `line-${block.line}.ts`), `${block.code}\n`);
  }
  const compiler = join(repositoryRoot, "node_modules", "typescript", "bin", "tsc");
  const done = spawnSync(process.execPath, [compiler, "-p", ".", "--pretty", "false"], {
    cwd: folder.path,
    encoding: "utf8",
    timeout: 120_000,
  });
  if (done.error !== undefined) throw done.error;
  return done.status === 0 ? "" : done.stdout || `the compiler ended with ${done.status}: ${done.stderr}`;
}

/** The package's names lead to its sources, wherever the code stands. */
function sourcePaths(): { readonly [specifier: string]: readonly string[] } {
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([name, target]) => {
      if (typeof target === "string") return [];
      const source = target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts");
      return [[`${manifest.name}${name.slice(1)}`, [resolve(repositoryRoot, source)]]];
    }),
  );
}
