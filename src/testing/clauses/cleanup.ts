/** Removing idle and expired sessions, in bounded batches (S8). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, recordsOf, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const HOUR_MS = 3_600_000;

export const cleanupClauses: ClauseGroup = clauseGroup("cleanup of sessions", (clause) => {
  clause(
    "S8 cleanupExpiredSessions removes sessions whose last write is at least maxIdleHours ago",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("old", "u");
      clock.advance(1);
      await storage.createSession("younger", "u");
      clock.advance(3 * HOUR_MS - 1);
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 3 }), 1);
      equal(await remaining(storage), ["younger"]);
      clock.advance(1);
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 3 }), 1);
      equal(await remaining(storage), []);
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 3 }), 0);
    },
  );

  clause("S8 maxIdleHours is 24 unless it is said", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    clock.advance(24 * HOUR_MS - 1);
    equal(await storage.cleanupExpiredSessions(), 0);
    clock.advance(1);
    equal(await storage.cleanupExpiredSessions(), 1);
  });

  clause(
    "S8 maxIdleHours may be a fraction, and 0 removes every session",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("old", "u");
      clock.advance(HOUR_MS / 2);
      await storage.createSession("new", "u");
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 0.5 }), 1);
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 0 }), 1);
      equal(await remaining(storage), []);
    },
  );

  clause("S8 every write keeps a session from being idle", { needs: ["clock"] }, async ({ storage, clock }) => {
    const ids = ["idle", "message", "context", "update", "checkpoint"];
    for (const id of ids) await storage.createSession(id, "u");
    clock.advance(2 * HOUR_MS);
    await storage.addConversationMessage("message", "user", "a");
    await storage.storeTaskContext("context", 1);
    await storage.updateSession("update", { markError: true });
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "checkpoint" });
    equal(await storage.cleanupExpiredSessions({ maxIdleHours: 1 }), 1);
    equal(await remaining(storage), ["checkpoint", "context", "message", "update"]);
  });

  clause(
    "S8 expired sessions are removed however short they were idle",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("expired", "u", { ttlMs: 1_000 });
      await storage.createSession("living", "u", { ttlMs: 1_001 });
      await storage.createSession("forever", "u");
      clock.advance(1_000);
      equal(await storage.cleanupExpiredSessions({ dryRun: true }), 1);
      equal(await storage.cleanupExpiredSessions(), 1);
      equal(await remaining(storage), ["forever", "living"]);
      equal(await storage.cleanupExpiredSessions(), 0);
    },
  );

  clause(
    "S8 cleanup counts and removes ended sessions like others",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("ended", "u");
      await storage.endSession("ended");
      clock.advance(25 * HOUR_MS);
      equal(await storage.cleanupExpiredSessions(), 1);
    },
  );

  clause(
    "S8 dryRun counts what would be removed and changes nothing",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      for (let i = 0; i < 7; i++) await storage.createSession(`s${i}`, "u");
      clock.advance(25 * HOUR_MS);
      await storage.createSession("young", "u");
      equal(await unchanged(storage, () => storage.cleanupExpiredSessions({ dryRun: true, batchSize: 2 })), 7);
      equal(await storage.cleanupExpiredSessions({ dryRun: false, batchSize: 2 }), 7);
      equal(await remaining(storage), ["young"]);
    },
  );

  clause(
    "S8 cleanup removes all idle sessions, however small its batches are",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      for (const batchSize of [1, 2, 3, 100, 10_000]) {
        await storage.batchCreateSessions(times(11, (i) => ({ sessionId: `s${i}`, userId: "u" })));
        clock.advance(25 * HOUR_MS);
        equal(await storage.cleanupExpiredSessions({ batchSize }), 11, `batchSize ${batchSize}`);
        equal(await remaining(storage), []);
      }
    },
  );

  clause(
    "S8 cleanup removes sessions with all that belongs to them, and nothing else",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.storeCheckpoint("free", "c", "free");
      await storage.putItem(["n"], "k", { kept: true });
      await storage.createSession("young", "u");
      await storage.addConversationMessage("young", "user", "kept");
      await storage.createSession("s", "u");
      await storage.addConversationMessage("s", "user", "a", { messageId: "m" });
      await storage.storeTaskContext("s", 1);
      await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
      await storage.putWrites("t", "c", "task", [["channel", 1]]);
      const lease = await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 1_000_000_000 });
      clock.advance(25 * HOUR_MS);
      await storage.updateSession("young", { markError: true });
      equal(await storage.cleanupExpiredSessions(), 1);
      equal(await storage.getCheckpoint("t"), undefined);
      equal(await storage.getWrites("t", "c"), []);
      equal(await storage.getConversationHistory("s"), []);
      const kinds = (await recordsOf(storage)).map((record) => record.kind).sort();
      equal(kinds, ["checkpoint", "item", "message", "session", "thread"]);
      equal((await storage.getCheckpoint("free"))?.data, "free");
      await storage.createSession("s", "u");
      equal(await storage.getTaskContext("s"), undefined);
      equal((await storage.addConversationMessage("s", "user", "new", { messageId: "m" })).seq, 1);
      await rejects("FENCED", storage.updateSession("s", { markError: true }, { lease }));
    },
  );

  clause("S8 cleanup reaches its own tenant alone", { needs: ["clock"] }, async ({ storage, clock }) => {
    for (const name of ["a", "b"]) await storage.tenant(name).createSession("s", "u");
    await storage.createSession("s", "u");
    clock.advance(25 * HOUR_MS);
    equal(await storage.tenant("a").cleanupExpiredSessions(), 1);
    equal(await remaining(storage.tenant("b")), ["s"]);
    equal(await remaining(storage), ["s"]);
  });

  clause(
    "S8 a shared context stays when cleanup takes one of its sessions",
    { needs: ["clock", "sharedContexts"] },
    async ({ storage, clock }) => {
      await storage.createSession("old", "u");
      await storage.createSession("young", "u");
      await storage.storeTaskContext("old", { a: 1 });
      await storage.shareTaskContext("old", "young");
      clock.advance(25 * HOUR_MS);
      await storage.updateSession("young", { markError: true });
      equal(await storage.cleanupExpiredSessions(), 1);
      equal((await storage.getTaskContext("young"))?.context, { a: 1 });
    },
  );

  clause("S8 cleanup removes what is idle for longer as time passes", async ({ storage, pass }) => {
    await storage.createSession("old", "u");
    await pass(1_000);
    await storage.createSession("new", "u");
    equal(await storage.cleanupExpiredSessions({ maxIdleHours: 800 / HOUR_MS }), 1);
    equal(await remaining(storage), ["new"]);
  });

  clause("S8 cleanup refuses unknown fields and bad numbers", async ({ storage }) => {
    await storage.createSession("s", "u");
    const options: object[] = [
      { maxIdleHours: -1 },
      { maxIdleHours: Number.NaN },
      { maxIdleHours: "24" },
      { maxIdleHours: null },
      { batchSize: 0 },
      { batchSize: -1 },
      { batchSize: 1.5 },
      { batchSize: "10" },
      { dryRun: "true" },
      { dryRun: 1 },
      { maxIdleMs: 1 },
    ];
    await unchanged(storage, async () => {
      for (const each of options) await refused(storage.cleanupExpiredSessions(each), label(each));
    });
  });
});

async function remaining(storage: StorageBackend): Promise<string[]> {
  return (await storage.listSessions({ limit: 1_000 })).items.map((session) => session.sessionId).sort();
}
