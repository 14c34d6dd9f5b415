/** Time to live of sessions: gone for readers from the instant of expiry, whichever verb they use (S8). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { seenBeforeItExpires } from "../as-time-passes.js";
import { equal, ok, present, recordsOf, refused, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const TTL_MS = 10_000;

/** What readers see of the session `s` with all that belongs to it, and what they see when it is gone. */
const READS: readonly (readonly [name: string, read: (storage: StorageBackend) => Promise<unknown>, gone: unknown])[] =
  [
    ["getSession", (storage) => storage.getSession("s"), undefined],
    ["batchGetSessions", (storage) => storage.batchGetSessions(["s"]), [undefined]],
    ["listSessions", async (storage) => (await storage.listSessions()).items, []],
    ["getConversationHistory", (storage) => storage.getConversationHistory("s"), []],
    ["getTaskContext", (storage) => storage.getTaskContext("s"), undefined],
    ["getTaskContext of a version", (storage) => storage.getTaskContext("s", { version: 1 }), undefined],
    ["listTaskContextVersions", (storage) => storage.listTaskContextVersions("s"), []],
    ["getCheckpoint", (storage) => storage.getCheckpoint("t"), undefined],
    ["getCheckpoint by id", (storage) => storage.getCheckpoint("t", { checkpointId: "c" }), undefined],
    ["listCheckpoints", (storage) => storage.listCheckpoints("t"), []],
    ["getWrites", (storage) => storage.getWrites("t", "c"), []],
    ["listThreads", async (storage) => (await storage.listThreads()).items, []],
    ["listThreads of the session", async (storage) => (await storage.listThreads({ sessionId: "s" })).items, []],
    ["exportRecords", (storage) => recordsOf(storage), []],
    ["exportRecords of the session", (storage) => recordsOf(storage, { sessionId: "s" }), []],
    ["exportRecords of the thread", (storage) => recordsOf(storage, { threadId: "t" }), []],
  ];

