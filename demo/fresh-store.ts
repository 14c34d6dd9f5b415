// Stores of the demo lie in `.waystone/`, which git does not see; each run begins with an empty one.
import { mkdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";

const folder = join(import.meta.dirname, "..", ".waystone");

/** The URL of a store that does not exist yet, relative to where the user stands. */
export function freshStore(name: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.db`);
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(path + suffix, { force: true });
  return `sqlite:${relative(process.cwd(), path)}`;
}
