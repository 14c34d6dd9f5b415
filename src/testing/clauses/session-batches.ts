/** Batches of sessions, and what deleting a session takes with it (S1, S6, S10). */
import type { NewSession } from "../../contract/session-storage.js";
import { equal, refused, rejects, settle, times, unchanged } from "../assertions.js";
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
});
