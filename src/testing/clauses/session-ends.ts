/** Ending sessions and making them active again (S11). */
import type { SessionEndStatus } from "../../contract/session-storage.js";
import { equal, refused, rejects, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const sessionEndClauses: ClauseGroup = clauseGroup("ends of sessions", (clause) => {
  clause("S11 endSession sets completed unless it is told another status", async ({ storage }) => {
    for (const status of [undefined, "completed", "failed", "expired"] as const) {
      const id = `s-${status}`;
      await storage.createSession(id, "u");
      equal((await storage.endSession(id, status)).status, status ?? "completed");
      equal((await storage.getSession(id))?.status, status ?? "completed");
    }
  });

  clause("S11 endSession again with the same status returns the session unchanged", async ({ storage, pass }) => {
    await storage.createSession("s", "u");
    const ended = await storage.endSession("s", "failed");
    await pass(5);
    equal(await unchanged(storage, () => storage.endSession("s", "failed")), ended);
  });

  clause(
    "S11 endSession with another status than before rejects with ConflictError and changes nothing",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      await storage.endSession("s", "failed");
      await unchanged(storage, () => rejects("CONFLICT", storage.endSession("s", "completed")));
    },
  );

  clause("S11 endSession refuses active and every unknown status", async ({ storage }) => {
    await storage.createSession("s", "u");
    await unchanged(storage, async () => {
      for (const status of ["active", "done", "", null, 1]) {
        await refused(storage.endSession("s", status as SessionEndStatus), String(status));
      }
    });
  });

  clause("S11 an ended session can be read, written to and made active again", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.endSession("s");
    await storage.addConversationMessage("s", "user", "late");
    equal((await storage.updateSession("s", { incrementRequests: true })).status, "completed");
    equal((await storage.updateSession("s", { status: "active" })).status, "active");
    equal((await storage.endSession("s", "failed")).status, "failed");
    equal((await storage.getConversationHistory("s")).length, 1);
  });
});
