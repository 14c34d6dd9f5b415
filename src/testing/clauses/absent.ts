/** What is not there: writes are refused, reads find nothing (S6). */
import { equal, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const absentClauses: ClauseGroup = clauseGroup("absent things", (clause) => {
  clause(
    "S6 updates, ends, messages and contexts of an absent session reject with SessionNotFoundError",
    async ({ storage, support }) => {
      await storage.createSession("there", "u");
      const writes: (readonly [string, () => Promise<unknown>])[] = [
        ["updateSession", () => storage.updateSession("s", { markError: true })],
        ["endSession", () => storage.endSession("s")],
        ["addConversationMessage", () => storage.addConversationMessage("s", "user", "a")],
        ["addConversationMessages", () => storage.addConversationMessages("s", [{ role: "user", content: "a" }])],
        ["deleteConversationMessages", () => storage.deleteConversationMessages("s", "all")],
        ["storeTaskContext", () => storage.storeTaskContext("s", 1)],
        ["storeCheckpoint for a session", () => storage.storeCheckpoint("t", "c", 1, { sessionId: "s" })],
      ];
      if (support.sharedContexts !== false) {
        writes.push(["shareTaskContext from", () => storage.shareTaskContext("s", "there")]);
        writes.push(["shareTaskContext with", () => storage.shareTaskContext("there", "s")]);
      }
      await unchanged(storage, async () => {
        for (const [name, write] of writes) await rejects("SESSION_NOT_FOUND", write, name);
      });
      await storage.createSession("s", "u");
      await storage.deleteSession("s");
      for (const [name, write] of writes) await rejects("SESSION_NOT_FOUND", write, `${name} after deletion`);
    },
  );

  clause("S6 reads of what is absent return undefined or nothing", async ({ storage }) => {
    equal(await storage.getSession("s"), undefined);
    equal(await storage.batchGetSessions(["s", "r"]), [undefined, undefined]);
    equal(await storage.listSessions(), { items: [] });
    equal(await storage.getConversationHistory("s"), []);
    equal(await storage.getTaskContext("s"), undefined);
    equal(await storage.getTaskContext("s", { version: 1 }), undefined);
    equal(await storage.listTaskContextVersions("s"), []);
    equal(await storage.getCheckpoint("t"), undefined);
    equal(await storage.getCheckpoint("t", { checkpointId: "c" }), undefined);
    equal(await storage.listCheckpoints("t"), []);
    equal(await storage.getWrites("t", "c"), []);
    equal(await storage.listThreads(), { items: [] });
    equal(await storage.getItem(["n"], "k"), undefined);
    equal(await storage.searchItems([]), { items: [] });
    equal(await storage.listNamespaces(), { items: [] });
  });

  clause("S6 deletions and copies of what is absent return false or zero", async ({ storage }) => {
    equal(await storage.deleteSession("s"), false);
    equal(await storage.deleteThread("t"), false);
    equal(await storage.copyThread("t", "t2"), false);
    equal(await storage.deleteItem(["n"], "k"), false);
    equal(await storage.deleteItems(["n"]), 0);
    equal(await storage.cleanupExpiredSessions(), 0);
  });
});
