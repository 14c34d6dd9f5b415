// What is no database of an official saver is refused by a typed error, before anything is written.
import { mkdirSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { importLangGraph, openLangGraph } from "../../../../src/adapters/langgraph/index.js";
import { memoryStorage } from "../../../../src/backends/memory/index.js";
import { sqliteStorage } from "../../../../src/backends/sqlite/index.js";
import { runSql } from "../../../support/postgres-server.js";
import { freshDatabase } from "../../../support/shared-postgres.js";
import { postgresDatabase, sqliteDatabase, temporaryFolder } from "./official-databases.js";

/** The import's failure; the storage is closed, so whatever touches it fails as `CLOSED`. */
async function failureOf(url: string, options = {}): Promise<unknown> {
  const storage = memoryStorage();
  await storage.close();
  return importLangGraph(url, storage, options).catch((error: unknown) => error);
}

function refusal(code: string, words: string): object {
  return expect.objectContaining({ code, message: expect.stringContaining(words) });
}

const CHECKPOINTS = `CREATE TABLE checkpoints (thread_id TEXT NOT NULL, checkpoint_ns TEXT NOT NULL DEFAULT '',
  checkpoint_id TEXT NOT NULL, parent_checkpoint_id TEXT, type TEXT, checkpoint BLOB, metadata BLOB);`;
const WRITES = `CREATE TABLE writes (thread_id TEXT, checkpoint_ns TEXT, checkpoint_id TEXT, task_id TEXT, idx INTEGER,
  channel TEXT, type TEXT, value BLOB);`;

describe("a name that is none", () => {
  it.each(["", "checkpoints.db", "redis://localhost", "sqlite:", "file:./a.db", "mysql://u:secret@h/d"])(
    "is refused: %j",
    async (url) => {
      const error = await failureOf(url);
      expect(error).toEqual(refusal("INVALID_ARGUMENT", "the database to import is named by"));
      expect((error as Error).message).not.toContain("secret");
    },
  );

  it("is refused: options that the database has not", async () => {
    expect(await failureOf("sqlite:./a.db?mode=ro")).toEqual(refusal("INVALID_ARGUMENT", "takes no options"));
    expect(await failureOf("sqlite:./a.db", { schema: "x" })).toEqual(
      refusal("INVALID_ARGUMENT", "option of PostgreSQL"),
    );
    expect(await failureOf("sqlite:./%E0%A4%A.db")).toEqual(refusal("INVALID_ARGUMENT", "percent-encoded"));
    for (const threadIds of [[], "t", [1]]) {
      expect(await failureOf("sqlite:./a.db", { threadIds })).toEqual(refusal("INVALID_ARGUMENT", "threadIds"));
    }
  });
});

describe("a file that is none of a SqliteSaver", () => {
  it.each<[what: string, make: (path: string) => unknown, code: string, words: string]>([
    ["nothing", () => undefined, "INVALID_ARGUMENT", "there is no file"],
    ["a folder", (path) => mkdirSync(path), "INVALID_ARGUMENT", "is not a file"],
    ["an empty file", (path) => writeFileSync(path, ""), "INVALID_ARGUMENT", "is not a SQLite database"],
    ["a text", (path) => writeFileSync(path, "x".repeat(5000)), "INVALID_ARGUMENT", "is not a SQLite database"],
    [
      "a database of others",
      (path) => fill(path, "CREATE TABLE checkpoints (id TEXT)"),
      "INVALID_ARGUMENT",
      "no tables",
    ],
    ["half of the tables", (path) => fill(path, CHECKPOINTS), "INVALID_ARGUMENT", "no tables"],
    [
      "a file of LangGraph for Python",
      (path) =>
        fill(
          path,
          `${CHECKPOINTS}${WRITES}INSERT INTO checkpoints VALUES ('t', '', 'c', NULL, 'msgpack', x'80', '{}')`,
        ),
      "UNSUPPORTED",
      "for Python",
    ],
    ["a store of ours", (path) => sqliteStorage(path).initialize(), "INVALID_ARGUMENT", "is a store of waystone"],
  ])("is refused: %s", async (_what, make, code, words) => {
    const path = `${temporaryFolder()}/theirs.db`;
    await make(path);
    expect(await failureOf(`sqlite:${path}`)).toEqual(refusal(code, words));
  });

  it("ends the import: a file that is cut off", async () => {
    const theirs = await sqliteDatabase();
    await theirs.close();
    for (const part of [0.9, 0.5, 0.1]) {
      truncateSync(theirs.path, Math.floor((statSync(theirs.path).size * part) / 4096) * 4096);
      expect(await failureOf(theirs.url, { dryRun: true })).toMatchObject({
        code: "CORRUPTION",
        operation: "openLangGraph",
      });
    }
  });

  function fill(path: string, sql: string): void {
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  }
});

describe("a database that is none of a PostgresSaver", () => {
  it("is refused: one of others, one of LangGraph for Python, one that is not there", async () => {
    const url = await freshDatabase();
    expect(await failureOf(url)).toEqual(refusal("INVALID_ARGUMENT", "no tables of LangGraph's PostgresSaver"));
    await runSql(
      url,
      `CREATE TABLE checkpoints (thread_id TEXT, checkpoint_ns TEXT, checkpoint_id TEXT, parent_checkpoint_id TEXT, type TEXT,
        checkpoint JSONB, metadata JSONB);
      CREATE TABLE checkpoint_blobs (thread_id TEXT, checkpoint_ns TEXT, channel TEXT, version TEXT, type TEXT, blob BYTEA);
      CREATE TABLE checkpoint_writes (thread_id TEXT, checkpoint_ns TEXT, checkpoint_id TEXT, task_id TEXT, idx INTEGER,
        channel TEXT, type TEXT, blob BYTEA, task_path TEXT);
      INSERT INTO checkpoint_blobs VALUES ('t', '', 'a', '1', 'empty', NULL), ('t', '', 'b', '1', 'msgpack', '\\x80')`,
    );
    expect(await failureOf(url)).toEqual(refusal("UNSUPPORTED", "for Python"));
    expect(await failureOf(url, { schema: "other" })).toEqual(refusal("INVALID_ARGUMENT", "in that schema"));
    const gone = await failureOf(`${url}_gone`);
    expect(gone).toMatchObject({ code: "CONNECTION", operation: "openLangGraph" });
    expect(await failureOf("postgres://u:secret@127.0.0.1:1/d")).toMatchObject({ code: "CONNECTION" });
  });

  it("a connection that ends in the middle is told, and leaves nothing open", async () => {
    const theirs = await postgresDatabase();
    const source = await openLangGraph(theirs.url);
    await theirs.close();
    await runSql(
      theirs.url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
    );
    await expect(importLangGraph(source, memoryStorage())).rejects.toMatchObject({ code: "CONNECTION" });
    await source.close();
  });

  it("nothing is written to it: the transaction is read only", async () => {
    const theirs = await postgresDatabase();
    await using source = await openLangGraph(theirs.url);
    expect(source.kind).toBe("postgres");
    const sql = "SELECT query, state FROM pg_stat_activity WHERE application_name = 'waystone import-langgraph'";
    expect(await runSql(theirs.url, sql)).toContain("idle in transaction");
  });
});

it("a file at rest that is written to meanwhile ends the import with an error that may be retried", async () => {
  const theirs = await sqliteDatabase();
  await theirs.close();
  const source = await openLangGraph(theirs.url);
  utimesSync(theirs.path, 1, 1);
  await expect(source.close()).rejects.toMatchObject({ code: "CONNECTION", retryable: true });
  const failed = importLangGraph(theirs.url, memoryStorage(), {
    onProgress: () => utimesSync(theirs.path, 2, Date.now()),
  });
  await expect(failed).rejects.toMatchObject({ code: "CONNECTION" });
});

it("writes with the path of their task, as later savers keep it, come in its order", async () => {
  const theirs = await sqliteDatabase();
  await theirs.sql("ALTER TABLE writes ADD COLUMN task_path TEXT");
  await theirs.sql("UPDATE writes SET task_path = '~' || (1000 - rowid)");
  const storage = memoryStorage();
  const report = await importLangGraph(theirs.url, storage);
  expect(report.verified).toEqual(report.read);
  const found = await storage.listCheckpoints("fan-1", { writes: true });
  const paths = found.flatMap(({ writes }) => (writes ?? []).map(({ taskPath }) => taskPath));
  expect(paths.length).toBeGreaterThan(5);
  expect(paths.every((path) => /^~\d+$/.test(path))).toBe(true);
});
