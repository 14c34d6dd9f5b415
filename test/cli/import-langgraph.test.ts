// `waystone import-langgraph` as a user runs it: reports, exit codes, wrong names, a kill in the middle.
import { spawn } from "node:child_process";
import { cpSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Checkpoint, CheckpointMetadata } from "@langchain/langgraph-checkpoint";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import { describe, expect, it } from "vitest";
import {
  postgresDatabase,
  type SqliteDatabase,
  sqliteDatabase,
  temporaryFolder,
} from "../adapters/langgraph/import/official-databases.js";
import { userEnvironment } from "../support/packed-package.js";
import { repositoryRoot } from "../support/repository.js";
import { commandFile, runCommand, runJson, runText } from "./run-command.js";

const COUNTS = { threads: 7, readCheckpoints: 45, found: 0, items: [] };

function failure(code: string): object {
  return { error: expect.objectContaining({ code }) };
}

describe("import-langgraph", { timeout: 60_000 }, () => {
  it("brings all threads over, and nothing when it runs again", async () => {
    const theirs = await sqliteDatabase();
    const ours = `sqlite:${temporaryFolder()}/ours.db`;
    const first = (await runJson(["import-langgraph", theirs.url, ours])) as Record<string, number>;
    expect(first).toMatchObject({ ...COUNTS, source: "sqlite", importedCheckpoints: 45, verifiedCheckpoints: 45 });
    expect(first.changed).toBe(45 + Number(first.readWrites));
    expect(first.sourceBytes).toBeGreaterThan(0);
    expect(first.storeBytes).toBeGreaterThan(Number(first.storeBytesBefore));
    const again = await runJson(["import-langgraph", theirs.url, "--url", ours]);
    expect(again).toMatchObject({ ...COUNTS, changed: 0, presentCheckpoints: 45, presentWrites: first.readWrites });
    const threads = (await runText(["threads", "ls", "--url", ours])) as string[][];
    expect(threads.map(([thread]) => thread)).toContain("chat:1");
  });

  it("reads PostgreSQL, stores for a tenant, takes the threads that are named", async () => {
    const theirs = await postgresDatabase("graphs");
    const ours = `sqlite:${temporaryFolder()}/ours.db`;
    const words = ["import-langgraph", theirs.url, ours, "--schema", "graphs", "--tenant", "acme"];
    const report = await runJson([...words, "--thread", "fan-1", "--thread", "chat:1", "--no-verify"]);
    expect(report).toMatchObject({ source: "postgres", threads: 2, found: 0 });
    expect(report).not.toHaveProperty("verifiedCheckpoints");
    expect(await runText(["threads", "ls", "--url", ours])).toEqual([]);
    expect(await runText(["threads", "ls", "--url", ours, "--tenant", "acme"])).toHaveLength(2);
  });

  it("plans with --dry-run, and creates no store", async () => {
    const theirs = await sqliteDatabase();
    const folder = temporaryFolder();
    const report = await runJson(["import-langgraph", theirs.url, `sqlite:${folder}/ours.db`, "-n"]);
    expect(report).toMatchObject({ ...COUNTS, changed: 0, importedCheckpoints: 0 });
    expect(report).toMatchObject({ planned: 45 + (report as { readWrites: number }).readWrites });
    expect(existsSync(`${folder}/ours.db`)).toBe(false);
  });

  it("prints a line a number into a pipe, and findings on stderr", async () => {
    const theirs = await sqliteDatabase();
    await theirs.sql(
      "UPDATE checkpoints SET checkpoint = 'x' WHERE thread_id = 'fan-1' AND parent_checkpoint_id IS NULL",
    );
    const ours = `sqlite:${temporaryFolder()}/ours.db`;
    const { code, stdout, stderr } = await runCommand(["import-langgraph", theirs.url, ours]);
    expect(code).toBe(4);
    expect(stdout).toContain("importedCheckpoints\t44\n");
    expect(stdout).toContain("found\t1\n");
    expect(stderr).toMatch(/^undecodable: thread fan-1, checkpoint [0-9a-f-]{36}, checkpoint: /);
    const json = await runCommand(["import-langgraph", theirs.url, ours, "--json"]);
    expect(json.code).toBe(4);
    expect(JSON.parse(json.stdout)).toMatchObject({
      findings: { undecodable: 1, difference: 0 },
      items: [{ kind: "undecodable", threadId: "fan-1", namespace: "", part: "checkpoint", imported: false }],
    });
  });

  it("ends with 8 when the two sides differ", async () => {
    const theirs = await sqliteDatabase();
    const ours = `sqlite:${temporaryFolder()}/ours.db`;
    await runJson(["import-langgraph", theirs.url, ours]);
    await theirs.sql(`UPDATE checkpoints SET metadata = replace(CAST(metadata AS TEXT), '"step":', '"step":1')`);
    const { code, stdout } = await runCommand(["import-langgraph", theirs.url, ours, "--json"]);
    expect(code).toBe(8);
    expect(JSON.parse(stdout).findings.difference).toBeGreaterThan(30);
  });

  it("says in one sentence what is wrong with a name, and creates nothing", async () => {
    const theirs = await sqliteDatabase();
    const folder = temporaryFolder();
    const ours = `sqlite:${folder}/ours.db`;
    const said = async (...words: string[]): Promise<object> => {
      const { code, stdout, stderr } = await runCommand(["import-langgraph", ...words, "--json"]);
      expect(stdout).toBe("");
      return { code, ...JSON.parse(stderr) };
    };
    expect(await said(`sqlite:${folder}/none.db`, ours)).toEqual({ code: 3, ...failure("NOT_FOUND") });
    expect(await said(`sqlite:${folder}`, ours)).toEqual({ code: 2, ...failure("USAGE") });
    expect(await said(theirs.url, ours, "--thread", "chat")).toEqual({ code: 3, ...failure("NOT_FOUND") });
    expect(await said("redis://localhost", ours)).toEqual({ code: 2, ...failure("INVALID_ARGUMENT") });
    expect(await said("postgres://u:secret@127.0.0.1:1/d", ours)).toEqual({ code: 7, ...failure("CONNECTION") });
    expect(await said(theirs.url, theirs.url)).toEqual({ code: 2, ...failure("USAGE") });
    expect(await said(theirs.url, ours, "--url", ours)).toEqual({ code: 2, ...failure("USAGE") });
    expect(await said(theirs.url, "nonsense:")).toEqual({ code: 2, ...failure("INVALID_ARGUMENT") });
    expect(existsSync(`${folder}/ours.db`)).toBe(false);
    await runJson(["import-langgraph", theirs.url, ours, "--thread", "chat:1"]);
    expect(await said(ours, `sqlite:${folder}/other.db`)).toEqual({ code: 2, ...failure("INVALID_ARGUMENT") });
  });

  it("names the packages that are missing, where LangGraph is not installed", async () => {
    const theirs = await sqliteDatabase();
    const folder = temporaryFolder();
    cpSync(join(repositoryRoot, "dist"), join(folder, "dist"), { recursive: true });
    cpSync(join(repositoryRoot, "package.json"), join(folder, "package.json"));
    const file = join(folder, "dist", "cli", "main.js");
    const { code, stderr } = await runCommand(["import-langgraph", theirs.url, "sqlite:x.db", "--json"], {
      cwd: folder,
      file,
    });
    expect({ code, error: JSON.parse(stderr) }).toEqual({ code: 6, error: failure("MISSING_PACKAGE") });
    expect(stderr).toContain("npm install @langchain/core @langchain/langgraph-checkpoint");
    expect(existsSync(join(folder, "x.db"))).toBe(false);
  });
});

