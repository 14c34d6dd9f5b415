/** Deleting messages: ranges by seq, all or none, and no seq is used again (C1, C6). */
import type { MessageRange } from "../../contract/conversation-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, present, refused, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const messageDeletionClauses: ClauseGroup = clauseGroup("deletion of messages", (clause) => {
  clause(
    "C6 deleteConversationMessages takes exclusive bounds and returns how many it deleted",
    async ({ storage }) => {
      const ranges: (readonly [MessageRange, left: number[]])[] = [
        [{ before: 3 }, [3, 4, 5, 6]],
        [{ after: 3 }, [1, 2, 3]],
        [{ after: 2, before: 5 }, [1, 2, 5, 6]],
        [{ after: 0, before: 7 }, []],
        [{ after: 3, before: 4 }, [1, 2, 3, 4, 5, 6]],
        [{ after: 5, before: 2 }, [1, 2, 3, 4, 5, 6]],
        [{ before: 1 }, [1, 2, 3, 4, 5, 6]],
        [{ after: 6 }, [1, 2, 3, 4, 5, 6]],
        [{ before: 1_000 }, []],
        ["all", []],
      ];
      for (const [index, [range, left]] of ranges.entries()) {
        const id = `s${index}`;
        await storage.createSession(id, "u");
        await storage.addConversationMessages(
          id,
          times(6, (i) => ({ role: "user", content: `${i + 1}` })),
        );
        equal(await storage.deleteConversationMessages(id, range), 6 - left.length, label(range));
        equal(await seqsOf(storage, id), left, label(range));
        const session = present(await storage.getSession(id), "the session");
        equal([session.messageCount, session.lastSeq], [left.length, 6], label(range));
        equal(await storage.deleteConversationMessages(id, range), 0, "a second time");
      }
    },
  );

  clause("C1 seq is never used twice, also when the newest or all messages were deleted", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.addConversationMessages(
      "s",
      times(3, () => ({ role: "user", content: "old" })),
    );
    await storage.deleteConversationMessages("s", { after: 1 });
    equal((await storage.addConversationMessage("s", "user", "a")).seq, 4);
    await storage.deleteConversationMessages("s", "all");
    equal((await storage.addConversationMessage("s", "user", "b")).seq, 5);
    equal(await seqsOf(storage, "s"), [5]);
  });

  clause("C6 deleting messages leaves those of other sessions", async ({ storage }) => {
    for (const id of ["s", "s1"]) {
      await storage.createSession(id, "u");
      await storage.addConversationMessages(
        id,
        times(3, () => ({ role: "user", content: id })),
      );
    }
    equal(await storage.deleteConversationMessages("s", "all"), 3);
    equal(await seqsOf(storage, "s1"), [1, 2, 3]);
  });

  clause(
    "C6 deleteConversationMessages refuses a range without bounds, unknown words, fields and numbers",
    async ({ storage }) => {
      await storage.createSession("s", "u");
      await storage.addConversationMessage("s", "user", "kept");
      const ranges: unknown[] = [
        {},
        "",
        "ALL",
        "none",
        null,
        undefined,
        3,
        [],
        { before: undefined },
        { until: 1 },
        { before: 1, until: 2 },
        { before: "2" },
        { before: -1 },
        { after: 1.5 },
        { after: Number.NaN },
        { before: null },
      ];
      await unchanged(storage, async () => {
        for (const range of ranges) {
          await refused(storage.deleteConversationMessages("s", range as MessageRange), label(range));
        }
      });
    },
  );

  clause("C1 session counters stay right while messages come and go", async ({ storage, scale }) => {
    await storage.createSession("s", "u");
    const pair = times(2, () => ({ role: "user", content: "a" }));
    const [, counts] = await Promise.all([
      Promise.all(times(scale.racers, () => storage.addConversationMessages("s", pair))),
      Promise.all(times(4, () => storage.deleteConversationMessages("s", "all"))),
    ]);
    const deleted = counts.reduce((sum, count) => sum + count, 0);
    const session = present(await storage.getSession("s"), "the session");
    const history = await storage.getConversationHistory("s", { limit: 10_000 });
    equal([session.lastSeq, session.messageCount], [scale.racers * 2, history.length]);
    equal(deleted + history.length, scale.racers * 2);
    ok(
      history.every((message, index) => index === 0 || message.seq > (history[index - 1]?.seq ?? 0)),
      "seq increases",
    );
  });
});

async function seqsOf(storage: StorageBackend, sessionId: string): Promise<number[]> {
  return (await storage.getConversationHistory(sessionId, { limit: 10_000 })).map((message) => message.seq);
}
