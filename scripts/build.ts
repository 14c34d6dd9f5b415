// Builds `dist`: the library with `tsc`, then the command, which inlines the packages that only it uses, and the packages of layers.
import { spawnSync } from "node:child_process";
import { chmodSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { type OutputChunk, type Plugin, rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const commandSources = join(root, "src", "cli");
const commandOutput = join(root, "dist", "cli");

rmSync(join(root, "dist"), { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const compiler = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
if (compiler.status !== 0) process.exit(1);
await buildCommand();
await bundleForLayers();

/** The command's own modules and its packages become chunks in one folder; the library stays imported from `dist`. */
async function buildCommand(): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    input: { main: join(commandSources, "main.ts") },
    platform: "node",
    plugins: [importLibraryFromDist(), takeBuiltinsLate()],
    onLog(level, log) {
      if (level === "warn") throw new Error(`building the command: ${log.message}`);
    },
  });
  const { output } = await bundle.write({
    dir: commandOutput,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await bundle.close();
  chmodSync(join(commandOutput, "main.js"), 0o755);
  const chunks = output.filter((part) => part.type === "chunk");
  writeFileSync(join(commandOutput, "THIRD-PARTY-LICENSES.txt"), licencesOf("The waystone command", chunks));
}

/** Each module of `layers/bundled` becomes one file with the code of its package. No public type names it, so its types go. */
async function bundleForLayers(): Promise<void> {
  const folder = join(root, "dist", "layers", "bundled");
  const chunks: OutputChunk[] = [];
  for (const file of globSync("*.js", { cwd: folder })) {
    const name = basename(file, ".js");
    const bundle = await rolldown({
      cwd: root,
      input: join(root, "src", "layers", "bundled", `${name}.ts`),
      platform: "node",
    });
    const { output } = await bundle.write({ file: join(folder, file), format: "esm" });
    await bundle.close();
    chunks.push(...output.filter((part) => part.type === "chunk"));
    for (const ending of ["d.ts", "d.ts.map", "js.map"]) rmSync(join(folder, `${name}.${ending}`));
  }
  writeFileSync(join(folder, "THIRD-PARTY-LICENSES.txt"), licencesOf("This folder", chunks));
}

/** Every chunk lies flat in `dist/cli`, so a library module is always one folder up. */
function importLibraryFromDist(): Plugin {
  return {
    name: "import-library-from-dist",
    resolveId(source, importer) {
      if (!source.startsWith(".") || importer === undefined || !importer.startsWith(commandSources + sep)) return null;
      const target = resolve(dirname(importer), source);
      if (target.startsWith(commandSources + sep)) return null;
      const fromSources = relative(join(root, "src"), target).split(sep).join("/");
      return { id: `../${fromSources}`, external: true };
    },
  };
}

/**
 * An ES import of a built-in module asks for all that it exports, also for what Node.js loads when it is first asked for, and
 * commander imports six of them: half of the time that the command takes to start. Here it gets what it uses of them.
 */
function takeBuiltinsLate(): Plugin {
  const late = "\0late:";
  const code: Readonly<Record<string, string>> = {
    "node:child_process": "export default { spawn: (...args) => get('node:child_process').spawn(...args) };",
    "node:events": "export const { EventEmitter } = get('node:events');",
    "node:fs": "export default get('node:fs');",
    "node:path": "export default get('node:path');",
    "node:process": "export default process;",
    "node:util": "export const stripVTControlCharacters = (text) => get('node:util').stripVTControlCharacters(text);",
  };
  return {
    name: "take-builtins-late",
    resolveId(source, importer) {
      const byCommander = /[\\/]node_modules[\\/]commander[\\/]/.test(importer ?? "");
      return byCommander && Object.hasOwn(code, source) ? `${late}${source}` : null;
    },
    load(id) {
      if (!id.startsWith(late)) return null;
      return `const get = (name) => process.getBuiltinModule(name);\n${code[id.slice(late.length)]}`;
    },
  };
}

/** The licence text of every package of which code ended there. */
function licencesOf(holder: string, chunks: readonly OutputChunk[]): string {
  const modules = chunks.flatMap((chunk) => Object.keys(chunk.modules));
  const folders = new Set(modules.flatMap((id) => packageFolder(id) ?? []));
  const sections = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} is bundled but has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  return `${holder} contains code of these packages.\n\n${sections.join(`\n${"-".repeat(80)}\n\n`)}`;
}

function packageFolder(moduleId: string): string | undefined {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(moduleId.replace(/^\0/, ""))?.[0];
}
