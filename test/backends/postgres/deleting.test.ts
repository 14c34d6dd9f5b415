// What deletions leave in the tables: nothing, whatever belonged to what was deleted (S8, S10, K6, T3).
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { freshDatabase } from "../../support/shared-postgres.js";

let storage: StorageBackend;
let admin: pg.Pool;

/** Large enough for several blocks. */
const state = (step: number): object => ({
  step,
  log: Array.from({ length: 400 + step }, (_, i) => `entry ${i} ${i * i}`),
});

beforeAll(async () => {
  const url = await freshDatabase();
  storage = postgresStorage({ url });
  admin = new pg.Pool({ connectionString: url, max: 1 });
});

afterAll(async () => {
  await storage.close();
  await admin.end();
});

beforeEach(async () => {
  for (const id of ["a", "b"]) {
    await storage.createSession(id, "ada", { metadata: { id } });
    await storage.addConversationMessages(id, [
      { role: "user", content: "one" },
      { role: "user", content: "two" },
    ]);
    await storage.updateSession(id, { incrementRequests: true, idempotencyKey: "key" });
    await storage.acquireLease({ session: id }, { owner: "me", ttlMs: 60_000 });
    await storage.acquireLease({ thread: `thread of ${id}` }, { owner: "me", ttlMs: 60_000 });
    for (let step = 0; step < 4; step++) {
      await storage.storeCheckpoint(`thread of ${id}`, `c${step}`, state(step), {
        sessionId: id,
        parentId: step === 0 ? undefined : `c${step - 1}`,
      });
      await storage.putWrites(`thread of ${id}`, `c${step}`, "task", [["channel", step]]);
    }
  }
  await storage.storeTaskContext("a", { goal: "both" });
  await storage.shareTaskContext("a", "b");
});

/** Tables that hold rows, but those that outlive every session. */
async function filled(): Promise<string[]> {
  const tables = await admin.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'waystone' ORDER BY tablename",
  );
  const names: string[] = [];
  for (const { name } of tables.rows) {
    const { rows } = await admin.query(`SELECT 1 FROM waystone.${name} LIMIT 1`);
    if (rows.length > 0 && name !== "tenants" && name !== "schema_version") names.push(name);
  }
  return names;
}

it("the store is filled before", async () => {
  expect(await filled()).toEqual([
    "checkpoint_blocks",
    "checkpoint_writes",
    "checkpoints",
    "context_versions",
    "contexts",
    "idempotency_keys",
    "leases",
    "messages",
    "sessions",
    "threads",
  ]);
  await storage.deleteSession("a");
  await storage.deleteSession("b");
});

it("deleteSession leaves no row, and a shared context until its last session goes", async () => {
  await storage.deleteSession("a");
  expect((await storage.getTaskContext("b"))?.context).toEqual({ goal: "both" });
  expect((await storage.getCheckpoint("thread of b"))?.data).toEqual(state(3));
  await storage.deleteSession("b");
  expect(await filled()).toEqual([]);
});

it("two sessions that go at the same time take the context that they share with them", async () => {
  await Promise.all([storage.deleteSession("a"), storage.deleteSession("b")]);
  expect(await filled()).toEqual([]);
});

it("cleanupExpiredSessions leaves no row", async () => {
  expect(await storage.cleanupExpiredSessions({ maxIdleHours: 0, batchSize: 1 })).toBe(2);
  expect(await filled()).toEqual([]);
});

it("pruning keeps the blocks of what is kept and no other", async () => {
  await storage.pruneCheckpoints({ keepLast: 1, threadId: "thread of a" });
  expect((await storage.getCheckpoint("thread of a"))?.data).toEqual(state(3));
  await storage.storeCheckpoint("alone", "c", state(3));
  const count = async (thread: string): Promise<unknown> =>
    (await admin.query("SELECT count(*) FROM waystone.checkpoint_blocks WHERE thread_id = $1", [thread])).rows[0];
  expect(await count("thread of a")).toEqual(await count("alone"));
  await storage.deleteThread("alone");
  await storage.deleteSession("a");
  await storage.deleteSession("b");
  expect(await filled()).toEqual([]);
});
