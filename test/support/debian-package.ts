// Debian packages that tests need: installed where this process may do that, by one test file of a run at a time.
import { execFile } from "node:child_process";
import { existsSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { RUN_FOLDER, takeTurn } from "./run-folder.ts";

const run = promisify(execFile);

const APT = "/usr/bin/apt-get";

/**
 * What `find` finds, which comes with a package.
 * @param otherwise the sentence for a machine that has not got it and may not install it
 */
export async function withPackage<T>(name: string, find: () => T | undefined, otherwise: string): Promise<T> {
  const folder = process.env[RUN_FOLDER];
  const turn = folder === undefined ? undefined : join(folder, "install.turn");
  // What is being unpacked is there before it can run.
  const found = turn !== undefined && existsSync(turn) ? undefined : find();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync(APT)) throw new Error(otherwise);
  while (turn !== undefined && !takeTurn(turn)) await sleep(100);
  try {
    const failure = find() === undefined ? await install(name) : undefined;
    const added = find();
    if (added === undefined) throw new Error(otherwise, { cause: failure });
    return added;
  } finally {
    if (turn !== undefined) rmdirSync(turn);
  }
}

/** Lists of packages that are old, or were never fetched, are fetched then. Returns why it has failed. */
async function install(name: string): Promise<unknown> {
  const apt = (...words: string[]) =>
    run(APT, ["-o", "DPkg::Lock::Timeout=300", ...words], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  const add = () => apt("install", "-y", "--no-install-recommends", name);
  try {
    await add().catch(() => apt("update").then(add));
    return undefined;
  } catch (error) {
    return error;
  }
}
