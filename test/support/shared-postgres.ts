// One PostgreSQL server for all test files of a run: the first that asks starts it, each gets databases of its own.
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createDatabase, type PostgresAddress, startPostgres } from "./postgres-server.js";
import { RUN_FOLDER, takeTurn } from "./run-folder.js";
import { endWith } from "./server-process.js";

/** What is written down about the server that the first test file has started. */
type Started =
  | { readonly address: PostgresAddress; readonly pid: number; readonly folder: string }
  | { readonly failure: string };

let shared: Promise<PostgresAddress> | undefined;

/** An empty database on the server of this run; returns its connection string. */
export async function freshDatabase(): Promise<string> {
  return createDatabase(await sharedPostgres());
}

/**
 * The server of this run: the one that WAYSTONE_TEST_POSTGRES_URL names, else one that is started for it.
 * @throws Error that says what to install when the machine has no PostgreSQL
 */
export function sharedPostgres(): Promise<PostgresAddress> {
  shared ??= findOrStart();
  return shared;
}

async function findOrStart(): Promise<PostgresAddress> {
  const url = process.env.WAYSTONE_TEST_POSTGRES_URL;
  if (url !== undefined && url !== "") return { url, socketFolder: undefined };
  const folder = process.env[RUN_FOLDER];
  if (folder === undefined) throw new Error("shared servers need the global setup of vitest.config.ts");
  const started = takeTurn(join(folder, "postgres.turn")) ? await startShared(folder) : await untilStarted(folder);
  if ("failure" in started) throw new Error(started.failure);
  return started.address;
}

async function startShared(folder: string): Promise<Started> {
  let started: Started;
  try {
    // Tests share it to look at meaning, thousands of times, and not at the disk.
    const server = await startPostgres({ inMemory: true });
    const { url, socketFolder, pid, dataFolder } = server;
    started = { address: { url, socketFolder }, pid, folder: dirname(dataFolder) };
    endWith(Number(process.env.WAYSTONE_TEST_RUN_PID ?? process.pid), pid, started.folder);
  } catch (error) {
    started = { failure: error instanceof Error ? error.message : String(error) };
  }
  const file = join(folder, "postgres.json");
  writeFileSync(`${file}.new`, JSON.stringify(started));
  renameSync(`${file}.new`, file);
  return started;
}

async function untilStarted(folder: string): Promise<Started> {
  for (const end = Date.now() + 300_000; Date.now() < end; await sleep(20)) {
    const started = readStarted(folder);
    if (started !== undefined) return started;
  }
  throw new Error("another test file did not get the shared PostgreSQL server started");
}

function readStarted(folder: string): Started | undefined {
  const file = join(folder, "postgres.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Started) : undefined;
}

/** Global setup of a run; what it returns ends the servers that the run has started. */
export function setup(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "waystone-run-"));
  process.env[RUN_FOLDER] = folder;
  process.env.WAYSTONE_TEST_RUN_PID = String(process.pid);
  return async () => {
    const started = readStarted(folder);
    rmSync(folder, { recursive: true, force: true });
    if (started === undefined || "failure" in started) return;
    process.kill(started.pid, "SIGQUIT");
    for (const end = Date.now() + 10_000; isRunning(started.pid) && Date.now() < end; ) await sleep(20);
    rmSync(started.folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
