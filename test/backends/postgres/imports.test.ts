// Imports in bounded batches: what the server looks at grows with what is stored, not with its square; doubles are found by their keys.
import pg from "pg";
import { describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import { runSql } from "../../support/postgres-server.js";
import { freshDatabase } from "../../support/shared-postgres.js";

const NOW = "2026-01-31T12:00:00.000Z";

function* conversation(
  sessionId: string,
  messages: number,
  idOf = (seq: number) => `m${seq}`,
): Generator<StorageRecord> {
  yield {
    kind: "session",
    session_id: sessionId,
    user_id: "ada",
    status: "active",
    created_at: NOW,
    updated_at: NOW,
    metadata: {},
    metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
    version: 1,
    last_seq: messages,
  };
  for (let seq = 1; seq <= messages; seq++) {
    yield {
      kind: "message",
      session_id: sessionId,
      seq,
      message_id: idOf(seq),
      role: "user",
      content: `message ${seq}`,
      timestamp: NOW,
      metadata: {},
    };
  }
}

describe("an import", () => {
  it("of one long conversation looks at few rows for each that it stores", async () => {
    const url = await freshDatabase();
    const storage = postgresStorage(url);
    const report = await storage.importRecords(conversation("s", 12_000));
    expect(report.imported).toMatchObject({ session: 1, message: 12_000 });
    expect(await storage.getSession("s")).toMatchObject({ messageCount: 12_000, lastSeq: 12_000 });
    await storage.close();
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    const { rows } = await admin.query<{ read: number }>(
      "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS read FROM pg_stat_user_tables WHERE schemaname = 'waystone' AND relname = 'messages'",
    );
    await admin.end();
    expect(rows[0]?.read).toBeLessThan(5 * 12_000);
  });

  it("of many sessions stores those of a batch together, and skips or replaces each by itself", async () => {
    await using storage = postgresStorage(await freshDatabase());
    const sessions = function* (ids: readonly number[], messages: number): Generator<StorageRecord> {
      for (const id of ids) yield* conversation(`s${id}`, messages);
    };
    const ids = Array.from({ length: 300 }, (_, i) => i);
    await storage.importRecords(
      sessions(
        ids.filter((id) => id % 2 === 0),
        1,
      ),
    );
    const skipped = await storage.importRecords(sessions(ids, 3), { onConflict: "skip" });
    expect(skipped).toMatchObject({ imported: { session: 150, message: 450 }, skipped: 150 * 4 });
    const replaced = await storage.importRecords(sessions(ids, 2), { onConflict: "replace" });
    expect(replaced.replaced).toBe(300);
    for (const id of [0, 1, 298, 299]) {
      expect((await storage.getConversationHistory(`s${id}`)).map(({ seq }) => seq)).toEqual([1, 2]);
    }
  });

  it("refuses a message whose id its session has from a batch before, and a place that somebody else has taken", async () => {
    const url = await freshDatabase();
    await using storage = postgresStorage(url);
    const doubled = conversation("s", 1_200, (seq) => (seq === 1_100 ? "m3" : `m${seq}`));
    await expect(storage.importRecords(doubled)).rejects.toThrow(/record 1101: the id of a message stands twice/);
    const racing = async function* (): AsyncGenerator<StorageRecord> {
      for (const record of conversation("t", 1_200)) {
        if (record.kind === "message" && record.seq === 700) {
          await runSql(
            url,
            "INSERT INTO waystone.messages VALUES ('default', 't', 800, 'other', 'user', 0, '{}', '\"x\"')",
          );
        }
        yield record;
      }
    };
    await expect(storage.importRecords(racing())).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