it("needs memory for a few checkpoints, not for the database", { timeout: 120_000 }, async () => {
  const path = `${temporaryFolder()}/large.db`;
  const saver = SqliteSaver.fromConnString(path);
  const config = { configurable: { thread_id: "t", checkpoint_ns: "" } };
  const log = Array.from(
    { length: 2000 },
    (_, at) => `entry ${at} of a state of two hundred thousand bytes ${"x".repeat(50)}`,
  );
  const checkpoint: Checkpoint = {
    ...{ v: 4, id: "id-", ts: new Date(0).toISOString(), versions_seen: {} },
    channel_values: { log },
    channel_versions: { log: 1 },
  };
  await saver.put(config, checkpoint, { source: "loop", step: 0, parents: {} });
  saver.db.exec(`INSERT INTO checkpoints WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < 250)
    SELECT thread_id, checkpoint_ns, 'id-' || n, NULL, type,
      CAST(replace(CAST(checkpoint AS TEXT), '"id":"id-"', '"id":"id-' || n || '"') AS BLOB), metadata FROM checkpoints, step`);
  saver.db.close();
  expect(statSync(path).size).toBeGreaterThan(20e6);
  const words = ["import-langgraph", `sqlite:${path}`, `sqlite:${temporaryFolder()}/ours.db`, "--no-verify", "--quiet"];
  const report = await runJson(words, { env: { NODE_OPTIONS: "--max-old-space-size=64" } });
  expect(report).toMatchObject({ importedCheckpoints: 251, found: 0 });
});

