// A full disk: what does not fit is refused as a whole, what was acknowledged stays, and writing goes on when there is room.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type SqliteStorageOptions, sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { firstValue, newPath, openedFiles } from "./folder.js";

const CONTENT = "x".repeat(3_000);

const FULL = {
  name: "StorageConnectionError",
  code: "CONNECTION",
  outcome: "not-applied",
  retryable: true,
  message: expect.stringMatching(/is full/),
};

/** Appends batches from a few callers until each is refused; gives the ids that were acknowledged, and the refusals. */
async function fill(storage: StorageBackend): Promise<{ acknowledged: string[]; refusals: unknown[] }> {
  const acknowledged: string[] = [];
  const refusals: unknown[] = [];
  const caller = async (name: string): Promise<void> => {
    for (let batch = 0; batch < 2_000; batch++) {
      const messages = [0, 1, 2].map((i) => ({ role: "user", content: CONTENT, messageId: `${name}:${batch}:${i}` }));
      try {
        await storage.addConversationMessages("s", messages);
        acknowledged.push(...messages.map(({ messageId }) => messageId));
      } catch (error) {
        refusals.push(error);
        return;
      }
    }
    throw new Error("the disk was not filled");
  };
  await Promise.all(["a", "b", "c", "d"].map(caller));
  return { acknowledged, refusals };
}

/** Nothing acknowledged is missing, and no batch is there in part. */
async function expectWhole(storage: StorageBackend, acknowledged: readonly string[]): Promise<void> {
  const stored = await storage.getConversationHistory("s", { limit: 10_000 });
  expect(stored.map(({ messageId }) => messageId).sort()).toEqual([...acknowledged].sort());
  expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, i) => i + 1));
  expect(await storage.getSession("s")).toMatchObject({ messageCount: stored.length, lastSeq: stored.length });
}

describe.each<[string, Omit<SqliteStorageOptions, "path">]>([
  ["the write-ahead log", {}],
  ["the rollback journal", { journal: "rollback" }],
])("with %s", (_name, options) => {
  it("a file that may not grow refuses whole batches, and takes them when it may", async () => {
    const path = newPath();
    const files = openedFiles();
    await using storage = sqliteStorage({ ...options, path });
    await storage.createSession("s", "u");
    const [file] = files;
    file?.inspect((connection) => connection.pragma("max_page_count = 400"));
    const { acknowledged, refusals } = await fill(storage);
    expect(acknowledged.length).toBeGreaterThan(100);
    for (const refusal of refusals) expect(refusal).toMatchObject(FULL);
    await expectWhole(storage, acknowledged);

    await expect(storage.storeCheckpoint("t", "c", randomBytes(700_000).toString("base64"))).rejects.toMatchObject(
      FULL,
    );
    expect(await storage.getCheckpoint("t")).toBeUndefined();
    await expect(storage.copyThread("t", "u")).resolves.toBe(false);

    file?.inspect((connection) => connection.pragma("max_page_count = 100000"));
    await storage.addConversationMessage("s", "user", "more", { messageId: "more" });
    await expectWhole(storage, [...acknowledged, "more"]);
    await storage.close();
    expect(firstValue(path, "PRAGMA integrity_check")).toBe("ok");
  });

  it("in a group, only what does not fit is refused", async () => {
    const files = openedFiles();
    await using storage = sqliteStorage({ ...options, path: newPath() });
    await storage.createSession("s", "u");
    const pages = Number(files[0]?.inspect((connection) => connection.pragma("page_count")));
    files[0]?.inspect((connection) => connection.pragma(`max_page_count = ${pages + 20}`));
    const [first, large, last] = await Promise.allSettled([
      storage.addConversationMessage("s", "user", "first"),
      storage.addConversationMessage("s", "user", "x".repeat(200_000)),
      storage.addConversationMessage("s", "user", "last"),
    ]);
    expect(large).toMatchObject({ status: "rejected", reason: FULL });
    expect([first, last]).toMatchObject([{ status: "fulfilled" }, { status: "fulfilled" }]);
    expect((await storage.getConversationHistory("s")).map(({ content }) => content)).toEqual(["first", "last"]);
  });

  it("a file system without room refuses whole batches, and takes them when there is room", async (context) => {
    const folder = smallFileSystem();
    if (folder === undefined) return context.skip("this user may not mount a file system");
    const path = join(folder, "store.db");
    const storage = sqliteStorage({ ...options, path });
    await storage.createSession("s", "u");
    // As much as the log and the file that it is copied into take together must fit when it is gone.
    const ballast = join(folder, "ballast");
    writeFileSync(ballast, Buffer.alloc(10 * 1024 * 1024));
    const { acknowledged, refusals } = await fill(storage);
    expect(acknowledged.length).toBeGreaterThan(100);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: "CONNECTION" });
    await expectWhole(storage, acknowledged);

    rmSync(ballast);
    await storage.addConversationMessage("s", "user", "more", { messageId: "more" });
    await storage.close();
    await using again = sqliteStorage({ ...options, path });
    await expectWhole(again, [...acknowledged, "more"]);
    expect(firstValue(path, "PRAGMA integrity_check")).toBe("ok");
  });
});

/** A file system of 16 MB, if this user may mount one. */
function smallFileSystem(): string | undefined {
  const folder = join(dirname(newPath()), "mount");
  mkdirSync(folder);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=16M", "tmpfs", folder]).status !== 0) return undefined;
  onTestFinished(() => {
    spawnSync("umount", [folder]);
  });
  return folder;
}
