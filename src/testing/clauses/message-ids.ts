/** Repeated message ids add nothing (C4). */
import type { NewMessage } from "../../contract/conversation-storage.js";
import { equal, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const messageIdClauses: ClauseGroup = clauseGroup("message ids", (clause) => {
  clause("C4 a message without messageId gets one of its own", async ({ storage }) => {
    await storage.createSession("s", "u");
    const added = await storage.addConversationMessages(
      "s",
      times(20, () => ({ role: "user", content: "same" })),
    );
    equal(new Set(added.map((message) => message.messageId)).size, 20);
  });

  clause(
    "C4 a repeated messageId returns the stored message and adds nothing, whatever else is said",
    async ({ storage, pass }) => {
      await storage.createSession("s", "u");
      const stored = await storage.addConversationMessage("s", "user", "first", { messageId: "m", metadata: { a: 1 } });
      await storage.addConversationMessage("s", "user", "second");
      await pass(5);
      const options = { messageId: "m", metadata: { b: 2 }, timestamp: new Date(0) };
      equal(await storage.addConversationMessage("s", "assistant", "other", options), stored);
      equal(await storage.addConversationMessages("s", [{ role: "tool", content: "other", ...options }]), [stored]);
      equal(
        (await storage.getConversationHistory("s")).map((message) => message.content),
        ["first", "second"],
      );
      equal((await storage.getSession("s"))?.messageCount, 2);
    },
  );

  clause("C4 a repeated messageId does not move the session's updatedAt", async ({ storage, pass }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "a", { messageId: "m" });
    await pass(5);
    await unchanged(storage, () => storage.addConversationMessage("s", "user", "b", { messageId: "m" }));
    await unchanged(storage, () =>
      storage.addConversationMessages("s", [{ role: "user", content: "c", messageId: "m" }]),
    );
  });

  clause("C4 a messageId that stands twice in a batch is added once", async ({ storage }) => {
    await storage.createSession("s", "u");
    const added = await storage.addConversationMessages("s", [
      { role: "user", content: "first", messageId: "m" },
      { role: "user", content: "between" },
      { role: "user", content: "again", messageId: "m" },
    ]);
    equal(
      added.map((message) => [message.seq, message.content]),
      [
        [1, "first"],
        [2, "between"],
        [1, "first"],
      ],
    );
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      ["first", "between"],
    );
    equal((await storage.getSession("s"))?.messageCount, 2);
  });

  clause("C4 a batch of old and new messages adds the new ones without a gap", async ({ storage }) => {
    await storage.createSession("s", "u");
    const batch: NewMessage[] = times(3, (i) => ({ role: "user", content: `${i}`, messageId: `m${i}` }));
    await storage.addConversationMessages("s", batch);
    const repeated = await storage.addConversationMessages("s", [
      ...batch.slice(1),
      { role: "user", content: "3", messageId: "m3" },
      ...batch.slice(0, 1),
      { role: "user", content: "4", messageId: "m4" },
    ]);
    equal(
      repeated.map((message) => message.seq),
      [2, 3, 4, 1, 5],
    );
    equal(
      (await storage.getConversationHistory("s")).map((message) => message.content),
      ["0", "1", "2", "3", "4"],
    );
  });

  clause(
    "C4 of many racing calls with one messageId exactly one adds, and all get its message",
    async ({ storage, scale }) => {
      await storage.createSession("s", "u");
      const { values } = await settle(
        times(scale.racers, (i) => storage.addConversationMessage("s", "user", `${i}`, { messageId: "m" })),
      );
      equal(values.length, scale.racers);
      for (const message of values) equal(message, values[0]);
      equal((await storage.getConversationHistory("s")).length, 1);
    },
  );

  clause("C4 a messageId belongs to one session and to one tenant", async ({ storage }) => {
    const views = [storage, storage.tenant("other")];
    for (const [index, view] of views.entries()) {
      for (const id of ["a", "b"]) {
        await view.createSession(id, "u");
        const message = await view.addConversationMessage(id, "user", `${index}${id}`, { messageId: "m" });
        equal([message.seq, message.content], [1, `${index}${id}`]);
      }
    }
  });

  clause("C4 the id of a message that was deleted can be used again", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessage("s", "user", "first", { messageId: "m" });
    await storage.deleteConversationMessages("s", "all");
    const again = await storage.addConversationMessage("s", "user", "second", { messageId: "m" });
    equal([again.seq, again.content], [2, "second"]);
  });
});
