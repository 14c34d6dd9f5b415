// Two processes on one SQLite file: a cached node runs in the first one only, as long as its entry lives.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder, userEnvironment } from "../../../support/packed-package.js";

const run = promisify(execFile);

it("a cached node runs once for two processes", { timeout: 60_000 }, async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "store.db");
  const first = await runWorker(path, 3_600);
  const second = await runWorker(path, 3_600);
  expect([first.runs, second.runs]).toEqual([1, 0]);
  expect(second.answer).toEqual(first.answer);
  expect(second.classes).toEqual(["HumanMessage", "AIMessage", "Map", "Date"]);
});

it("it runs again in the second one when its entry has expired", { timeout: 60_000 }, async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "store.db");
  const first = await runWorker(path, 1);
  await sleep(1_100);
  const second = await runWorker(path, 1);
  expect([first.runs, second.runs]).toEqual([1, 1]);
  expect(second.answer).not.toEqual(first.answer);
});

interface Report {
  runs: number;
  answer: unknown;
  classes: string[];
}

async function runWorker(path: string, ttlSeconds: number): Promise<Report> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "worker.ts"), path, String(ttlSeconds)], {
    env: userEnvironment,
  });
  return JSON.parse(stdout) as Report;
}
