// Runs the benchmarks of `bench/` one after another: all, or those whose file name holds one of the arguments. Options, and what
// follows the first of them, are handed to each.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const given = process.argv.slice(2);
const firstOption = given.findIndex((argument) => argument.startsWith("-"));
const wanted = firstOption < 0 ? given : given.slice(0, firstOption);
const options = firstOption < 0 ? [] : given.slice(firstOption);
const files = globSync("bench/*.bench.ts", { cwd: root })
  .sort()
  .filter((file) => wanted.length === 0 || wanted.some((name) => basename(file).includes(name)));

if (files.length === 0) {
  console.error(`no benchmark in bench/*.bench.ts matches ${JSON.stringify(wanted)}`);
  process.exit(1);
}
for (const file of files) {
  console.log(`\n# ${file}`);
  const { status } = spawnSync(process.execPath, ["--expose-gc", file, ...options], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
