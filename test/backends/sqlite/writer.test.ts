// The writer: who shares a transaction, who undoes nothing of the others, and what a failing disk leaves certain.
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { Connection } from "../../../src/backends/sqlite/connection/connection.js";
import { Turns } from "../../../src/backends/sqlite/connection/turns.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { Writer, type WriterOptions, type WritingCall } from "../../../src/backends/sqlite/writer.js";
import { ConflictError, StorageTimeoutError } from "../../../src/contract/errors.js";
import { newPath, openedFiles } from "./folder.js";

function callNow(): WritingCall & { cancelled: boolean } {
  return {
    cancelled: false,
    sent: false,
    remainingMs: () => 10_000,
    cancellation: () => new StorageTimeoutError("too late"),
  };
}

/** A writer over a table of one column, with the statements that begin and end transactions. */
function newWriter(options: Partial<WriterOptions> = {}): { writer: Writer; log: string[]; rows: () => unknown[] } {
  const path = newPath();
  const connection = new Connection(path);
  connection.script("CREATE TABLE t (a INTEGER PRIMARY KEY)");
  const log: string[] = [];
  const control = connection.control.bind(connection);
  vi.spyOn(connection, "control").mockImplementation((sql) => {
    log.push(sql);
    control(sql);
  });
  const rollback = connection.rollback.bind(connection);
  vi.spyOn(connection, "rollback").mockImplementation(() => {
    log.push("ROLLBACK");
    rollback();
  });
  const writer = new Writer({
    path,
    connection,
    turns: new Turns(),
    guard: () => undefined,
    prepare: () => undefined,
    commit: () => {
      connection.control("COMMIT");
      return undefined;
    },
    afterCommit: () => undefined,
    ...options,
  });
  const rows = () => connection.all<{ a: number }>("SELECT a FROM t ORDER BY a").map(({ a }) => a);
  return { writer, log, rows };
}

const insert = (a: number) => (tx: Connection) => tx.run("INSERT INTO t VALUES (?)", a);

/** What a caller does between two writes without waiting for anything else. */
async function someMicrotasks(): Promise<void> {
  for (let i = 0; i < 20; i++) await undefined;
}

const refuse = (): never => {
  throw new ConflictError("refused");
};

/** An error as SQLite's, with a primary result code. */
function sqliteError(errcode: number): Error {
  return Object.assign(new Error("as SQLite says it"), { errcode });
}

