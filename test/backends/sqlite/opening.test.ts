// Opening a SQLite file: what is created, what is refused, and that what is refused stays as it was.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type SqliteStorageOptions, sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../../src/backends/sqlite/schema/migrate.js";
import { firstValue, newPath, outside } from "./folder.js";

/** What `initialize` rejects with. */
async function refusalOf(path: string): Promise<Record<string, unknown>> {
  const storage = sqliteStorage({ path, timeoutMs: 3_000 });
  const error: unknown = await storage.initialize().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await storage.close();
  if (!(error instanceof Error)) throw new Error("initialize resolved");
  const { name, code, outcome, retryable, backend, operation } = error as Error & Record<string, unknown>;
  return { name, message: error.message, code, outcome, retryable, backend, operation };
}

describe("a new file", () => {
  it("is made with its directories, for its owner alone", async () => {
    const path = join(dirname(newPath()), "a", "b", "store.db");
    await using storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(statSync(dirname(dirname(path))).mode & 0o777).toBe(0o700);
  });

  it("says whose it is and in which version", async () => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.initialize();
    expect(firstValue(path, "PRAGMA application_id")).toBe(APPLICATION_ID);
    expect(firstValue(path, "PRAGMA user_version")).toBe(SCHEMA_VERSION);
    expect(firstValue(path, "PRAGMA auto_vacuum")).toBe(2);
  });

  it("is not made before the first operation", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    expect(existsSync(path)).toBe(false);
    await storage.close();
    expect(existsSync(path)).toBe(false);
  });

  it("may be named relative to the working directory, and by any characters", async () => {
    const path = newPath("file:a?mode=memory&cache=shared #é.db");
    await using storage = sqliteStorage(relative(process.cwd(), path));
    await storage.createSession("s", "u");
    expect(existsSync(path)).toBe(true);
  });

  it("may be an empty one that is there", async () => {
    const path = newPath();
    writeFileSync(path, "");
    await using storage = sqliteStorage(path);
    expect((await storage.createSession("s", "u")).sessionId).toBe("s");
  });

  it("leaves nothing beside it after close, and no resource of the process", async () => {
    const path = newPath();
    // The end of the turn in which the last call was is no resource of the storage.
    const resources = (): string[] =>
      process
        .getActiveResourcesInfo()
        .filter((kind) => kind !== "Immediate")
        .sort();
    const before = resources();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await Promise.all([storage.listSessions({ metadata: { a: 1 } }), storage.getMetrics()]);
    await storage.close();
    expect(readdirSync(dirname(path))).toEqual(["store.db"]);
    expect(resources()).toEqual(before);
  });
});

describe("options", () => {
  it.each<[unknown, RegExp]>([
    [":memory:", /path must name a file; the storage without a file is memory:/],
    ["", /path must not be empty/],
    ["a\0b", /path must not contain NUL/],
    [{ path: 7 }, /path must be a string/],
    [{}, /path must be a string/],
    [{ path: "a", durability: "none" }, /durability must be one of crash, process/],
    [{ path: "a", journal: "wal" }, /journal must be one of auto, rollback/],
    [{ path: "a", keepVersions: 0 }, /keepVersions/],
    [{ path: "a", sync: true }, /no field "sync"; the known ones are path, durability/],
  ])("%j are refused before any I/O", (options, message) => {
    expect(() => sqliteStorage(options as SqliteStorageOptions)).toThrow(message);
  });
});

