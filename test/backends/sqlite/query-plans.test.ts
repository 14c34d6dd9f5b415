// The statements of the backend: no call reads a whole table.
import { expect, it, vi } from "vitest";
import { Connection } from "../../../src/backends/sqlite/connection/connection.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { newPath, outside } from "./folder.js";

/** Small tables by their nature, read from their end. */
const MAY_BE_SCANNED = [/^SCAN garbage$/, /^SCAN sqlite_master$/, /^SCAN \(subquery-\d+\)$/, /^SCAN CONSTANT ROW$/];

const seen = new Set<string>();

/** Everything that the contract offers, in its variants. */
async function useEverything(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u", { ttlMs: 1e9, metadata: { a: 1 } });
  await storage.batchCreateSessions([{ sessionId: "s2", userId: "u" }]);
  await storage.batchGetSessions(["s", "s2", "s3"]);
  await storage.updateSession("s", { markError: true, idempotencyKey: "k" });
  await storage.endSession("s");
  for (const userId of [undefined, "u"]) {
    for (const orderBy of ["createdAt", "updatedAt"] as const) {
      for (const direction of ["asc", "desc"] as const) {
        await storage.listSessions({ userId, orderBy, direction, metadata: { a: 2 }, status: "failed" });
      }
    }
  }
  for (let i = 0; i < 40; i++)
    await storage.addConversationMessage("s", i % 3 ? "user" : "tool", "x", { messageId: `m${i}` });
  await storage.addConversationMessage("s", "user", "x", { messageId: "m1" });
  await storage.getConversationHistory("s");
  await storage.getConversationHistory("s", { after: 3, before: 30, limit: 1_000 });
  await storage.getConversationHistory("s", { roles: ["tool", "user"], limit: 10_000 });
  await storage.getConversationHistory("s", { roles: ["tool"], after: 1 });
  await storage.deleteConversationMessages("s", { before: 3 });
  await storage.addConversationMessages(
    "s2",
    Array.from({ length: 300 }, () => ({ role: "user", content: "x" })),
  );
  await storage.deleteConversationMessages("s2", "all");
  const lease = await storage.acquireLease({ thread: "t" }, { owner: "o", ttlMs: 1_000 });
  for (let i = 0; i < 5; i++) {
    await storage.storeCheckpoint("t", `c${i}`, "x", {
      sessionId: "s",
      lease,
      expectedHead: i === 0 ? null : `c${i - 1}`,
    });
  }
  await storage.storeCheckpoint("t", "c0", "y");
  await storage.putWrites("t", "c0", "task", [["a", 1]], { overwrite: true });
  await storage.getCheckpoint("t", { writes: true });
  await storage.getCheckpoint("t", { checkpointId: "c0" });
  await storage.listCheckpoints("t", { namespace: "", data: true, writes: true, metadata: { a: 1 } });
  await storage.listCheckpoints("t", { limit: 1_000 });
  await storage.getWrites("t", "c0");
  for (const sessionId of [undefined, "s"]) {
    for (const orderBy of ["createdAt", "updatedAt"] as const) {
      for (const direction of ["asc", "desc"] as const) await storage.listThreads({ sessionId, orderBy, direction });
    }
  }
  await storage.copyThread("t", "t2");
  await storage.renewLease(lease);
  await storage.releaseLease(lease);
  await storage.storeCheckpoint("t", "needing", "z", { parentId: "c0", needsParent: true });
  await storage.deleteCheckpoints("t", ["needing", "c2"]);
  await storage.pruneCheckpoints({ keepLast: 1 }, { dryRun: true });
  await storage.pruneCheckpoints({ keepLast: 1, threadId: "t" });
  await storage.storeTaskContext("s", 1);
  await storage.shareTaskContext("s", "s2");
  await storage.getTaskContext("s2", { version: 1 });
  await storage.listTaskContextVersions("s2", { limit: 1_000 });
  await storage.putItem(["a", "b"], "k", { n: 1 }, { ttlMs: 1e9 });
  await storage.getItem(["a", "b"], "k", { refreshTtl: true });
  for (const orderBy of ["key", "createdAt", "updatedAt"] as const) {
    for (const direction of ["asc", "desc"] as const) {
      await storage.searchItems(["a"], { orderBy, direction, filter: { n: 1 } });
    }
  }
  await storage.listNamespaces({ prefix: ["a"], suffix: ["b"], maxDepth: 1 });
  await storage.getMetrics();
  await storage.healthCheck();
  const records: StorageRecord[] = [];
  for await (const record of storage.exportRecords()) records.push(record);
  for await (const record of storage.exportRecords({ sessionId: "s" })) records.push(record);
  await storage.tenant("copy").importRecords(records, { onConflict: "replace" });
  await storage.deleteItem(["a", "b"], "k");
  await storage.deleteItems(["a"]);
  await storage.deleteThread("t2");
  await storage.deleteSession("s2");
  await storage.cleanupExpiredSessions({ maxIdleHours: 0, dryRun: true });
  await storage.cleanupExpiredSessions({ maxIdleHours: 0 });
}

it("use an index, and have no value of a caller in their text", async () => {
  for (const method of ["get", "all", "run", "insert"] as const) {
    const original = Connection.prototype[method];
    vi.spyOn(Connection.prototype, method).mockImplementation(function (this: Connection, sql: string, ...values) {
      if (!sql.startsWith("PRAGMA")) seen.add(sql);
      return Reflect.apply(original, this, [sql, ...values]);
    });
  }
  const path = newPath();
  const storage = sqliteStorage(path);
  await useEverything(storage);
  await storage.close();

  expect(seen.size).toBeGreaterThan(80);
  const scans = outside(path, (db) =>
    [...seen].flatMap((sql) =>
      (db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[])
        .map(({ detail }) => detail)
        .filter((detail) => /^SCAN |TEMP B-TREE/.test(detail))
        .filter((detail) => !MAY_BE_SCANNED.some((allowed) => allowed.test(detail)))
        .map((detail) => `${detail}: ${sql.replace(/\s+/g, " ")}`),
    ),
  );
  expect(scans).toEqual([]);
  for (const sql of seen) expect(sql.replace(/'(session|thread|messages)'/g, "")).not.toMatch(/'[^']*'/);
});
