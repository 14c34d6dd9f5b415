// `waystone schema`: what a pipeline reads and decides by, on a file and on a server.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import { temporaryFolder } from "../support/packed-package.js";
import { runSql } from "../support/postgres-server.js";
import { freshDatabase } from "../support/shared-postgres.js";
import { runCommand, runJson, runText } from "./run-command.js";

const POSTGRES_VERSION_1 = "version 1: tables, indexes, functions and views";
const SQLITE_VERSIONS = ["version 1: tables, indexes and views", "version 2: long texts in pieces"];

describe("schema on PostgreSQL", () => {
  it("tells what is pending with exit code 8, migrates, and is content with exit code 0", async () => {
    const url = await freshDatabase();
    const before = await runCommand(["schema", "status", "--url", url, "--json"]);
    expect(before.code).toBe(8);
    const pending = { backend: "postgres", version: 0, wantedVersion: 1, pending: [POSTGRES_VERSION_1] };
    expect(JSON.parse(before.stdout)).toEqual(pending);
    expect(await runJson(["schema", "migrate", "--url", url])).toEqual({
      ...pending,
      version: 1,
      pending: [],
      applied: [POSTGRES_VERSION_1],
    });
    expect(await runText(["schema", "status", "--url", url])).toEqual([
      ["backend", "postgres"],
      ["version", "1"],
      ["wanted", "1"],
    ]);
    await using storage = postgresStorage({ url, migrate: false });
    await storage.createSession("s", "ada");
  });

  it("prints SQL that psql runs, after which nothing is pending", async () => {
    const url = await freshDatabase();
    const layout = ["--schema", 'by "hand" @sessions', "--partitions", "3", "--rls"];
    const { code, stdout, stderr } = await runCommand([
      "schema",
      "print",
      "--url",
      "postgresql://nowhere/x",
      ...layout,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    await runSql(url, stdout);
    expect(await runJson(["schema", "status", "--url", url, ...layout])).toMatchObject({ version: 1, pending: [] });
    const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'by \"hand\" @sessions'::regnamespace::oid";
    expect(await runSql(url, tables.replace("'by \"hand\" @sessions'", '\'"by ""hand"" @sessions"\''))).not.toBe("0");
    const newest = await runCommand(["schema", "print", "--url", url, "--from", "1"]);
    expect(newest.stdout).toBe("BEGIN;\n\nCOMMIT;\n");
  });

  it("says what to run where a storage may not migrate", async () => {
    const url = await freshDatabase();
    await using storage = postgresStorage({ url, migrate: false });
    await expect(storage.initialize()).rejects.toThrow(/version 1: tables.*waystone schema migrate/);
  });

  it("cannot tell of a server that is not there: exit code 7", async () => {
    const { code, stderr } = await runCommand(["schema", "status", "--url", "postgresql://ada:hunter2@127.0.0.1:1/x"]);
    expect(code).toBe(7);
    expect(stderr).not.toContain("hunter2");
  });
});

describe("schema on SQLite", () => {
  it("tells, makes and prints, and status makes no file", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "agent.db");
    const url = `sqlite:${path}`;
    const before = await runCommand(["schema", "status", "--url", url, "--json"]);
    expect({ code: before.code, there: existsSync(path) }).toEqual({ code: 8, there: false });
    expect(JSON.parse(before.stdout)).toMatchObject({ backend: "sqlite", version: 0, pending: SQLITE_VERSIONS });
    expect(await runJson(["schema", "migrate", "--url", url])).toMatchObject({ version: 2, pending: [] });
    expect((await runCommand(["schema", "status", "--url", url])).code).toBe(0);
    const { stdout } = await runCommand(["schema", "print", "--url", url]);
    const printed = join(folder.path, "printed.db");
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    const database = new DatabaseSync(printed);
    database.exec(stdout);
    database.close();
    await using storage = sqliteStorage(printed);
    await storage.createSession("s", "ada");
  });
});

describe("schema on memory", () => {
  it("is refused by name", async () => {
    const { code, stderr } = await runCommand(["schema", "status", "--url", "memory:"]);
    expect(code).toBe(6);
    expect(stderr).toContain("no schema");
  });
});