describe("steps that wait at the same moment", () => {
  it("share a transaction and are acknowledged after it", async () => {
    const { writer, log, rows } = newWriter();
    const calls = [1, 2, 3].map(() => callNow());
    const results = await Promise.all(calls.map((call, i) => writer.write(call, insert(i))));
    expect(results).toEqual([1, 1, 1]);
    expect(log).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    expect(rows()).toEqual([0, 1, 2]);
    expect(calls.every(({ sent }) => sent)).toBe(true);
  });

  it("and what its caller does next, wait for each other where a step says so", async () => {
    const turns = new Turns();
    vi.spyOn(turns, "isOver", "get").mockReturnValue(false);
    const { writer, log } = newWriter({ turns });
    await writer.write(callNow(), insert(1));
    // Alone so far, so that it would be run at once.
    const first = writer.write(callNow(), insert(2), "short", true);
    await someMicrotasks();
    await Promise.all([first, writer.write(callNow(), insert(3))]);
    await writer.write(callNow(), insert(4));
    expect(log.filter((sql) => sql === "COMMIT")).toHaveLength(3);
  });

  it("while the disk syncs the one before share the next, those who waited for it too", async () => {
    let synced = (): void => undefined;
    let commits = 0;
    let connection: Connection | undefined;
    const turns = new Turns();
    vi.spyOn(turns, "isOver", "get").mockReturnValue(false);
    const { writer, rows } = newWriter({
      turns,
      guard: (tx) => {
        connection = tx;
      },
      commit: () => {
        commits += 1;
        connection?.control("COMMIT");
        return new Promise((resolve) => (synced = resolve));
      },
    });
    const first = writer.write(callNow(), insert(1)).then(async () => {
      await someMicrotasks();
      return writer.write(callNow(), insert(3));
    });
    await nextTurn();
    const second = writer.write(callNow(), insert(2));
    synced();
    await nextTurn();
    synced();
    await Promise.all([first, second]);
    expect([commits, rows()]).toEqual([2, [1, 2, 3]]);
  });

  it("see the earlier ones, and a refusal before a write disturbs nobody", async () => {
    const { writer, log, rows } = newWriter();
    const results = await Promise.allSettled([
      writer.write(callNow(), insert(1)),
      writer.write(callNow(), refuse),
      writer.write(callNow(), (tx) => tx.all("SELECT a FROM t").length),
    ]);
    expect(results).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: { code: "CONFLICT" } },
      { status: "fulfilled", value: 1 },
    ]);
    expect(log).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    expect(rows()).toEqual([1]);
  });

  it("one that throws after it has written is undone alone", async () => {
    const { writer, rows } = newWriter();
    const spoil = (tx: Connection): never => {
      insert(2)(tx);
      return refuse();
    };
    const results = await Promise.allSettled([
      writer.write(callNow(), insert(1)),
      writer.write(callNow(), spoil),
      writer.write(callNow(), insert(3)),
    ]);
    expect(results).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: { code: "CONFLICT" } },
      { status: "fulfilled" },
    ]);
    expect(rows()).toEqual([1, 3]);
  });

  it("an error of SQLite fails only the step that has it", async () => {
    const { writer, rows } = newWriter();
    const results = await Promise.allSettled([
      writer.write(callNow(), insert(1)),
      writer.write(callNow(), insert(1)),
      writer.write(callNow(), insert(2)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(rows()).toEqual([1, 2]);
  });

  it("those that sweep have a transaction of their own", async () => {
    const kinds: string[] = [];
    const { writer, log, rows } = newWriter({ prepare: (kind) => kinds.push(kind) });
    await Promise.all([
      writer.write(callNow(), insert(1), "lazy"),
      writer.write(callNow(), insert(2), "lazy"),
      writer.write(callNow(), insert(3)),
      writer.write(callNow(), insert(4), "lazy"),
    ]);
    expect(kinds).toEqual(["lazy", "short", "lazy"]);
    expect(log.filter((sql) => sql === "COMMIT")).toHaveLength(3);
    expect(rows()).toEqual([1, 2, 3, 4]);
  });

  it("one whose call is given up before its turn is not run", async () => {
    const { writer, rows } = newWriter();
    const call = { ...callNow(), cancelled: true };
    const results = await Promise.allSettled([writer.write(call, insert(1)), writer.write(callNow(), insert(2))]);
    expect(results).toMatchObject([{ status: "rejected", reason: { code: "TIMEOUT" } }, { status: "fulfilled" }]);
    expect(rows()).toEqual([2]);
  });
});

describe("work in slices", () => {
  it("has a transaction of its own, between which the event loop turns, and others wait for it", async () => {
    const { writer, log, rows } = newWriter();
    let turns = 0;
    let isDone = false;
    const long = writer.writeInSlices(callNow(), function* (tx) {
      for (let i = 0; i < 40; i++) {
        insert(i)(tx);
        const end = performance.now() + 2;
        while (performance.now() < end);
        yield;
      }
      return "done";
    });
    const after = writer.write(callNow(), insert(100));
    void long.then(() => {
      isDone = true;
    });
    while (!isDone) {
      turns += 1;
      await nextTurn();
    }
    expect(await long).toBe("done");
    await after;
    expect(turns).toBeGreaterThan(5);
    expect(log).toEqual(["BEGIN IMMEDIATE", "COMMIT", "BEGIN IMMEDIATE", "COMMIT"]);
    expect(rows()).toHaveLength(41);
  });

  it("that is given up on its way takes no effect", async () => {
    const { writer, rows } = newWriter();
    const call = callNow();
    const long = writer.writeInSlices(call, function* (tx) {
      for (let i = 0; ; i++) {
        insert(i)(tx);
        call.cancelled = i > 500;
        yield;
      }
    });
    await expect(long).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(call.sent).toBe(false);
    expect(rows()).toEqual([]);
    await writer.write(callNow(), insert(1));
    expect(rows()).toEqual([1]);
  });

  it("that throws is undone", async () => {
    const { writer, rows } = newWriter();
    const long = writer.writeInSlices(callNow(), function* (tx) {
      insert(1)(tx);
      yield;
      return refuse();
    });
    await expect(long).rejects.toMatchObject({ code: "CONFLICT" });
    expect(rows()).toEqual([]);
  });
});

describe("a commit", () => {
  const IOERR_FSYNC = 1034;
  const FULL = 13;

  it.each<[string, (writer: Writer) => Promise<unknown>]>([
    ["of a group", (writer) => writer.write(callNow(), insert(1))],
    [
      "of work in slices",
      (writer) =>
        writer.writeInSlices(callNow(), function* (tx) {
          insert(1)(tx);
          yield;
        }),
    ],
  ])("%s that the disk fails has an unknown outcome, and nothing is written any more", async (_name, write) => {
    const commit = vi.fn(() => {
      throw sqliteError(IOERR_FSYNC);
    });
    const { writer } = newWriter({ commit });
    await expect(write(writer)).rejects.toMatchObject({ code: "CONNECTION", outcome: "unknown", retryable: false });
    expect(writer.broken?.message).toMatch(/takes no more writes: close it and open it again/);
    await expect(writer.write(callNow(), insert(2))).rejects.toMatchObject({
      code: "CONNECTION",
      outcome: "not-applied",
      retryable: false,
    });
    expect(commit).toHaveBeenCalledTimes(1);
    await writer.drained();
  });

  it("whose sync afterwards fails has an unknown outcome too", async () => {
    const failed = Object.assign(new Error("input/output error"), { code: "EIO" });
    const { writer } = newWriter({ commit: () => Promise.reject(failed) });
    await expect(writer.write(callNow(), insert(1))).rejects.toMatchObject({
      code: "CONNECTION",
      outcome: "unknown",
      cause: failed,
    });
    expect(writer.broken).toBeDefined();
  });

  it("is acknowledged after its sync", async () => {
    let finish = (): void => undefined;
    const { writer } = newWriter({ commit: () => new Promise((resolve) => (finish = resolve)) });
    let isAcknowledged = false;
    const write = writer.write(callNow(), insert(1)).then(() => {
      isAcknowledged = true;
    });
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect(isAcknowledged).toBe(false);
    finish();
    await write;
  });

  it("that finds no room is tried again for each step alone", async () => {
    let commits = 0;
    const { writer, rows } = newWriter({
      commit: () => {
        commits += 1;
        throw sqliteError(FULL);
      },
    });
    const calls = [callNow(), callNow()];
    const results = await Promise.allSettled(calls.map((call, i) => writer.write(call, insert(i))));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(commits).toBe(3);
    expect(rows()).toEqual([]);
    expect(calls.map(({ sent }) => sent)).toEqual([false, false]);
    expect(writer.broken).toBeUndefined();
  });
});

describe("a storage whose disk has failed", () => {
  it("says so, reads on, and writes again once it is opened anew", async () => {
    const path = newPath();
    const files = openedFiles();
    const storage = sqliteStorage(path);
    await storage.createSession("s", "u");
    const original = Connection.prototype.control;
    const failing = vi.spyOn(Connection.prototype, "control").mockImplementation(function (this: Connection, sql) {
      if (sql === "COMMIT" && this === files[0]?.inspect((connection) => connection)) throw sqliteError(10 | (4 << 8));
      original.call(this, sql);
    });
    await expect(storage.updateSession("s", { markError: true })).rejects.toMatchObject({
      code: "CONNECTION",
      outcome: "unknown",
      operation: "updateSession",
    });
    failing.mockRestore();
    await expect(storage.updateSession("s", { markError: true })).rejects.toMatchObject({ outcome: "not-applied" });
    expect((await storage.getSession("s"))?.errorCount).toBe(0);
    const report = await storage.healthCheck();
    expect(report.status).toBe("unhealthy");
    expect(report.checks.find(({ name }) => name === "writes")).toMatchObject({ status: "error" });
    await storage.close();
    await using again = sqliteStorage(path);
    expect((await again.updateSession("s", { markError: true })).errorCount).toBe(1);
  });
});
