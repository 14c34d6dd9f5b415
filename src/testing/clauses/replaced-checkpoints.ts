/** Storing a checkpoint again, and states that share most of their content (K1, K4). */
import { equal, ok, present, rejects, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const replacedCheckpointClauses: ClauseGroup = clauseGroup("replaced checkpoints", (clause) => {
  clause("K1 storing the same id again replaces data and metadata and keeps its place", async ({ storage, pass }) => {
    const first = await storage.storeCheckpoint("t", "c1", { v: 1 }, { metadata: { old: 1 } });
    await storage.storeCheckpoint("t", "c2", { v: 2 });
    await storage.putWrites("t", "c1", "task", [["channel", 1]]);
    await pass(5);
    const again = await storage.storeCheckpoint("t", "c1", { v: 3 }, { metadata: { new: 1 } });
    equal([again.seq, again.createdAt, again.metadata], [first.seq, first.createdAt, { new: 1 }]);
    const stored = present(await storage.getCheckpoint("t", { checkpointId: "c1", writes: true }), "the checkpoint");
    equal([stored.data, stored.metadata, stored.seq], [{ v: 3 }, { new: 1 }, first.seq]);
    equal(stored.writes?.length, 1);
    equal((await storage.getCheckpoint("t"))?.checkpointId, "c2");
    equal(
      (await storage.listCheckpoints("t")).map((checkpoint) => checkpoint.checkpointId),
      ["c2", "c1"],
    );
    equal((await storage.listThreads()).items[0]?.checkpointCount, 2);
  });

  clause("K8 expectedHead holds for a checkpoint that is stored again too", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c1", 1);
    await storage.storeCheckpoint("t", "c2", 2);
    await rejects("CONFLICT", storage.storeCheckpoint("t", "c1", 3, { expectedHead: "c1" }));
    await storage.storeCheckpoint("t", "c1", 4, { expectedHead: "c2" });
    equal((await storage.getCheckpoint("t", { checkpointId: "c1" }))?.data, 4);
    equal((await storage.getCheckpoint("t"))?.data, 2);
  });

  clause(
    "K1 a checkpoint that is stored again has the new parent, session and need of it, or none",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      await storage.storeCheckpoint("t", "c", 1, {
        parentId: "old",
        sessionId: "s",
        needsParent: true,
        metadata: { a: 1 },
      });
      const bare = await storage.storeCheckpoint("t", "c", 2);
      equal(["parentId" in bare, "sessionId" in bare, bare.needsParent, bare.metadata], [false, false, false, {}]);
      equal(await storage.getCheckpoint("t"), { ...bare, data: 2 });
      const full = await storage.storeCheckpoint("t", "c", 3, { parentId: "new", sessionId: "s", needsParent: true });
      equal([full.parentId, full.sessionId, full.needsParent], ["new", "s", true]);
      equal(await storage.getCheckpoint("t"), { ...full, data: 3 });
    },
  );

  clause("K1 storing with another sessionId moves the whole thread to that session", async ({ storage }) => {
    for (const id of ["a", "b"]) await storage.createSession(id, "u");
    await storage.storeCheckpoint("t", "c1", 1, { sessionId: "a" });
    await storage.storeCheckpoint("t", "c2", 2, { sessionId: "b" });
    equal((await storage.listThreads({ sessionId: "a" })).items, []);
    equal((await storage.listThreads({ sessionId: "b" })).items[0]?.sessionId, "b");
    equal(await storage.deleteSession("a"), true);
    equal((await storage.listCheckpoints("t")).length, 2);
    equal(await storage.deleteSession("b"), true);
    equal((await storage.listCheckpoints("t")).length, 0);
  });

  clause(
    "K1 concurrent stores of one checkpoint leave one of them, whole, at one place",
    async ({ storage, scale }) => {
      const stored = await Promise.all(
        times(scale.racers, (n) => storage.storeCheckpoint("t", "c", { n }, { metadata: { n } })),
      );
      equal(new Set(stored.map((info) => info.seq)).size, 1);
      const found = present(await storage.getCheckpoint("t"), "the checkpoint");
      equal(found.data, found.metadata);
      equal((await storage.listCheckpoints("t")).length, 1);
      equal((await storage.listThreads()).items[0]?.checkpointCount, 1);
    },
  );

  clause("K4 states that share most of their content each come back exactly, in any order", async ({ storage }) => {
    const messages = times(60, (i) => ({ role: "user", content: `message ${i} ${"x".repeat(200)}`, tags: [i] }));
    const state = (length: number): unknown => ({
      messages: messages.slice(0, length),
      step: length,
      notes: { same: true },
    });
    for (let length = 1; length <= 60; length++) await storage.storeCheckpoint("t", `c${length}`, state(length));
    for (const length of [60, 1, 30, 16, 17, 59, 2]) {
      equal((await storage.getCheckpoint("t", { checkpointId: `c${length}` }))?.data, state(length));
    }
    const listed = await storage.listCheckpoints("t", { limit: 5, data: true });
    equal(
      listed.map((checkpoint) => checkpoint.data),
      [60, 59, 58, 57, 56].map(state),
    );
  });

  clause("K4 replacing or pruning one state leaves those that share content with it whole", async ({ storage }) => {
    const shared = times(40, (i) => ({ i, text: "y".repeat(100) }));
    for (let i = 0; i < 6; i++) await storage.storeCheckpoint("t", `c${i}`, { shared, own: i });
    await storage.copyThread("t", "copy");
    await storage.storeCheckpoint("t", "c4", { replaced: true });
    await storage.pruneCheckpoints({ keepLast: 2, threadId: "t" });
    equal((await storage.getCheckpoint("t", { checkpointId: "c4" }))?.data, { replaced: true });
    equal((await storage.getCheckpoint("t"))?.data, { shared, own: 5 });
    for (let i = 0; i < 6; i++) {
      equal((await storage.getCheckpoint("copy", { checkpointId: `c${i}` }))?.data, { shared, own: i });
    }
    await storage.deleteThread("t");
    ok((await storage.getCheckpoint("copy")) !== undefined, "the copy loads");
    equal((await storage.getCheckpoint("copy", { checkpointId: "c0" }))?.data, { shared, own: 0 });
  });
});
