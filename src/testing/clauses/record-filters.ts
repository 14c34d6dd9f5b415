/** Exports of one session, one thread or some kinds (P1). */
import type { RecordKind } from "../../contract/records.js";
import { equal, label, present, recordsOf, refused } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { countKinds } from "../record-samples.js";

export const recordFilterClauses: ClauseGroup = clauseGroup("chosen records", (clause) => {
  clause(
    "P1 the export of one session has its messages, its context and its linked threads",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage, { sessionId: "plain" });
      equal(countKinds(records), {
        session: 1,
        message: 2,
        task_context: 1,
        thread: 1,
        checkpoint: 3,
        write: 3,
        item: 0,
      });
      const other = await openOther();
      await other.importRecords(records);
      equal(await recordsOf(other), records);
      equal(await recordsOf(storage, { sessionId: "absent" }), []);
      const sharing = support.sharedContexts === false ? "sharer" : "sharing";
      equal(countKinds(await recordsOf(storage, { sessionId: sharing })).task_context, 20);
    },
  );

  clause("P1 the export of one thread has its checkpoints and writes", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const records = await recordsOf(storage, { threadId: "linked" });
    equal(countKinds(records), {
      session: 0,
      message: 0,
      task_context: 0,
      thread: 1,
      checkpoint: 3,
      write: 3,
      item: 0,
    });
    const other = await openOther();
    await other.importRecords(records);
    equal(
      (await other.listCheckpoints("linked", { data: true, limit: 100 })).map((each) => each.data),
      (await storage.listCheckpoints("linked", { data: true, limit: 100 })).map((each) => each.data),
    );
    equal(
      "sessionId" in present((await other.listThreads()).items[0], "the thread"),
      false,
      "whether it is linked to a session that is not there",
    );
    equal(await recordsOf(storage, { threadId: "absent" }), []);
  });

  clause("P1 kinds choose records, also of one session", async ({ storage, support }) => {
    await fillStore(storage, support);
    const all = await recordsOf(storage);
    const choices: RecordKind[][] = [
      ["session"],
      ["message"],
      ["task_context"],
      ["checkpoint", "write"],
      ["item", "session"],
      ["thread"],
      [],
    ];
    for (const kinds of choices)
      equal(
        await recordsOf(storage, { kinds }),
        all.filter((record) => kinds.includes(record.kind)),
        kinds.join(),
      );
    const ofSession = await recordsOf(storage, { sessionId: "plain" });
    equal(
      await recordsOf(storage, { sessionId: "plain", kinds: ["message", "write"] }),
      ofSession.filter(({ kind }) => kind === "message" || kind === "write"),
    );
  });

  clause("P1 exportRecords refuses unknown kinds, fields and contradictions", async ({ storage }) => {
    const filters: unknown[] = [
      { kinds: ["sessions"] },
      { kinds: "session" },
      { kinds: [null] },
      { sessionId: "s", threadId: "t" },
      { userId: "u" },
      { signal: {} },
      "all",
      5,
    ];
    for (const filter of filters) await refused(() => recordsOf(storage, filter as object), label(filter));
  });
});
