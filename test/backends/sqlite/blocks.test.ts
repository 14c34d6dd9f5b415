// States in shared blocks: how the file grows, that damage is told, and that nothing is left when nothing needs it (K4, K5, K6).
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { prose } from "../../domain/segments/prose.js";
import { firstValue, newPath, outside } from "./folder.js";

const messages = (count: number, from = 0): object[] =>
  Array.from({ length: count }, (_, i) => ({ id: `m${from + i}`, content: prose(from + i, 1_500) }));

/** A thread whose list of messages grows by one at each of so many steps. */
async function grow(storage: StorageBackend, threadId: string, steps: number): Promise<void> {
  const all = messages(steps);
  for (let step = 1; step <= steps; step++) {
    await storage.storeCheckpoint(threadId, `c${step}`, { step, messages: all.slice(0, step) });
  }
}

const blocks = (path: string): unknown => firstValue(path, "SELECT count(*) FROM checkpoint_blocks");

it("a thread grows by what is new (K4)", { timeout: 60_000 }, async () => {
  await using storage = sqliteStorage({ path: newPath(), durability: "process" });
  const size = async (): Promise<number> => (await storage.getMetrics()).sizeBytes?.value ?? 0;
  const empty = await size();
  await grow(storage, "t", 300);
  expect((await size()) - empty).toBeLessThan(4 * 300 * 1_500);
  const head = await storage.getCheckpoint("t");
  expect(head?.data).toEqual({ step: 300, messages: messages(300) });
});

it("a state that the caller has is found by its row alone, and any other one is read (K5)", async () => {
  const path = newPath();
  await using storage = sqliteStorage(path);
  const { etag } = await storage.storeCheckpoint("t", "large", { messages: messages(20) });
  expect(etag).toMatch(/^[0-9a-f]{32}$/);
  expect(await storage.storeCheckpoint("t", "small", 1)).not.toHaveProperty("etag");
  outside(path, (db) => db.exec("DELETE FROM checkpoint_blocks"));
  const found = await storage.getCheckpoint("t", { checkpointId: "large", ifNoneMatch: etag });
  expect(found).toMatchObject({ etag, notModified: true, data: undefined });
  const read = storage.getCheckpoint("t", { checkpointId: "large", ifNoneMatch: `${etag}0` });
  await expect(read).rejects.toMatchObject({ code: "CORRUPTION" });
});

describe("damage (K5)", () => {
  it.each<[string, string]>([
    ["of a block is told", "UPDATE checkpoint_blocks SET data = zeroblob(length(data))"],
    ["of a block's form is told", "UPDATE checkpoint_blocks SET data = x''"],
    [
      "a missing piece is told",
      "DELETE FROM checkpoint_blocks WHERE length(data) = (SELECT max(length(data)) FROM checkpoint_blocks)",
    ],
    ["missing blocks are told", "DELETE FROM checkpoint_blocks"],
    [
      "swapped blocks are told",
      "UPDATE checkpoint_blocks SET data = (SELECT b.data FROM checkpoint_blocks b WHERE b.id <> checkpoint_blocks.id LIMIT 1)",
    ],
    ["blocks of another thread do not help", "UPDATE checkpoint_blocks SET thread = thread + 1"],
    ["a damaged manifest is told", "UPDATE checkpoint_states SET checksum = NULL, data = replace(data, '@1 ', '@1 9')"],
  ])("%s", async (_name, change) => {
    const path = newPath();
    await using storage = sqliteStorage(path);
    await storage.storeCheckpoint("t", "small", { step: 0 });
    await storage.storeCheckpoint("t", "large", { messages: messages(20) });
    await storage.getCheckpoint("t");
    outside(path, (db) => db.exec(change));
    await expect(storage.getCheckpoint("t")).rejects.toMatchObject({ code: "CORRUPTION" });
    await expect(storage.listCheckpoints("t", { data: true })).rejects.toMatchObject({ code: "CORRUPTION" });
    await expect(drain(storage.exportRecords())).rejects.toMatchObject({ code: "CORRUPTION" });
    expect(await storage.listCheckpoints("t")).toHaveLength(2);
    expect((await storage.getCheckpoint("t", { checkpointId: "small" }))?.data).toEqual({ step: 0 });
    expect(await storage.deleteThread("t")).toBe(true);
  });
});

