// The write-ahead log stays short and is used again, with a thread and without one, and whatever readers do.
import { statSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { newPath } from "./folder.js";

const forbidden = vi.hoisted(() => ({ threads: false }));

vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class Worker extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof actual.Worker>) {
      if (forbidden.threads) throw new Error("no threads here");
      super(...args);
    }
  }
  return { ...actual, Worker };
});

const PAGE = 4_096;

/** Writes many times more pages than the log is to hold. */
async function write(storage: StorageBackend, megabytes: number): Promise<void> {
  await storage.createSession("s", "u", { ifExists: "return" });
  const content = "x".repeat(3_900);
  for (let written = 0; written < megabytes; written++) {
    await Promise.all(Array.from({ length: 250 }, () => storage.addConversationMessage("s", "user", content)));
  }
}

const logSize = (path: string): number => statSync(`${path}-wal`).size;

describe.each([
  ["a thread", false],
  ["no thread", true],
])("with %s", (_name, isForbidden) => {
  it("the log is used again from its beginning while others write", { timeout: 120_000 }, async () => {
    forbidden.threads = isForbidden;
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    await write(storage, 60);
    const size = logSize(path);
    expect(size).toBeLessThan(17_000 * PAGE);
    await write(storage, 60);
    expect(logSize(path)).toBeLessThan(Math.max(size * 2, 17_000 * PAGE));
    expect((await storage.healthCheck()).status).toBe("healthy");
  });
});

it("a reader that holds an old moment makes it longer, and stops nobody", { timeout: 120_000 }, async () => {
  forbidden.threads = false;
  const path = newPath();
  const storage = sqliteStorage({ path, durability: "process" });
  await write(storage, 1);
  const records = storage.exportRecords()[Symbol.asyncIterator]();
  await records.next();
  await write(storage, 80);
  let messages = 0;
  for (let next = await records.next(); !next.done; next = await records.next()) messages += 1;
  expect(messages).toBe(250);
  await write(storage, 30);
  expect((await storage.getSession("s"))?.messageCount).toBe(111 * 250);
  await storage.close();
});

it("an export that nobody reads to its end does not keep the file open", async () => {
  const path = newPath();
  const storage = sqliteStorage({ path, timeoutMs: 200 });
  await write(storage, 1);
  const records = storage.exportRecords()[Symbol.asyncIterator]();
  await records.next();
  await storage.close();
  expect(statSync(`${path}-wal`, { throwIfNoEntry: false })).toBeUndefined();
  await expect(Promise.resolve(records.next()).then(() => records.next())).rejects.toMatchObject({ backend: "sqlite" });
});