describe("a path that cannot be a file of ours", () => {
  it("is told to be a directory", async () => {
    const path = dirname(newPath());
    expect(await refusalOf(path)).toEqual({
      name: "StorageConnectionError",
      message: `${path} cannot be opened: it is a directory`,
      code: "CONNECTION",
      outcome: "not-applied",
      retryable: false,
      backend: "sqlite",
      operation: "initialize",
    });
  });

  it("is told to lie below a file", async () => {
    const path = newPath();
    writeFileSync(path, "a file");
    expect(await refusalOf(join(path, "store.db"))).toMatchObject({
      code: "CONNECTION",
      retryable: false,
      message: `${join(path, "store.db")} cannot be opened: a part of its path is no directory`,
    });
  });

  it("is told to be a circle of links", async () => {
    const path = newPath();
    symlinkSync(path, path);
    expect(await refusalOf(path)).toMatchObject({
      code: "CONNECTION",
      message: expect.stringMatching(/circle of links/),
    });
  });

  it("is told when it, or a directory of it, is a link that leads nowhere; nothing is made behind the link", async () => {
    const path = newPath();
    const target = join(dirname(path), "unmounted");
    symlinkSync(target, path);
    for (const refused of [path, join(path, "store.db"), join(path, "deeper", "store.db")]) {
      expect(await refusalOf(refused)).toMatchObject({
        code: "CONNECTION",
        retryable: false,
        message: `${refused} cannot be opened: a link in its path leads nowhere`,
      });
    }
    expect(existsSync(target)).toBe(false);
  });

  it("is told to be no ordinary file", async () => {
    expect(await refusalOf("/dev/null")).toMatchObject({
      code: "CONNECTION",
      retryable: false,
      message: "/dev/null cannot be opened: it is no ordinary file",
    });
  });

  it.skipIf(!existsSync("/proc/self"))("is told where the system makes no directory, or no file", async () => {
    // `mkdirSync` with `recursive` never comes back from the first.
    for (const path of ["/proc/waystone/deeper/store.db", "/proc/store.db"]) {
      expect(await refusalOf(path)).toMatchObject({
        code: "CONNECTION",
        retryable: false,
        message: `${path} cannot be opened: its directory is not there, and cannot be made`,
      });
    }
  });

  it("is told to be too long", async () => {
    expect(await refusalOf(newPath("x".repeat(300)))).toMatchObject({
      message: expect.stringMatching(/name is too long/),
    });
  });

  it("is told to be read-only, and the file stays as it was", async () => {
    const path = await readOnlyFile();
    const refusal = await refusalOf(path);
    expect(refusal).toMatchObject({ name: "StorageConnectionError", code: "CONNECTION", retryable: false });
    expect(refusal.message).toMatch(/cannot be opened: (its file system is read-only|no permission)/);
  });

  it("is not made in a directory that may not be written to", async () => {
    const path = join(dirname(await readOnlyFile()), "new.db");
    const refusal = await refusalOf(path);
    expect(refusal).toMatchObject({ code: "CONNECTION", retryable: false });
    expect(refusal.message).toContain(path);
    expect(existsSync(path)).toBe(false);
  });
});

describe("a file of somebody else", () => {
  it("that is no database is refused and left as it was", async () => {
    const path = newPath();
    writeFileSync(path, "This is not a database. ".repeat(100));
    const before = readFileSync(path);
    expect(await refusalOf(path)).toMatchObject({
      name: "CorruptionError",
      code: "CORRUPTION",
      message: `${path} is not a SQLite database`,
    });
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(dirname(path))).toEqual(["store.db"]);
  });

  it.each(["delete", "wal"])(
    "that is a database of another program (%s) is refused and left as it was",
    async (mode) => {
      const path = newPath();
      outside(path, (db) =>
        db.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)`),
      );
      const before = readFileSync(path);
      expect(await refusalOf(path)).toMatchObject({
        code: "CORRUPTION",
        message: `${path} is a SQLite database of another program; it was left as it is`,
      });
      expect(readFileSync(path)).toEqual(before);
      expect(readdirSync(dirname(path))).toEqual(["store.db"]);
    },
  );

  it("that names another application is refused even without tables", async () => {
    const path = newPath();
    outside(path, (db) => db.exec("PRAGMA application_id = 7; PRAGMA user_version = 1"));
    expect(await refusalOf(path)).toMatchObject({ code: "CORRUPTION" });
  });

  it("that a newer version of this package has written is refused and left as it was", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    await storage.close();
    outside(path, (db) => db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}; PRAGMA journal_mode = DELETE`));
    const before = readFileSync(path);
    expect(await refusalOf(path)).toMatchObject({
      name: "UnsupportedError",
      code: "UNSUPPORTED",
      message: `${path} has schema version ${SCHEMA_VERSION + 1}, and this version of the package knows ${SCHEMA_VERSION}: update the package`,
    });
    expect(readFileSync(path)).toEqual(before);
  });

  it("that is damaged is told to be so by the reads that meet the damage, and not in part", async () => {
    const path = newPath();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    for (let i = 0; i < 40; i++) await storage.addConversationMessage("s", "user", `${i} `.repeat(500));
    await storage.close();
    const bytes = readFileSync(path);
    // Every page but those of the schema.
    bytes.fill(0x5a, 4096 * 40);
    writeFileSync(path, bytes);
    await using damaged = sqliteStorage(path);
    await expect(damaged.getConversationHistory("s")).rejects.toMatchObject({ code: "CORRUPTION" });
  });
});

/** A file of ours on a read-only file system where the test may mount one, else without permission to write. */
async function readOnlyFile(): Promise<string> {
  const folder = join(dirname(newPath()), "mount");
  mkdirSync(folder);
  const path = join(folder, "store.db");
  const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8M", "tmpfs", folder]).status === 0;
  const storage = sqliteStorage(path);
  await storage.createSession("s", "u");
  await storage.close();
  const change = isMounted ? ["mount", "-o", "remount,ro", folder] : ["chmod", "-R", "a-w", folder];
  expect(spawnSync(change[0] as string, change.slice(1)).status).toBe(0);
  const [undo, ...args] = isMounted ? ["umount", folder] : ["chmod", "-R", "u+w", folder];
  onTestFinished(() => {
    spawnSync(undo as string, args);
  });
  return path;
}