export const expiryClauses: ClauseGroup = clauseGroup("expiry of sessions", (clause) => {
  clause("S8 a session with ttlMs expires that long after its last write, and says when", async ({ storage }) => {
    const created = await storage.createSession("s", "u", { ttlMs: TTL_MS });
    equal([created.ttlMs, created.expiresAt], [TTL_MS, new Date(created.updatedAt.getTime() + TTL_MS)]);
    const updated = await storage.updateSession("s", { markError: true });
    equal(updated.expiresAt, new Date(updated.updatedAt.getTime() + TTL_MS));
    equal(await storage.getSession("s"), updated);
    equal("expiresAt" in (await storage.createSession("r", "u")), false, "a session without ttlMs has an expiry");
  });

  for (const [name, read, gone] of READS) {
    clause(
      `S8 ${name} sees the session until its last millisecond and not from its expiry on`,
      { needs: ["clock"] },
      async ({ storage, clock }) => {
        await storeAll(storage);
        const before = await read(storage);
        clock.advance(TTL_MS - 1);
        equal(await read(storage), before, "one millisecond before");
        ok(JSON.stringify(before) !== JSON.stringify(gone), "there was something to see");
        clock.advance(1);
        equal(await read(storage), gone, "at the instant of expiry");
        clock.advance(1_000_000);
        equal(await read(storage), gone, "long after");
      },
    );
  }

  clause("S8 a session expires as time passes", async ({ storage, pass }) => {
    const { id, ttlMs } = await seenBeforeItExpires(async (sessionId, ttl) => {
      await storage.createSession(sessionId, "u", { ttlMs: ttl });
      await storage.addConversationMessage(sessionId, "user", "a");
      return (await storage.getSession(sessionId)) !== undefined;
    });
    await pass(ttlMs + 50);
    equal(await storage.getSession(id), undefined);
    equal(await storage.getConversationHistory(id), []);
    await rejects("SESSION_NOT_FOUND", storage.addConversationMessage(id, "user", "b"));
  });

  const writes: readonly (readonly [string, (storage: StorageBackend) => Promise<unknown>])[] = [
    ["updateSession", (storage) => storage.updateSession("s", { markError: true })],
    ["endSession", (storage) => storage.endSession("s")],
    ["addConversationMessage", (storage) => storage.addConversationMessage("s", "user", "b")],
    ["addConversationMessages", (storage) => storage.addConversationMessages("s", [{ role: "user", content: "b" }])],
    ["storeTaskContext", (storage) => storage.storeTaskContext("s", 2)],
    ["storeCheckpoint for the session", (storage) => storage.storeCheckpoint("t", "c2", 2, { sessionId: "s" })],
  ];
  for (const [name, write] of writes) {
    clause(`S8 ${name} starts the time to live anew`, { needs: ["clock"] }, async ({ storage, clock }) => {
      await storeAll(storage);
      clock.advance(TTL_MS - 1);
      await write(storage);
      clock.advance(TTL_MS - 1);
      equal((await storage.getSession("s"))?.expiresAt, new Date(clock.now() + 1));
      ok((await storage.getCheckpoint("t")) !== undefined, "the linked thread is there");
      clock.advance(1);
      equal(await storage.getSession("s"), undefined);
      equal(await storage.getCheckpoint("t"), undefined);
    });
  }

  clause("S8 reads do not prolong a session", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storeAll(storage);
    for (let step = 0; step < 10; step++) {
      clock.advance(TTL_MS / 10 - 1);
      for (const [, read] of READS) await read(storage);
    }
    clock.advance(10);
    equal(await storage.getSession("s"), undefined);
  });

  clause(
    "S6 writes to an expired session reject with SessionNotFoundError",
    { needs: ["clock"] },
    async ({ storage, clock, support }) => {
      await storeAll(storage);
      await storage.createSession("r", "u");
      clock.advance(TTL_MS);
      for (const [name, write] of writes) await rejects("SESSION_NOT_FOUND", () => write(storage), name);
      await rejects("SESSION_NOT_FOUND", storage.deleteConversationMessages("s", "all"));
      if (support.sharedContexts === false) return;
      await rejects("SESSION_NOT_FOUND", storage.shareTaskContext("s", "r"));
      await rejects("SESSION_NOT_FOUND", storage.shareTaskContext("r", "s"));
    },
  );

  clause(
    "S8 copyThread, deleteThread and deleteSession find nothing that has expired",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storeAll(storage);
      clock.advance(TTL_MS);
      equal(await storage.copyThread("t", "copy"), false);
      equal(await storage.deleteThread("t"), false);
      equal(await storage.deleteSession("s"), false);
      equal(await storage.getCheckpoint("copy"), undefined);
    },
  );

  clause(
    "S8 an id whose session has expired can be created anew, and holds nothing of the old one",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storeAll(storage);
      await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: true });
      const lease = await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 1_000_000 });
      clock.advance(TTL_MS);
      const session = await storage.createSession("s", "u2");
      equal([session.userId, session.version, session.messageCount, session.lastSeq], ["u2", 1, 0, 0]);
      equal(await storage.getConversationHistory("s"), []);
      equal(await storage.getTaskContext("s"), undefined);
      equal((await storage.listThreads()).items, []);
      equal(await storage.getCheckpoint("t"), undefined);
      equal(await storage.getWrites("t", "c"), []);
      equal((await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 2 })).requestCount, 2);
      await rejects("FENCED", storage.updateSession("s", { markError: true }, { lease }));
      equal((await storage.addConversationMessage("s", "user", "new", { messageId: "m" })).seq, 1);
    },
  );

  clause(
    "S8 batchCreateSessions and ifExists return count an expired session as absent",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "old", { ttlMs: TTL_MS });
      await storage.createSession("r", "old", { ttlMs: TTL_MS });
      clock.advance(TTL_MS);
      equal((await storage.createSession("s", "new", { ifExists: "return" })).userId, "new");
      equal((await storage.batchCreateSessions([{ sessionId: "r", userId: "new" }]))[0]?.userId, "new");
    },
  );

  clause(
    "S8 a thread of an expired session can be started anew, and holds nothing of the old one",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storeAll(storage);
      clock.advance(TTL_MS);
      await storage.storeCheckpoint("t", "c9", "new", { expectedHead: null });
      const listed = await storage.listCheckpoints("t", { writes: true });
      equal(
        listed.map((checkpoint) => [checkpoint.checkpointId, checkpoint.sessionId, checkpoint.writes]),
        [["c9", undefined, []]],
      );
      equal(await storage.getWrites("t", "c"), []);
    },
  );

  clause("S8 sessions without ttlMs never expire", { needs: ["clock"] }, async ({ storage, clock }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
    clock.advance(100 * 365 * 24 * 3_600_000);
    ok((await storage.getSession("s")) !== undefined, "the session is there");
    equal((await storage.getCheckpoint("t"))?.data, 1);
  });

  clause(
    "S8 expired sessions take no place in the pages of others",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      for (let i = 0; i < 12; i++) await storage.createSession(`s${i}`, "u", i % 2 === 0 ? {} : { ttlMs: TTL_MS });
      clock.advance(TTL_MS);
      const page = await storage.listSessions({ limit: 6 });
      equal([page.items.length, "nextCursor" in page], [6, false]);
    },
  );

  clause(
    "S8 a context that an expired session shares stays for the other one",
    { needs: ["clock", "sharedContexts"] },
    async ({ storage, clock }) => {
      await storeAll(storage);
      await storage.createSession("r", "u");
      await storage.shareTaskContext("s", "r");
      clock.advance(TTL_MS * 2);
      equal((await storage.getTaskContext("r"))?.context, 1);
      equal(await storage.cleanupExpiredSessions({ maxIdleHours: 10_000 }), 1);
      equal((await storage.getTaskContext("r"))?.context, 1);
      equal((await storage.storeTaskContext("r", 2)).version, 2);
    },
  );

  clause("S8 ttlMs refuses what is no positive integer of milliseconds", async ({ storage }) => {
    await unchanged(storage, async () => {
      for (const ttlMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1000", null, 1e300]) {
        await refused(storage.createSession("s", "u", { ttlMs: ttlMs as number }), `ttlMs ${String(ttlMs)}`);
      }
    });
    present(await storage.createSession("s", "u", { ttlMs: 1_000 }).then((session) => session.expiresAt), "expiresAt");
  });
});

/** A session `s` of ten seconds with a message, a context and a linked thread `t`. */
async function storeAll(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u", { ttlMs: TTL_MS });
  await storage.addConversationMessage("s", "user", "a", { messageId: "m" });
  await storage.storeTaskContext("s", 1);
  await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
  await storage.putWrites("t", "c", "task", [["channel", 1]]);
}
