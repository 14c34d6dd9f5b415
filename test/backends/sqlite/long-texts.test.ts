// Texts that are too long for a row: pieces are there as long as what they belong to, and files of version 1 get the tables for them.
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../../src/backends/sqlite/schema/migrate.js";
import { TABLES } from "../../../src/backends/sqlite/schema/tables.js";
import { VIEWS } from "../../../src/backends/sqlite/schema/views.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { manualClock } from "../../../src/testing/manual-clock.js";
import { firstValue, newPath, outside } from "./folder.js";

const long = (name: string): string => `${name}é`.repeat(700_000);

async function fill(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u");
  await storage.addConversationMessage("s", "user", long("m"));
  await storage.storeTaskContext("s", long("c"));
  await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
  await storage.putWrites("t", "c", "task", [["channel", long("w")]]);
  await storage.putItem(["n"], "k", { text: long("i") });
}

const read = async (storage: StorageBackend): Promise<unknown[]> => [
  (await storage.getConversationHistory("s"))[0]?.content,
  (await storage.getTaskContext("s"))?.context,
  (await storage.getWrites("t", "c"))[0]?.value,
  (await storage.getItem(["n"], "k"))?.value.text,
];

const ALL = ["m", "c", "w", "i"].map(long);

/** How many texts there are, of which each row names one, and pieces that belong to none. */
function kept(path: string): { readonly texts: unknown; readonly named: unknown; readonly loose: unknown } {
  const named = ["messages", "context_versions", "checkpoint_writes", "items"]
    .map((table) => `SELECT long FROM ${table} WHERE long IN (SELECT id FROM long_texts)`)
    .join(" UNION ALL ");
  return {
    texts: firstValue(path, "SELECT count(*) FROM long_texts"),
    named: firstValue(path, `SELECT count(*) FROM (${named})`),
    loose: firstValue(path, "SELECT count(*) FROM text_pieces WHERE text NOT IN (SELECT id FROM long_texts)"),
  };
}

const texts = (count: number): ReturnType<typeof kept> => ({ texts: count, named: count, loose: 0 });

it("are in pieces, which the views put together", async () => {
  const path = newPath();
  await using storage = sqliteStorage({ path });
  await fill(storage);
  expect(kept(path)).toEqual(texts(4));
  expect(firstValue(path, "SELECT max(length(content)) FROM messages")).toBe(0);
  expect(firstValue(path, "SELECT content FROM messages_view")).toBe(JSON.stringify(long("m")));
  expect(firstValue(path, "SELECT content FROM task_contexts_view")).toBe(JSON.stringify(long("c")));
  expect(firstValue(path, "SELECT value FROM checkpoint_writes_view")).toBe(JSON.stringify(long("w")));
  expect(firstValue(path, "SELECT value FROM items_view")).toBe(JSON.stringify({ text: long("i") }));
});

it.each<[string, number, (storage: StorageBackend) => Promise<unknown>]>([
  ["deleting messages", 3, (s) => s.deleteConversationMessages("s", "all")],
  ["deleting a session", 1, (s) => s.deleteSession("s")],
  ["ending what has expired", 1, (s) => s.cleanupExpiredSessions({ maxIdleHours: 1 })],
  ["deleting a thread", 3, (s) => s.deleteThread("t")],
  ["deleting checkpoints", 3, (s) => s.deleteCheckpoints("t", ["c"])],
  ["overwriting a write", 3, (s) => s.putWrites("t", "c", "task", [["channel", 1]], { overwrite: true })],
  ["keeping the first write", 4, (s) => s.putWrites("t", "c", "task", [["channel", long("x")]])],
  ["newer versions of a context", 3, (s) => Promise.all([1, 2].map((i) => s.storeTaskContext("s", i)))],
  ["deleting an item", 3, (s) => s.deleteItem(["n"], "k")],
  ["deleting items", 3, (s) => s.deleteItems(["n"])],
  ["another value of an item", 3, (s) => s.putItem(["n"], "k", {})],
  ["an update of an item", 4, (s) => s.updateItem(["n"], "k", { merge: { more: long("x") } })],
  ["an import in the place of all", 4, (s) => s.importRecords(s.exportRecords(), { onConflict: "replace" })],
  ["copying a thread", 5, (s) => s.copyThread("t", "copy")],
])("are kept by what they belong to alone: %s", async (_, left, work) => {
  const path = newPath();
  const clock = manualClock(1_000);
  await using storage = sqliteStorage({ path, keepVersions: 2, clock });
  await fill(storage);
  clock.advance(3 * 3_600_000);
  await work(storage);
  await vi.waitFor(() => expect(kept(path)).toEqual(texts(left)), { timeout: 20_000 });
  expect(firstValue(path, "PRAGMA integrity_check")).toBe("ok");
});