describe("blocks that nothing needs", () => {
  it("stay where damage hides what is needed: other states still load, and storing and pruning go on", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    for (let i = 0; i < 10; i++) await storage.storeCheckpoint("t", `c${i}`, { messages: messages(10, i * 100) });
    const damage = `UPDATE checkpoint_blocks SET data = x'00' WHERE hex(name) =
      (SELECT upper(substr(data, -32)) FROM checkpoint_states ORDER BY checkpoint DESC LIMIT 1)`;
    outside(path, (db) => db.exec(damage));
    await expect(storage.getCheckpoint("t")).rejects.toMatchObject({ code: "CORRUPTION" });
    const all = Number(blocks(path));
    expect(await storage.pruneCheckpoints({ keepLast: 3 })).toMatchObject({ removedCheckpoints: 7 });
    expect(blocks(path)).toBe(all);
    const found = await storage.getCheckpoint("t", { checkpointId: "c8" });
    expect(found?.data).toEqual({ messages: messages(10, 800) });
    await storage.storeCheckpoint("t", "c9", { messages: messages(1, 5_000) });
    await storage.pruneCheckpoints({ keepLast: 2 });
    expect(blocks(path)).toBeLessThan(all / 2);
  });

  it("go when checkpoints are pruned, and what is kept still loads (K6)", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    for (let i = 0; i < 30; i++) await storage.storeCheckpoint("t", `c${i}`, { messages: messages(10, i * 100) });
    const all = Number(blocks(path));
    await storage.storeCheckpoint("t", "same", { messages: messages(10, 2_900) });
    await storage.pruneCheckpoints({ keepLast: 3 }, { dryRun: true });
    expect(blocks(path)).toBe(all);
    await storage.pruneCheckpoints({ keepLast: 3 });
    expect(blocks(path)).toBeLessThan(all / 10);
    for (const [i, id] of [
      [28, "c28"],
      [29, "c29"],
      [29, "same"],
    ] as const) {
      const found = await storage.getCheckpoint("t", { checkpointId: id });
      expect(found?.data).toEqual({ messages: messages(10, i * 100) });
    }
    await storage.storeCheckpoint("t", "small", 1);
    await storage.pruneCheckpoints({ keepLast: 1 });
    expect(blocks(path)).toBe(0);
    expect((await storage.getCheckpoint("t"))?.data).toBe(1);
  });

  it("go when checkpoints are deleted by name, but for those that others share (K9)", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    const shared = messages(10);
    for (let i = 0; i < 10; i++) {
      await storage.storeCheckpoint("t", `c${i}`, { messages: [...shared, ...messages(10, (i + 1) * 100)] });
    }
    const all = Number(blocks(path));
    await storage.deleteCheckpoints("t", ["c1", "c3", "c5", "c7", "c9"]);
    const half = Number(blocks(path));
    expect(half).toBeLessThan(all * 0.7);
    await storage.deleteCheckpoints("t", ["c1", "absent"]);
    expect(blocks(path)).toBe(half);
    const found = await storage.getCheckpoint("t", { checkpointId: "c8" });
    expect(found?.data).toEqual({ messages: [...shared, ...messages(10, 900)] });
    await storage.deleteCheckpoints("t", ["c0", "c2", "c4", "c6", "c8"]);
    expect(blocks(path)).toBe(0);
  });

  it("go after a while when one checkpoint is replaced again and again", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    let most = 0;
    for (let i = 0; i < 120; i++) {
      await storage.storeCheckpoint("t", "c", { messages: messages(10, i * 100) });
      most = Math.max(most, Number(blocks(path)));
    }
    expect(most).toBeLessThan(400);
    expect((await storage.getCheckpoint("t"))?.data).toEqual({ messages: messages(10, 11_900) });
  });

  it("go with the thread, not with its copy (K7)", async () => {
    const path = newPath();
    await using storage = sqliteStorage({ path, durability: "process" });
    await grow(storage, "t", 30);
    const own = Number(blocks(path));
    await storage.copyThread("t", "copy");
    expect(blocks(path)).toBe(2 * own);
    await storage.deleteThread("t");
    expect(blocks(path)).toBe(own);
    expect((await storage.getCheckpoint("copy"))?.data).toEqual({ step: 30, messages: messages(30) });
    await storage.deleteThread("copy");
    expect(blocks(path)).toBe(0);
  });
});

it("an import stores shared blocks too", async () => {
  const paths = [newPath(), newPath()] as const;
  await using from = sqliteStorage({ path: paths[0], durability: "process" });
  await using to = sqliteStorage({ path: paths[1], durability: "process" });
  await grow(from, "t", 40);
  await to.importRecords(from.exportRecords());
  expect(blocks(paths[1])).toBe(blocks(paths[0]));
  expect((await to.getCheckpoint("t"))?.data).toEqual({ step: 40, messages: messages(40) });
});

it("small states can be read at the shell, large ones say so", async () => {
  const path = newPath();
  await using storage = sqliteStorage(path);
  await storage.storeCheckpoint("t", "a", { plan: ["search"] });
  expect(firstValue(path, "SELECT data ->> '$.plan[0]' FROM checkpoints_view")).toBe("search");
  await storage.storeCheckpoint("t", "a", { messages: messages(3) });
  expect(firstValue(path, "SELECT data FROM checkpoints_view")).toBeNull();
});

async function drain(records: AsyncIterable<unknown>): Promise<void> {
  for await (const record of records) expect(record).toBeDefined();
}
