// A process that is killed at any moment: no task whose writes were acknowledged runs again, and the graph ends as if nothing was.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { userEnvironment } from "../../../support/packed-package.js";
import { SCENARIOS } from "./scenarios.js";

const KILLS = 3;

describe.each(["sync", "async", "exit"])("a graph with durability %s", (mode) => {
  it.each(Object.entries(SCENARIOS))(
    "goes on after each kill: %s",
    { timeout: 120_000 },
    async (name, { expected }) => {
      let kills = 0;
      // A worker may end before a busy machine gets to killing it.
      for (let tries = 0; kills === 0 && tries < 5; tries++) kills = await killedAgainAndAgain(mode, name, expected);
      expect(kills).toBeGreaterThan(0);
    },
  );
});

it("the check finds a task that ran again after its writes were acknowledged", () => {
  expect(repeated(["run a", "run b", "acknowledged a", "run b", "acknowledged b"])).toEqual([]);
  expect(repeated(["run a b", "acknowledged a b", "run a b"])).toEqual(["a b"]);
});

/** Kills the process of a graph until it ends, proves that it ended well, and tells how often it was killed. */
async function killedAgainAndAgain(mode: string, name: string, expected: unknown): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "waystone-langgraph-kill-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const journal = join(folder, "journal");
  writeFileSync(journal, "");
  const lines = (): string[] => readFileSync(journal, "utf8").split("\n").filter(Boolean);
  let kills = 0;
  for (let start = 0; !lines().some((line) => line.startsWith("done")); start++) {
    // The last start is left alone, so that every round ends.
    const killed = await runWorker([join(folder, "store.db"), journal, mode, name], start < KILLS ? lines : undefined);
    if (killed) kills += 1;
  }
  expect(repeated(lines())).toEqual([]);
  const result: unknown = JSON.parse(lines().at(-1)?.slice("done ".length) ?? "");
  expect(result).toEqual(expected);
  return kills;
}

/** Tasks that ran after their writes were acknowledged. */
function repeated(lines: readonly string[]): string[] {
  const acknowledged = new Set<string>();
  const again: string[] = [];
  for (const line of lines) {
    const name = line.slice(line.indexOf(" ") + 1);
    if (line.startsWith("acknowledged ")) acknowledged.add(name);
    if (line.startsWith("run ") && acknowledged.has(name)) again.push(name);
  }
  return again;
}

/** Runs the worker; with a reader of its journal it is killed within milliseconds of a further line. True if it was killed. */
async function runWorker(args: readonly string[], lines: (() => readonly string[]) | undefined): Promise<boolean> {
  const worker = spawn(process.execPath, [join(import.meta.dirname, "worker.ts"), ...args], {
    env: userEnvironment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  worker.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const ended = once(worker, "close");
  if (lines !== undefined) {
    const wanted = lines().length + 1 + Math.floor(Math.random() * 6);
    while (worker.exitCode === null && lines().length < wanted) await sleep(2);
    await sleep(Math.random() * 10);
    worker.kill("SIGKILL");
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  if (signal !== "SIGKILL" && code !== 0) throw new Error(complaint);
  return signal === "SIGKILL";
}
