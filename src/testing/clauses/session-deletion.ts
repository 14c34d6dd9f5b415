/** What deleting a session takes with it, and what it leaves (S10). */
import { equal, metadataIn, ok, recordsOf, rejects, settle, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const sessionDeletionClauses: ClauseGroup = clauseGroup("deletion of sessions", (clause) => {
  clause(
    "S10 deleteSession returns true once, and nothing of the session is left in any listing, record or count",
    async ({ storage, support }) => {
      await storage.createSession("other", "u");
      const before = { records: await recordsOf(storage), counts: await countsOf(storage) };
      await storage.createSession("s", "u", { metadata: { find: "me" } });
      await storage.addConversationMessages(
        "s",
        times(3, (i) => ({ role: "user", content: `m${i}` })),
      );
      await storage.storeTaskContext("s", { a: 1 });
      await storage.storeTaskContext("s", { a: 2 });
      for (const thread of ["t1", "t2"]) {
        await storage.storeCheckpoint(thread, "c1", 1, { sessionId: "s" });
        await storage.storeCheckpoint(thread, "c2", 2, { parentId: "c1", namespace: "inner" });
        await storage.putWrites(thread, "c1", "task", [["channel", 1]]);
      }
      await storage.updateSession("s", { idempotencyKey: "k", incrementRequests: 7, markError: true });
      equal(await storage.deleteSession("s"), true);
      equal(await storage.deleteSession("s"), false);

      equal(await storage.getSession("s"), undefined);
      equal(await storage.getConversationHistory("s"), []);
      equal(await storage.getTaskContext("s"), undefined);
      equal(await storage.getTaskContext("s", { version: 1 }), undefined);
      equal(await storage.listTaskContextVersions("s"), []);
      for (const thread of ["t1", "t2"]) {
        equal(await storage.getCheckpoint(thread), undefined);
        equal(await storage.getCheckpoint(thread, { checkpointId: "c2", namespace: "inner" }), undefined);
        equal(await storage.listCheckpoints(thread), []);
        equal(await storage.getWrites(thread, "c1"), []);
        equal(await storage.deleteThread(thread), false);
      }
      equal((await storage.listThreads()).items, []);
      equal((await storage.listThreads({ sessionId: "s" })).items, []);
      const found = (await storage.listSessions(metadataIn(support, { find: "me" }))).items;
      equal(
        found.filter(({ sessionId }) => sessionId !== "other"),
        [],
      );
      equal({ records: await recordsOf(storage), counts: await countsOf(storage) }, before);
    },
  );

  clause(
    "S10 a session of a deleted one's id starts from nothing: version, counters, metadata, time to live",
    async ({ storage }) => {
      await storage.createSession("s", "u", { metadata: { a: 1 }, ttlMs: 60_000 });
      await storage.updateSession("s", {
        incrementRequests: 5,
        addProcessingTime: 2,
        markError: true,
        status: "failed",
      });
      await storage.addConversationMessage("s", "user", "old");
      await storage.deleteSession("s");
      const session = await storage.createSession("s", "u2");
      equal(session, {
        sessionId: "s",
        userId: "u2",
        status: "active",
        metadata: {},
        createdAt: session.createdAt,
        updatedAt: session.createdAt,
        version: 1,
        requestCount: 0,
        totalProcessingTime: 0,
        errorCount: 0,
        messageCount: 0,
        lastSeq: 0,
      });
      equal(await storage.getSession("s"), session);
    },
  );

  clause("S10 deleteSession leaves no message and no message id to a session of the same id", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages("s", [
      { role: "user", content: "old", messageId: "m" },
      { role: "user", content: "older" },
    ]);
    await storage.deleteSession("s");
    await storage.createSession("s", "u");
    equal(await storage.getConversationHistory("s"), []);
    const message = await storage.addConversationMessage("s", "user", "new", { messageId: "m" });
    equal([message.seq, message.content], [1, "new"]);
    equal((await storage.getConversationHistory("s")).length, 1);
  });

  clause("S10 deleteSession leaves no context to a session of the same id", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeTaskContext("s", { old: 1 });
    await storage.storeTaskContext("s", { old: 2 });
    await storage.deleteSession("s");
    await storage.createSession("s", "u");
    equal(await storage.getTaskContext("s"), undefined);
    equal(await storage.getTaskContext("s", { version: 2 }), undefined);
    equal(await storage.listTaskContextVersions("s"), []);
    equal((await storage.storeTaskContext("s", { new: 1 }, { expectedVersion: 0 })).version, 1);
  });

  clause("S10 deleteSession leaves no linked thread to a session of the same id", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", "old", { sessionId: "s" });
    await storage.putWrites("t", "c", "task", [["a", 1]]);
    await storage.deleteSession("s");
    await storage.createSession("s", "u");
    equal((await storage.listThreads({ sessionId: "s" })).items, []);
    equal(await storage.getCheckpoint("t"), undefined);
    await storage.storeCheckpoint("t", "c", "new", { expectedHead: null });
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, []);
    equal((await storage.listThreads({ sessionId: "s" })).items, []);
  });

  clause("S10 deleteSession leaves no idempotency key to a session of the same id", async ({ storage }) => {
    const update = { idempotencyKey: "k", incrementRequests: 5 };
    await storage.createSession("s", "u");
    await storage.updateSession("s", update);
    await storage.deleteSession("s");
    await storage.createSession("s", "u");
    const updated = await storage.updateSession("s", update);
    equal(await storage.getSession("s"), updated, "the stored session and the result of the update");
    equal([updated.requestCount, updated.version], [5, 2]);
  });

  clause("S10 deleteSession leaves threads of no session and of other sessions", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.createSession("r", "u");
    await storage.storeCheckpoint("mine", "c", 1, { sessionId: "s" });
    await storage.storeCheckpoint("theirs", "c", 2, { sessionId: "r" });
    await storage.storeCheckpoint("nobody's", "c", 3);
    await storage.putItem(["s"], "s", { kept: true });
    await storage.deleteSession("s");
    equal(await storage.getCheckpoint("mine"), undefined);
    equal((await storage.getCheckpoint("theirs"))?.data, 2);
    equal((await storage.getCheckpoint("nobody's"))?.data, 3);
    equal((await storage.getItem(["s"], "s"))?.value, { kept: true });
  });

  clause(
    "S10 deleteSession takes the session's leases: what they allowed is refused, also to a session of the same id",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      const lease = await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 });
      await storage.deleteSession("s");
      await rejects("FENCED", storage.renewLease(lease));
      await storage.createSession("s", "u");
      await rejects("FENCED", storage.updateSession("s", { markError: true }, { lease }));
      await rejects("FENCED", storage.renewLease(lease));
      equal(await storage.releaseLease(lease), false);
      const next = await storage.acquireLease({ session: "s" }, { owner: "another", ttlMs: 60_000 });
      equal(next.token > lease.token, true, "a later token is larger");
    },
  );

  clause(
    "S10 deleteSession while others write leaves nothing of it or all of a later one",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const { values, codes } = await settle<unknown>([
        ...times(scale.racers, (i) => storage.addConversationMessage("s", "user", `m${i}`)),
        storage.deleteSession("s"),
        ...times(scale.racers, (i) => storage.storeTaskContext("s", i)),
      ]);
      ok(values.includes(true), "the session is deleted");
      for (const code of codes) equal(code, "SESSION_NOT_FOUND");
      equal(await recordsOf(storage), []);
    },
  );
});

async function countsOf(storage: Parameters<typeof recordsOf>[0]): Promise<unknown> {
  const metrics = await storage.getMetrics();
  const { sessions, activeSessions, messages, threads, checkpoints, requests, errors } = metrics;
  const counts = { sessions, activeSessions, messages, threads, checkpoints, requests, errors };
  // Estimates may lag.
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count.exact));
}
