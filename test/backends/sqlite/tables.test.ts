// What a person finds in the file: plain tables, views with readable values, and checksums that tell damage.
import { describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { manualClock } from "../../../src/testing/manual-clock.js";
import { firstValue, newPath, outside } from "./folder.js";

async function filled(path: string): Promise<StorageBackend> {
  const storage = sqliteStorage({ path, clock: manualClock(Date.UTC(2031, 4, 6, 7, 8, 9, 123)) });
  await storage.createSession("s1", "ann", { metadata: { plan: "pro" }, ttlMs: 60_000 });
  await storage.addConversationMessage("s1", "user", "héllo");
  await storage.storeTaskContext("s1", { step: 1 });
  await storage.storeCheckpoint("t1", "c1", { n: 1 }, { sessionId: "s1", metadata: { source: "loop" } });
  await storage.putWrites("t1", "c1", "task", [["channel", [1]]]);
  await storage.putItem(["memories", "ann/1", "ü"], "colour", { value: "red" });
  await storage.acquireLease({ thread: "t1" }, { owner: "worker", ttlMs: 1_000 });
  return storage;
}

const rowsOf = (path: string, sql: string): unknown[] =>
  outside(path, (db) =>
    db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row })),
  );

describe("views", () => {
  it("show names and instants", async () => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.initialize();
    const at = "2031-05-06T07:08:09.123Z";
    expect(rowsOf(path, "SELECT * FROM sessions_view")).toEqual([
      expect.objectContaining({
        tenant: "default",
        session_id: "s1",
        user_id: "ann",
        status: "active",
        created_at: at,
        updated_at: at,
        expires_at: "2031-05-06T07:09:09.123Z",
        message_count: 1,
        metadata: '{"plan":"pro"}',
      }),
    ]);
    expect(rowsOf(path, "SELECT session_id, seq, role, content, timestamp FROM messages_view")).toEqual([
      { session_id: "s1", seq: 1, role: "user", content: '"héllo"', timestamp: at },
    ]);
    expect(rowsOf(path, "SELECT thread_id, session_id, checkpoint_count, updated_at FROM threads_view")).toEqual([
      { thread_id: "t1", session_id: "s1", checkpoint_count: 1, updated_at: at },
    ]);
    expect(rowsOf(path, "SELECT thread_id, checkpoint_id, seq, data, metadata FROM checkpoints_view")).toEqual([
      { thread_id: "t1", checkpoint_id: "c1", seq: 1, data: '{"n":1}', metadata: '{"source":"loop"}' },
    ]);
    expect(rowsOf(path, "SELECT thread_id, task_id, channel, value FROM checkpoint_writes_view")).toEqual([
      { thread_id: "t1", task_id: "task", channel: "channel", value: "[1]" },
    ]);
    expect(rowsOf(path, "SELECT session_id, version, content, created_at FROM task_contexts_view")).toEqual([
      { session_id: "s1", version: 1, content: '{"step":1}', created_at: at },
    ]);
    expect(rowsOf(path, "SELECT namespace, key, value, expires_at FROM items_view")).toEqual([
      { namespace: '["memories","ann/1","ü"]', key: "colour", value: '{"value":"red"}', expires_at: null },
    ]);
    expect(rowsOf(path, "SELECT kind, subject_id, owner, expires_at FROM leases_view")).toEqual([
      { kind: "thread", subject_id: "t1", owner: "worker", expires_at: "2031-05-06T07:08:10.123Z" },
    ]);
  });
});

describe("content that was changed on the disk", () => {
  it.each<[string, string, (storage: StorageBackend) => Promise<unknown>, string]>([
    ["messages", "content = replace(content, 'h', 'H')", (s) => s.getConversationHistory("s1"), "message 1"],
    ["messages", `metadata = '{"a":1}'`, (s) => s.getConversationHistory("s1", { roles: ["user"] }), "message 1"],
    ["context_versions", "content = '2'", (s) => s.getTaskContext("s1"), "task context version 1"],
    ["checkpoint_states", "data = '2'", (s) => s.getCheckpoint("t1"), 'checkpoint "c1"'],
    ["checkpoint_writes", "value = '2'", (s) => s.getWrites("t1", "c1"), 'a write of checkpoint "c1"'],
    ["items", "value = '{}'", (s) => s.searchItems(["memories"]), 'item "colour"'],
  ])("of %s (%s) is reported, and accepted once its checksum is NULL", async (table, change, read, record) => {
    const path = newPath();
    await using storage = await filled(path);
    await read(storage);
    outside(path, (db) => db.exec(`UPDATE ${table} SET ${change}`));
    await expect(read(storage)).rejects.toMatchObject({
      name: "CorruptionError",
      code: "CORRUPTION",
      message: `the content of ${record} is damaged`,
    });
    outside(path, (db) => db.exec(`UPDATE ${table} SET checksum = NULL`));
    await read(storage);
  });

  it("a state that is missing is reported (K5)", async () => {
    const path = newPath();
    await using storage = await filled(path);
    await storage.initialize();
    outside(path, (db) => db.exec("DELETE FROM checkpoint_states"));
    await expect(storage.getCheckpoint("t1")).rejects.toMatchObject({ code: "CORRUPTION" });
    await expect(storage.listCheckpoints("t1", { data: true })).rejects.toMatchObject({ code: "CORRUPTION" });
    expect(await storage.listCheckpoints("t1")).toHaveLength(1);
  });
});

describe("the file", () => {
  it("is sound after everything was done to it", async () => {
    const path = newPath();
    const storage = await filled(path);
    await storage.copyThread("t1", "t2");
    await storage.deleteSession("s1");
    await storage.pruneCheckpoints({ keepLast: 1 });
    await storage.close();
    expect(firstValue(path, "PRAGMA integrity_check")).toBe("ok");
  });
});
