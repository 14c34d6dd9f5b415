// Which journal a SQLite build may use, what it promises, and what happens when builds meet on one file.
import { existsSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { Connection } from "../../../src/backends/sqlite/connection/connection.js";
import { hasWalResetBug } from "../../../src/backends/sqlite/connection/journal.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { HealthReport } from "../../../src/contract/storage-backend.js";
import { firstValue, newPath, outside } from "./folder.js";

/** A Node.js whose SQLite has the WAL-reset bug. */
function pretendVersion(version: string): void {
  vi.spyOn(Connection.prototype, "version", "get").mockReturnValue(version);
}

const check = (report: HealthReport, name: string): HealthReport["checks"][number] | undefined =>
  report.checks.find((each) => each.name === name);

describe("the WAL-reset bug", () => {
  it.each([
    ["3.7.0", true],
    ["3.46.1", true],
    ["3.51.2", true],
    ["3.9.99", true],
    ["2.99.99", true],
    ["3.51.3", false],
    ["3.51.10", false],
    ["3.53.4", false],
    ["4.0.0", false],
    ["unknown", true],
    ["", true],
  ])("is in SQLite %s: %s", (version, has) => {
    expect(hasWalResetBug(version)).toBe(has);
  });
});

describe("durability", () => {
  it.each([
    [{}, "crash", /synchronous = FULL.*survives power loss/],
    [{ durability: "process" }, "process", /synchronous = NORMAL.*not power loss/],
    [{ journal: "rollback" }, "crash", /synchronous = EXTRA.*survives power loss/],
    [{ journal: "rollback", durability: "process" }, "process", /synchronous = NORMAL/],
  ] as const)("with %j is read from SQLite", async (options, level, message) => {
    await using storage = sqliteStorage({ ...options, path: newPath() });
    const report = await storage.healthCheck();
    expect(report).toMatchObject({ status: "healthy", backend: "sqlite", durability: level });
    expect(check(report, "durability")?.message).toMatch(message);
  });
});

describe("on a build without the bug", () => {
  it("the write-ahead log is used, and stays short", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    await storage.createSession("s", "u");
    const content = "x".repeat(4_000);
    for (let i = 0; i < 60; i++) {
      await Promise.all(Array.from({ length: 100 }, () => storage.addConversationMessage("s", "user", content)));
    }
    expect(firstValue(path, "PRAGMA journal_mode")).toBe("wal");
    const log = outside(path, (db) => db.prepare("PRAGMA wal_checkpoint(NOOP)").get()) as { log: number };
    // 6,000 messages took far more pages than the log is ever long.
    expect(log.log).toBeLessThan(10_000);
    expect(check(await storage.healthCheck(), "journal")).toMatchObject({ status: "ok", message: "write-ahead log" });
  });

  it("a file of the rollback journal is taken over", async () => {
    const path = newPath();
    const old = sqliteStorage({ path, journal: "rollback" });
    await old.createSession("s", "u");
    await old.close();
    expect(firstValue(path, "PRAGMA journal_mode")).toBe("delete");
    await using storage = sqliteStorage(path);
    expect((await storage.getSession("s"))?.userId).toBe("u");
    expect(firstValue(path, "PRAGMA journal_mode")).toBe("wal");
  });
});

describe("on a build with the bug", () => {
  it("the rollback journal is used, and the health check says why", async () => {
    pretendVersion("3.46.1");
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    expect(existsSync(`${path}-wal`)).toBe(false);
    const report = await storage.healthCheck();
    expect(report).toMatchObject({ status: "degraded", durability: "crash" });
    expect(check(report, "journal")).toMatchObject({
      status: "warning",
      message: expect.stringMatching(/rollback journal.*SQLite 3\.46\.1 has the WAL-reset bug, fixed in 3\.51\.3/),
    });
  });

  it("a file with a write-ahead log is turned back when nobody else has it open", async () => {
    const path = newPath();
    const other = sqliteStorage(path);
    await other.createSession("s", "u");
    await other.close();
    pretendVersion("3.46.1");
    await using storage = sqliteStorage(path);
    expect((await storage.getSession("s"))?.userId).toBe("u");
    expect(firstValue(path, "PRAGMA journal_mode")).toBe("delete");
  });

  it("a file whose write-ahead log is in use is refused", async () => {
    const path = newPath();
    await using other = sqliteStorage(path);
    await other.createSession("s", "u");
    pretendVersion("3.46.1");
    const storage = sqliteStorage({ path, timeoutMs: 400 });
    await expect(storage.initialize()).rejects.toMatchObject({
      code: "CONNECTION",
      retryable: true,
      message: expect.stringMatching(/another process has the file open with a write-ahead log, which SQLite 3\.46\.1/),
    });
    await storage.close();
    expect((await other.getSession("s"))?.userId).toBe("u");
  });

  it("nothing is written any more once another process has turned the write-ahead log on", async () => {
    pretendVersion("3.46.1");
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    outside(path, (db) => db.exec("PRAGMA journal_mode = WAL"));
    await expect(storage.updateSession("s", { markError: true })).rejects.toMatchObject({
      code: "UNSUPPORTED",
      outcome: "not-applied",
    });
    expect((await storage.getSession("s"))?.errorCount).toBe(0);
  });
});
