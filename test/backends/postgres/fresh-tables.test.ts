// Tables that the server has not counted yet: each look-up goes by the whole key, and reads no more than it gives.
import pg from "pg";
import { expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const CALLS = 400;

it("a call about one thing reads a few rows, however many there are since the tables were made", {
  timeout: 60_000,
}, async () => {
  const url = await freshDatabase();
  const storage = postgresStorage({ url, pool: { max: 1 } });
  await storage.createSession("s", "ada");
  for (let i = 0; i < CALLS; i++) {
    await storage.addConversationMessage("s", "user", `${i}`, { messageId: `m${i}` });
    await storage.addConversationMessages("s", [
      { role: "user", content: "a", messageId: `a${i}` },
      { role: "user", content: "b", messageId: `b${i}` },
    ]);
    await storage.storeCheckpoint("t", `c${i}`, { i });
    await storage.getCheckpoint("t", { checkpointId: "c3" });
    await storage.putWrites("t", `c${i}`, "task", [["a", 1]]);
    await storage.putItem(["n"], `k${i}`, { i });
    await storage.updateSession("s", { incrementRequests: 1, idempotencyKey: `k${i}` });
  }
  await storage.close();
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const { rows } = await admin.query<{ name: string; read: number }>(
    `SELECT relname AS name, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read
     FROM pg_stat_user_tables WHERE schemaname = 'waystone'`,
  );
  await admin.end();
  const read = Object.fromEntries(rows.map(({ name, read }) => [name, read]));
  expect(read.sessions).toBeGreaterThan(CALLS);
  expect(Object.entries(read).filter(([, count]) => count > 12 * CALLS)).toEqual([]);
});

it("appends with ids to many sessions at once read a few rows each", { timeout: 60_000 }, async () => {
  const url = await freshDatabase();
  const storage = postgresStorage({ url, pool: { max: 4 } });
  const sessions = Array.from({ length: 60 }, (_, i) => `s${i}`);
  for (const id of sessions) await storage.createSession(id, "ada");
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      sessions.map((id) =>
        storage.addConversationMessages(
          id,
          Array.from({ length: 10 }, (_, i) => ({ role: "user", content: "a", messageId: `${round}-${i}` })),
        ),
      ),
    );
  }
  await storage.close();
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const { rows } = await admin.query<{ read: number }>(
    `SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read
     FROM pg_stat_user_tables WHERE schemaname = 'waystone' AND relname = 'messages'`,
  );
  await admin.end();
  expect(rows[0]?.read).toBeLessThan(2 * 60 * 50);
});