it("leave nothing where a write is refused", async () => {
  const path = newPath();
  await using storage = sqliteStorage({ path });
  await fill(storage);
  const lease = await storage.acquireLease({ session: "s" }, { owner: "o", ttlMs: 60_000 });
  await storage.releaseLease(lease);
  await storage.acquireLease({ session: "s" }, { owner: "p", ttlMs: 60_000 });
  await expect(storage.addConversationMessage("s", "user", long("x"), { lease })).rejects.toMatchObject({
    code: "FENCED",
  });
  await expect(storage.putItem(["n"], "k", { text: long("x") }, { expectedVersion: 7 })).rejects.toMatchObject({
    code: "CONFLICT",
  });
  await expect(storage.storeTaskContext("s", long("x"), { expectedVersion: 7 })).rejects.toMatchObject({
    code: "CONFLICT",
  });
  expect(kept(path)).toEqual(texts(4));
  expect(await read(storage)).toEqual(ALL);
});

it.each<[string, (db: DatabaseSync) => void, RegExp]>([
  ["is missing", (db) => db.exec("DELETE FROM text_pieces WHERE idx = 1"), /^a piece of the content of .* is missing$/],
  [
    "is changed",
    (db) => db.exec("UPDATE text_pieces SET data = upper(data) WHERE idx = 1"),
    /^the content of .* is damaged$/,
  ],
])("of which a piece %s are reported", async (_, damage, message) => {
  for (const journal of ["auto", "rollback"] as const) {
    const path = newPath();
    await using storage = sqliteStorage({ path, journal });
    await fill(storage);
    outside(path, damage);
    for (const call of [
      () => storage.getConversationHistory("s"),
      () => storage.getConversationHistory("s", { roles: ["user"] }),
      () => storage.getTaskContext("s"),
      () => storage.getWrites("t", "c"),
      () => storage.getCheckpoint("t", { writes: true }),
      () => storage.getItem(["n"], "k"),
      () => storage.searchItems(["n"], { filter: { text: "x" } }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "CORRUPTION", message: expect.stringMatching(message) });
    }
  }
});

it("give way to a text that somebody puts into the row", async () => {
  const path = newPath();
  await using storage = sqliteStorage({ path });
  await fill(storage);
  outside(path, (db) => db.exec(`UPDATE items SET value = '{"a":1}', checksum = NULL`));
  expect((await storage.getItem(["n"], "k"))?.value).toEqual({ a: 1 });
  await storage.deleteItem(["n"], "k");
  expect(kept(path)).toEqual(texts(3));
});

it("a file of version 1 is brought up to date, and keeps what it has", async () => {
  const path = newPath();
  const old = new DatabaseSync(path);
  old.exec(`PRAGMA auto_vacuum = INCREMENTAL; ${TABLES} ${VIEWS}
    PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1;
    INSERT INTO tenants (id, name) VALUES (1, 'default');
    INSERT INTO sessions (id, tenant, session_id, user_id, status, created_at, updated_at, version, request_count,
      total_processing_time, error_count, message_count, last_seq, metadata)
      VALUES (1, 1, 's', 'u', 'active', 1, 1, 1, 0, 0, 0, 2, 2, '{}')`);
  const add =
    old.prepare(`INSERT INTO messages (session, seq, message_id, id_indexed, role, timestamp, metadata, content)
    VALUES (1, ?, ?, 1, 'user', 1, '{}', ?)`);
  add.run(1, "m1", '"short"');
  add.run(2, "m2", JSON.stringify(long("old")));
  old.close();
  await using storage = sqliteStorage({ path });
  const contents = async () => (await storage.getConversationHistory("s")).map(({ content }) => content);
  expect(await contents()).toEqual(["short", long("old")]);
  expect(firstValue(path, "PRAGMA user_version")).toBe(SCHEMA_VERSION);
  await storage.addConversationMessage("s", "user", long("new"));
  expect(await contents()).toEqual(["short", long("old"), long("new")]);
  expect(kept(path)).toEqual(texts(1));
  const lengths = outside(path, (db) =>
    db.prepare("SELECT length(content) AS n FROM messages_view ORDER BY seq").all(),
  );
  expect(lengths.map((row) => row.n)).toEqual([7, long("old").length + 2, long("new").length + 2]);
  await storage.deleteSession("s");
  await vi.waitFor(() => expect(kept(path)).toEqual(texts(0)), { timeout: 20_000 });
});
