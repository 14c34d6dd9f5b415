// Runs the benchmarks of `bench/` one after another: all, or those whose file name holds one of the arguments.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const files = globSync("bench/*.bench.ts", { cwd: root })
  .sort()
  .filter((file) => wanted.length === 0 || wanted.some((name) => basename(file).includes(name)));

if (files.length === 0) {
  console.error(`no benchmark in bench/*.bench.ts matches ${JSON.stringify(wanted)}`);
  process.exit(1);
}
for (const file of files) {
  console.log(`\n# ${file}`);
  const { status } = spawnSync(process.execPath, ["--expose-gc", file], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
