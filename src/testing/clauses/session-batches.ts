/** Batches of sessions, and what deleting a session takes with it (S1, S6, S10). */
import type { NewSession } from "../../contract/session-storage.js";
import { equal, recordsOf, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const sessionBatchClauses: ClauseGroup = clauseGroup("batches of sessions", (clause) => {
  clause("S1 batchCreateSessions creates all the sessions, in the order of the input", async ({ storage }) => {
    const created = await storage.batchCreateSessions([
      { sessionId: "b", userId: "u1", metadata: { a: 1 } },
      { sessionId: "a", userId: "u2" },
      { sessionId: "c", userId: "u1", ttlMs: 60_000 },
    ]);
    equal(
      created.map((session) => [session.sessionId, session.userId, session.metadata, session.ttlMs, session.version]),
      [
        ["b", "u1", { a: 1 }, undefined, 1],
        ["a", "u2", {}, undefined, 1],
        ["c", "u1", {}, 60_000, 1],
      ],
    );
    equal(await storage.batchGetSessions(["b", "a", "c"]), created);
  });

  clause(
    "S1 batchCreateSessions creates none when one of the sessions exists, wherever it stands",
    async ({ storage }) => {
      await storage.createSession("there", "u");
      for (const at of [0, 1, 2]) {
        const sessions = ["x", "y"].map((sessionId): NewSession => ({ sessionId, userId: "u" }));
        sessions.splice(at, 0, { sessionId: "there", userId: "other" });
        await unchanged(storage, () => rejects("SESSION_EXISTS", storage.batchCreateSessions(sessions)));
      }
    },
  );

  clause(
    "S1 batchCreateSessions refuses an id that stands twice, unknown fields and what is no list",
    async ({ storage }) => {
      const fine = { sessionId: "a", userId: "u" };
      await unchanged(storage, async () => {
        await refused(storage.batchCreateSessions([fine, { ...fine, userId: "other" }]), "an id that stands twice");
        await refused(
          storage.batchCreateSessions([fine, { sessionId: "b", userId: "u", status: "failed" } as NewSession]),
        );
        await refused(storage.batchCreateSessions([fine, null as unknown as NewSession]));
        await refused(storage.batchCreateSessions([fine, { sessionId: "b", userId: "u", ttlMs: -1 }]));
        await refused(storage.batchCreateSessions(fine as unknown as NewSession[]));
      });
    },
  );

  clause("S1 batches of nothing give nothing", async ({ storage }) => {
    equal(await storage.batchCreateSessions([]), []);
    equal(await storage.batchGetSessions([]), []);
  });

  clause("S1 of many racing batches that share a session exactly one is stored, whole", async ({ storage, scale }) => {
    const results = await settle(
      times(scale.racers, (i) =>
        storage.batchCreateSessions([
          { sessionId: `own-${i}`, userId: "u" },
          { sessionId: "shared", userId: `u${i}` },
        ]),
      ),
    );
    equal(results.values.length, 1);
    equal(
      results.codes,
      times(scale.racers - 1, () => "SESSION_EXISTS"),
    );
    const { items } = await storage.listSessions({ limit: 1_000 });
    equal(items.length, 2);
  });

  clause(
    "S6 batchGetSessions keeps the order of the ids, undefined for absent ones, repeats too",
    async ({ storage }) => {
      await storage.createSession("a", "u");
      await storage.createSession("b", "u");
      const found = await storage.batchGetSessions(["b", "x", "a", "b", "y"]);
      equal(
        found.map((session) => session?.sessionId),
        ["b", undefined, "a", "b", undefined],
      );
    },
  );

  clause("S1 batches of five hundred sessions work", async ({ storage }) => {
    const ids = times(500, (i) => `s${i}`);
    await storage.batchCreateSessions(ids.map((sessionId) => ({ sessionId, userId: "u" })));
    const found = await storage.batchGetSessions([...ids].reverse());
    equal(
      found.map((session) => session?.sessionId),
      [...ids].reverse(),
    );
  });

  clause(
    "S10 deleteSession returns true once, and nothing of the session is left in any listing, record or count",
    async ({ storage }) => {
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
      equal((await storage.listSessions({ metadata: { find: "me" } })).items, []);
      equal({ records: await recordsOf(storage), counts: await countsOf(storage) }, before);
    },
  );

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
      const writes = times(scale.racers, (i) => storage.addConversationMessage("s", "user", `m${i}`));
      const deletion = storage.deleteSession("s");
      const { codes } = await settle<unknown>([
        ...writes,
        ...times(scale.racers, (i) => storage.storeTaskContext("s", i)),
      ]);
      equal(await deletion, true);
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