describe("an import that is killed", () => {
  it("goes on when it is run again: nothing is there twice, nothing is lost", { timeout: 300_000 }, async () => {
    const theirs = await longThreads();
    const folder = temporaryFolder();
    const straight = `${folder}/straight.db`;
    let ours = "";
    for (let [tries, stored, kills] = [0, 0, 0]; kills < 4; ) {
      if (kills === 0) ours = `${folder}/ours-${tries}.db`;
      stored = await killedImport(theirs.url, ours, stored + 60);
      kills += 1;
      if (stored < THREADS * CHECKPOINTS) continue;
      // A busy machine came too late to the killing: once more, from the beginning.
      [tries, stored, kills] = [tries + 1, 0, 0];
      expect(tries).toBeLessThan(20);
    }
    const all = { readCheckpoints: THREADS * CHECKPOINTS, verifiedCheckpoints: THREADS * CHECKPOINTS, found: 0 };
    const rest = (await runJson(["import-langgraph", theirs.url, `sqlite:${ours}`])) as Record<string, number>;
    expect(rest).toMatchObject(all);
    expect(rest.presentCheckpoints).toBeGreaterThan(200);
    expect(Number(rest.presentCheckpoints) + Number(rest.importedCheckpoints)).toBe(all.readCheckpoints);
    await runJson(["import-langgraph", theirs.url, `sqlite:${straight}`]);
    expect(await contentsOf(ours)).toEqual(await contentsOf(straight));
  });

  const THREADS = 6;
  const CHECKPOINTS = 150;

  async function longThreads(): Promise<Pick<SqliteDatabase, "url">> {
    const path = `${temporaryFolder()}/long.db`;
    const saver = SqliteSaver.fromConnString(path);
    // Makes the tables.
    await saver.getTuple({ configurable: { thread_id: "none" } });
    saver.db.exec("BEGIN");
    for (let thread = 0; thread < THREADS; thread++) {
      let parent: string | undefined;
      for (let step = 0; step < CHECKPOINTS; step++) {
        const id = `1f000000-0000-6000-8000-${String(step).padStart(12, "0")}`;
        const config = { configurable: { thread_id: `t${thread}`, checkpoint_ns: "", checkpoint_id: parent } };
        const checkpoint: Checkpoint = {
          ...{ v: 4, id, ts: new Date(step).toISOString(), versions_seen: {} },
          channel_values: { log: Array.from({ length: step }, (_, at) => `entry ${at}`) },
          channel_versions: { log: step + 1 },
        };
        const row = await saver.serde.dumpsTyped(checkpoint);
        const metadata: CheckpointMetadata = { source: "loop", step, parents: {} };
        const values = [
          config.configurable.thread_id,
          "",
          id,
          parent ?? null,
          ...row,
          (await saver.serde.dumpsTyped(metadata))[1],
        ];
        saver.db.prepare("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)").run(...values);
        const write = ["log", `entry ${step}`] as const;
        const [type, value] = await saver.serde.dumpsTyped(write[1]);
        saver.db
          .prepare("INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
          .run(values[0], "", id, "task", 0, write[0], type, value);
        parent = id;
      }
    }
    saver.db.exec("COMMIT");
    saver.db.close();
    return { url: `sqlite:${path}` };
  }

  /** Kills the command as soon as so many checkpoints are stored. @returns how many are */
  async function killedImport(theirs: string, ours: string, atLeast: number): Promise<number> {
    const child = spawn(process.execPath, [commandFile, "import-langgraph", theirs, `sqlite:${ours}`], {
      env: userEnvironment,
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    while (child.exitCode === null && storedIn(ours) < atLeast) await sleep(2);
    child.kill("SIGKILL");
    await ended;
    return storedIn(ours);
  }

  function storedIn(path: string): number {
    if (!existsSync(path)) return 0;
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      const tables = db.prepare("SELECT name FROM sqlite_schema WHERE name = 'checkpoints'").all();
      return tables.length === 0 ? 0 : Number(db.prepare("SELECT count(*) AS n FROM checkpoints").get()?.n);
    } finally {
      db.close();
    }
  }

  /** The records of all threads, in one order, without instants of storing. */
  async function contentsOf(path: string): Promise<string[]> {
    const { code, stdout } = await runCommand(["export", "--url", `sqlite:${path}`]);
    expect(code).toBe(0);
    const records = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return records.map(({ created_at, updated_at, ...rest }) => JSON.stringify(rest)).sort();
  }
});
