// Where commits are synced: inside SQLite on a quick disk, in another thread on a slow one; the durability stays the same.
import { expect, it, vi } from "vitest";
import { CommitLog } from "../../../src/backends/sqlite/connection/commit-log.js";
import { Connection } from "../../../src/backends/sqlite/connection/connection.js";
import type { TransactionKind } from "../../../src/backends/sqlite/writer.js";
import { newPath } from "./folder.js";

function newLog(durability: "crash" | "process"): {
  log: CommitLog;
  commit: (kind?: TransactionKind) => Promise<string>;
  slow: (ms: number) => void;
} {
  const path = newPath();
  const connection = new Connection(path);
  connection.script("PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
  connection.script(`PRAGMA synchronous = ${durability === "crash" ? "FULL" : "NORMAL"}`);
  const log = new CommitLog(connection, path, durability);
  let slowness = 0;
  const control = connection.control.bind(connection);
  vi.spyOn(connection, "control").mockImplementation((sql) => {
    const end = performance.now() + (sql === "COMMIT" ? slowness : 0);
    while (performance.now() < end);
    control(sql);
  });
  const commit = async (kind: TransactionKind = "short"): Promise<string> => {
    log.prepare(kind);
    connection.control("BEGIN IMMEDIATE");
    connection.run("INSERT INTO t VALUES (1)");
    const synced = log.commit(true);
    await synced;
    const inForce = Number(connection.pragma("synchronous"));
    return `${inForce === 2 ? "FULL" : "NORMAL"}${synced === undefined ? "" : " and synced"}`;
  };
  return { log, commit, slow: (ms) => (slowness = ms) };
}

it("a quick disk is synced inside COMMIT", async () => {
  const { log, commit } = newLog("crash");
  vi.spyOn(performance, "now").mockReturnValue(0);
  expect(await commit()).toBe("FULL");
  expect(await commit()).toBe("FULL");
  expect(log.syncsOutside).toBe(false);
});

it("a large transaction is synced afterwards, in another thread", async () => {
  const { log, commit } = newLog("crash");
  expect(await commit("large")).toBe("NORMAL and synced");
  expect(log.syncsOutside).toBe(true);
  await log.close();
});

it("sweeping is not synced, what comes after it is", async () => {
  const { commit } = newLog("crash");
  vi.spyOn(performance, "now").mockReturnValue(0);
  expect([await commit("lazy"), await commit("lazy"), await commit()]).toEqual(["NORMAL", "NORMAL", "FULL"]);
});

it("a slow disk is synced afterwards until it is quick again", async () => {
  const { log, commit, slow } = newLog("crash");
  slow(40);
  await commit();
  slow(0);
  expect(await commit()).toBe("NORMAL and synced");
  vi.spyOn(performance, "now").mockReturnValue(0);
  for (let i = 0; i < 30; i++) await commit();
  expect(await commit()).toBe("FULL");
  await log.close();
});

it("the level process never syncs", async () => {
  const { log, commit, slow } = newLog("process");
  slow(40);
  expect([await commit(), await commit("large"), await commit()]).toEqual(["NORMAL", "NORMAL", "NORMAL"]);
  expect(log.syncsOutside).toBe(false);
});
