/** Records of what came later, and going on with what is stored (P1). */
import type { ExportFilter, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, recordsOf, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";

const EXTEND = { onConflict: "extend" } as const;

export const recordTailClauses: ClauseGroup = clauseGroup("records of what came later", (clause) => {
  clause("P1 an export after a seq has the later messages of a session", async ({ storage }) => {
    await fillSession(storage);
    const whole = await recordsOf(storage, { sessionId: "s" });
    for (const after of [0, 1, 3, 5, 99]) {
      const isIn = (record: StorageRecord): boolean =>
        record.kind === "session" || (record.kind === "message" && record.seq > after);
      const expected = whole.filter(isIn);
      equal(await recordsOf(storage, { sessionId: "s", after }), expected, String(after));
    }
    const kinds = ["message"] as const;
    equal((await recordsOf(storage, { sessionId: "s", after: 4, kinds })).length, 1);
  });

  clause("P1 an export after a seq has the later checkpoints of a thread with their writes", async ({ storage }) => {
    await fillThread(storage);
    const whole = await recordsOf(storage, { threadId: "t" });
    const tail = await recordsOf(storage, { threadId: "t", after: 2 });
    const isLater = (record: StorageRecord): boolean =>
      record.kind === "thread" || ("checkpoint_id" in record && ["c3", "c4"].includes(record.checkpoint_id));
    equal(byText(tail), byText(whole.filter(isLater)));
    const kindsOf = async (kinds: ExportFilter["kinds"]): Promise<string[]> =>
      (await recordsOf(storage, { threadId: "t", after: 2, kinds })).map(({ kind }) => kind);
    equal(await kindsOf(["write"]), ["write", "write"]);
    equal(await kindsOf(["checkpoint"]), ["checkpoint", "checkpoint"]);
    equal(await kindsOf(["thread"]), ["thread"]);
    equal(await recordsOf(storage, { threadId: "absent", after: 2 }), []);
  });

  clause("P1 after needs a session or thread, and is a whole number from 0", async ({ storage }) => {
    await fillSession(storage);
    await refused(() => recordsOf(storage, { after: 1 }), "without a subject");
    for (const after of [-1, 0.5, Number.NaN, "1", null]) {
      await refused(() => recordsOf(storage, { sessionId: "s", after: after as number }), String(after));
    }
  });

  clause("P1 an import that extends goes on with a session and takes over its row", async ({ storage, openOther }) => {
    await fillSession(storage);
    const other = await openOther();
    await other.importRecords(await recordsOf(storage));
    for (let round = 1; round <= 3; round++) {
      const { lastSeq } = await sessionOf(other);
      await storage.addConversationMessages("s", [
        { role: "user", content: `round ${round}`, messageId: `r${round}` },
        { role: "assistant", content: [{ type: "data", value: round }], metadata: { round } },
      ]);
      const metadata = { round, [`round ${round}`]: true };
      await storage.updateSession("s", { incrementRequests: round, addProcessingTime: 0.5, metadata });
      if (round === 2) await storage.updateSession("s", { markError: true });
      if (round === 3) await storage.endSession("s", "completed");
      const report = await other.importRecords(await recordsOf(storage, { sessionId: "s", after: lastSeq }), EXTEND);
      equal([report.imported.session, report.imported.message, report.replaced, report.skipped], [1, 2, 0, 0]);
      equal(await recordsOf(other), await recordsOf(storage));
    }
    const { items } = await other.listSessions({ orderBy: "updatedAt", userId: "u", status: "completed" });
    equal(
      items.map(({ sessionId }) => sessionId),
      ["s"],
    );
    equal((await other.listSessions({ status: "active" })).items, []);
    const [ofStorage, ofOther] = [await storage.getMetrics(), await other.getMetrics()];
    equal(
      [ofOther.sessions, ofOther.activeSessions, ofOther.messages],
      [ofStorage.sessions, ofStorage.activeSessions, ofStorage.messages],
    );
    equal((await other.getConversationHistory("s", { roles: ["assistant"] })).length, 3);
    const more = await other.addConversationMessage("s", "user", "more", { messageId: "more" });
    equal(more.seq, 12);
    const [row] = await recordsOf(other, { sessionId: "s", kinds: ["session"] });
    await other.importRecords([{ ...row, metadata: { fresh: true } } as StorageRecord], EXTEND);
    equal((await other.getSession("s"))?.metadata, { fresh: true });
    equal((await other.getConversationHistory("s")).length, 12);
  });

  clause("P1 an import that extends goes on with a thread, its states and writes", async ({ storage, openOther }) => {
    await storage.createSession("s", "u");
    await fillThread(storage, "s");
    const other = await openOther();
    await other.importRecords(await recordsOf(storage));
    const list = times(300, (i) => ({ text: `message ${i} ${"x".repeat(50)}` }));
    let after = 4;
    for (let round = 1; round <= 3; round++) {
      list.push({ text: `round ${round}` });
      // The writes of the newest checkpoint may come after it was taken over.
      await storage.putWrites("t", `c${after}`, "late", [["late", round]]);
      await storage.putWrites("t", `c${after}`, "late", [["special", round, -1]]);
      await other.putWrites("t", `c${after}`, "late", [["late", round]]);
      await other.putWrites("t", `c${after}`, "late", [["special", round, -1]]);
      await storage.storeCheckpoint("t", `c${after + 1}`, { list }, { parentId: `c${after}`, sessionId: "s" });
      await storage.putWrites("t", `c${after + 1}`, "task", [["w", round]]);
      const tail = await recordsOf(storage, { threadId: "t", after });
      const report = await other.importRecords(tail, EXTEND);
      equal([report.imported.thread, report.imported.checkpoint, report.imported.write], [1, 1, 1]);
      after += 1;
    }
    const linked = await recordsOf(storage, { threadId: "t" });
    equal(await recordsOf(other, { threadId: "t" }), linked);
    equal((await other.getCheckpoint("t"))?.data, { list });
    equal((await other.listThreads({ sessionId: "s" })).items[0]?.checkpointCount, 7);
    await other.deleteThread("t");
    equal(await recordsOf(other, { threadId: "t" }), []);
  });

  clause(
    "P1 a write of an import that extends takes the place of the one that is there",
    async ({ storage, openOther }) => {
      await fillThread(storage);
      const other = await openOther();
      await other.importRecords(await recordsOf(storage));
      const records = await recordsOf(storage, { threadId: "t", kinds: ["thread", "write"] });
      const changed = records.map((record) => (record.kind === "write" ? { ...record, channel: "changed" } : record));
      await other.importRecords(changed, EXTEND);
      const writes = await recordsOf(other, { threadId: "t", kinds: ["write"] });
      ok(writes.length > 1, "there are writes");
      for (const write of writes) equal(write.kind === "write" && write.channel, "changed");
    },
  );

  clause(
    "P1 an import that extends stores what is not there, and replaces items",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const other = await openOther();
      const first = await other.importRecords(records, EXTEND);
      equal([first.skipped, first.replaced], [0, 0]);
      equal(await recordsOf(other), records);
      await storage.storeTaskContext("sharer", { version: 24 });
      await storage.putItem(["a"], "k", { v: 3 });
      const later = await recordsOf(storage);
      const changed = later.filter(
        (record) => record.kind === "item" || (record.kind === "task_context" && record.version === 24),
      );
      const report = await other.importRecords(changed, EXTEND);
      equal([report.imported.task_context, report.replaced], [1, report.imported.item]);
      equal(await other.getTaskContext("sharer").then((context) => context?.version), 24);
      equal((await other.getItem(["a"], "k"))?.value, { v: 3 });
    },
  );

  clause(
    "P1 an import that extends refuses what does not go on from what is stored",
    async ({ storage, openOther }) => {
      await storage.createSession("other", "u");
      await fillSession(storage);
      await fillThread(storage);
      const records = await recordsOf(storage);
      const other = await openOther();
      await other.importRecords(records);
      const refuses = (changed: readonly StorageRecord[], what: string): Promise<void> =>
        unchanged(other, async () => {
          await rejects("CONFLICT", other.importRecords(changed, EXTEND), what);
        });
      const session = await recordsOf(storage, { sessionId: "s", kinds: ["session", "message"] });
      const thread = await recordsOf(storage, { threadId: "t" });
      const head = (kind: "session" | "thread", change: object): StorageRecord[] =>
        records
          .filter((record) => record.kind === kind && ("session_id" in record ? record.session_id === "s" : true))
          .map((record) => ({ ...record, ...change }) as StorageRecord);
      await refuses(session, "messages that are there");
      await refuses(thread, "checkpoints that are there");
      await refuses(head("session", { user_id: "somebody else" }), "another user");
      await refuses(head("session", { created_at: new Date(1).toISOString() }), "made at another time");
      await refuses(head("session", { last_seq: 1 }), "a session that is behind");
      await refuses(head("thread", { created_at: new Date(1).toISOString() }), "a thread made at another time");
      await refuses(head("thread", { session_id: "other" }), "a thread of another session");
      await refuses(head("thread", { last_seq: 1 }), "a thread that is behind");
      await other.addConversationMessage("s", "user", "by itself");
      await storage.addConversationMessage("s", "user", "elsewhere");
      await refuses(await recordsOf(storage, { sessionId: "s", after: 5 }), "a session that has gone on by itself");
      await other.storeTaskContext("s", 2);
      await refuses(await recordsOf(storage, { sessionId: "s", kinds: ["task_context"] }), "a version that is there");
    },
  );

  clause("P1 an import that extends goes on over several batches", async ({ storage, openOther }) => {
    await fillSession(storage);
    const other = await openOther();
    await other.importRecords(await recordsOf(storage));
    const texts = times(1_200, (i) => ({ role: "user", content: `${i}`, messageId: `more ${i}` }));
    await storage.addConversationMessages("s", texts.slice(0, 600));
    await storage.addConversationMessages("s", texts.slice(600));
    await other.importRecords(await recordsOf(storage, { sessionId: "s", after: 5 }), EXTEND);
    equal(await recordsOf(other), await recordsOf(storage));
    equal((await other.getSession("s"))?.messageCount, 1_205);
  });
});

async function fillSession(storage: StorageBackend): Promise<void> {
  await storage.createSession("s", "u", { metadata: { "only 0": true } });
  const messages = times(5, (i) => ({ role: "user", content: `${i}`, messageId: `m${i}` }));
  await storage.addConversationMessages("s", messages);
  await storage.storeTaskContext("s", { a: 1 });
}

/** Four checkpoints with a write each; some writes have no checkpoint. */
async function fillThread(storage: StorageBackend, sessionId?: string): Promise<void> {
  for (let i = 1; i <= 4; i++) {
    await storage.storeCheckpoint("t", `c${i}`, { step: i }, { sessionId });
    await storage.putWrites("t", `c${i}`, "task", [["w", i]]);
  }
  await storage.putWrites("t", "later", "task", [["waiting", 1]]);
}

async function sessionOf(storage: StorageBackend): Promise<{ readonly lastSeq: number }> {
  const messages = await storage.getConversationHistory("s", { limit: 10_000 });
  return { lastSeq: messages.at(-1)?.seq ?? 0 };
}

/** In an order that does not matter here. */
function byText(records: readonly StorageRecord[]): string[] {
  return records.map((record) => JSON.stringify(record)).sort();
}
