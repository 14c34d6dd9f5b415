/** Imports: the order of subjects, ids that stand twice, failures in the middle, and what stays behind (P1). */
import type { StorageRecord } from "../../contract/records.js";
import { equal, ok, recordsOf, refused, rejects, settle, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { sessionRecord } from "../record-samples.js";

const AT = "2024-05-06T07:08:09.123Z";

export const importEdgeClauses: ClauseGroup = clauseGroup("edges of imports", (clause) => {
  clause(
    "P1 subjects may come in any order, but a context after its sessions",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const linked = records.filter((record) => record.kind === "thread" && record.session_id !== undefined);
      ok(linked.length === 1, "one thread is linked");
      const subjects = subjectsOf(records);
      const kindOf = (subject: readonly StorageRecord[]): string => subject[0]?.kind ?? "";
      const turned = [
        ...subjects.filter((subject) => kindOf(subject) === "item").reverse(),
        ...subjects.filter((subject) => kindOf(subject) === "session").reverse(),
        ...subjects.filter((subject) => kindOf(subject) === "thread").reverse(),
        ...subjects.filter((subject) => kindOf(subject) === "task_context").reverse(),
      ];
      const other = await openOther();
      await other.importRecords(turned.flat());
      equal(await recordsOf(other), records);
    },
  );

  clause("P1 a task context that no stored session names is skipped", async ({ storage }) => {
    const context = { kind: "task_context", context_id: "x", version: 1, context: {}, metadata: {}, created_at: AT };
    const report = await storage.importRecords([sessionRecord("s"), context as StorageRecord]);
    equal([report.imported.session, report.imported.task_context, report.skipped], [1, 0, 1]);
    equal(await storage.getTaskContext("s"), undefined);
    equal(await recordsOf(storage), [sessionRecord("s")]);
  });

  clause("P1 a thread whose session is not there is stored without a link", async ({ storage, openOther }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", 1, { sessionId: "s" });
    const other = await openOther();
    await other.importRecords(storage.exportRecords({ kinds: ["thread", "checkpoint"] }));
    equal((await other.getCheckpoint("t"))?.data, 1);
    equal("sessionId" in ((await other.listThreads()).items[0] ?? {}), false);
    await other.createSession("s", "u");
    await other.deleteSession("s");
    equal((await other.getCheckpoint("t"))?.data, 1);
  });

  clause(
    "P1 an id that stands twice in one subject is refused, and nothing of the batch is stored",
    async ({ storage }) => {
      const message = { kind: "message", session_id: "s", message_id: "m", role: "user", content: "a", timestamp: AT };
      const thread = { kind: "thread", thread_id: "t", created_at: AT, updated_at: AT, last_seq: 5 };
      const checkpoint = {
        kind: "checkpoint",
        thread_id: "t",
        namespace: "",
        checkpoint_id: "c",
        data: 1,
        created_at: AT,
      };
      const numbered = (record: object, ...seqs: number[]): object[] =>
        seqs.map((seq) => ({ ...record, seq, metadata: {} }));
      const session = { ...sessionRecord("s"), last_seq: 5 };
      const other = { ...message, message_id: "other" };
      const doubled: readonly (readonly [number: number, records: object[]])[] = [
        [3, [session, ...numbered(message, 1, 2)]],
        [3, [thread, ...numbered(checkpoint, 1, 2)]],
        [5, [thread, session, ...numbered(message, 1), ...numbered(other, 2), ...numbered(message, 3)]],
      ];
      for (const [number, records] of doubled) {
        const { message: text } = await refused(storage.importRecords(records as unknown as StorageRecord[]));
        ok(text.startsWith(`record ${number}: `), `the refusal names record ${number}: ${text}`);
      }
      equal(await recordsOf(storage), []);
      const elsewhere = numbered({ ...checkpoint, namespace: "n" }, 2);
      await storage.importRecords([thread, ...numbered(checkpoint, 1), ...elsewhere] as StorageRecord[]);
      equal((await storage.listCheckpoints("t")).length, 2);
    },
  );

  clause("P1 the refusal of an id that stands twice names the record, however far on it is", async ({ storage }) => {
    const message = (seq: number, id: number): object => {
      const of = { kind: "message", session_id: "s", role: "user", content: "a", timestamp: AT, metadata: {} };
      return { ...of, seq, message_id: `m${id}` };
    };
    const messages = times(1_200, (i) => message(i + 1, i));
    const records = [{ ...sessionRecord("s"), last_seq: 2_000 }, ...messages, message(1_201, 3), message(1_202, 1_202)];
    const { message: text } = await refused(storage.importRecords(records as unknown as StorageRecord[]));
    ok(text.startsWith("record 1202: "), `the refusal names record 1202: ${text}`);
  });

  clause(
    "P1 an import that fails in the middle can be run again, with skip or with replace",
    async ({ storage, openOther }) => {
      await storage.batchCreateSessions(times(700, (i) => ({ sessionId: `s${i}`, userId: "u" })));
      await storage.createSession("long", "u");
      await storage.addConversationMessages(
        "long",
        times(700, (i) => ({ role: "user", content: `${i}` })),
      );
      const records = await recordsOf(storage);
      const failingAt = async function* (index: number): AsyncGenerator<StorageRecord> {
        yield* records.slice(0, index);
        yield { kind: "nothing" } as unknown as StorageRecord;
      };
      for (const index of [600, 1_100, records.length - 1]) {
        const other = await openOther();
        await refused(other.importRecords(failingAt(index)), `a fault after ${index} records`);
        const stored = await recordsOf(other);
        ok(stored.length <= index, `${stored.length} of ${index} records are stored`);
        await other.importRecords(records, { onConflict: "replace" });
        equal((await recordsOf(other)).length, records.length);
        equal(await recordsOf(other), records);
        equal((await other.importRecords(records, { onConflict: "skip" })).skipped, records.length);
      }
    },
  );

  clause(
    "P1 a session that is replaced takes its linked threads along, and the stream may bring them back",
    async ({ storage, openOther }) => {
      await storage.createSession("s", "u");
      await storage.storeCheckpoint("t", "c", "of the stream", { sessionId: "s" });
      const records = await recordsOf(storage);
      const other = await openOther();
      await other.importRecords(records);
      await other.storeCheckpoint("more", "c", "of the target", { sessionId: "s" });
      await other.importRecords(records, { onConflict: "replace" });
      equal(await recordsOf(other), records);
      await other.importRecords([sessionRecord("s")], { onConflict: "replace" });
      equal(await recordsOf(other), [sessionRecord("s")]);
    },
  );

  clause("P1 leases and idempotency keys stay behind", async ({ storage, openOther }) => {
    const update = { idempotencyKey: "k", incrementRequests: 1 };
    await storage.createSession("s", "u");
    await storage.updateSession("s", update);
    const lease = await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 });
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    equal((await other.updateSession("s", update)).requestCount, 2);
    await rejects("FENCED", other.updateSession("s", { markError: true }, { lease }));
    equal((await other.acquireLease({ session: "s" }, { owner: "you", ttlMs: 1_000 })).owner, "you");
  });

  clause("P1 replacing a session or thread fences off the leases of what was there", async ({ storage, openOther }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c", 1);
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    const onSession = await other.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 });
    const onThread = await other.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 60_000 });
    await other.importRecords(storage.exportRecords(), { onConflict: "replace" });
    await rejects("FENCED", other.updateSession("s", { markError: true }, { lease: onSession }));
    await rejects("FENCED", other.storeCheckpoint("t", "c2", 1, { lease: onThread }));
  });

  clause("P1 concurrent imports of one stream store each subject once", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const records = await recordsOf(storage);
    const other = await openOther();
    const { values } = await settle(times(4, () => other.importRecords(records, { onConflict: "skip" })));
    equal(values.length, 4);
    equal(await recordsOf(other), records);
    const sessions = values.reduce((sum, report) => sum + report.imported.session, 0);
    equal(sessions, records.filter((record) => record.kind === "session").length);
  });
});

/** The records of each subject together. */
function subjectsOf(records: readonly StorageRecord[]): StorageRecord[][] {
  const subjects: StorageRecord[][] = [];
  let context: string | undefined;
  for (const record of records) {
    const continues =
      record.kind === "message" ||
      record.kind === "checkpoint" ||
      record.kind === "write" ||
      (record.kind === "task_context" && record.context_id === context);
    context = record.kind === "task_context" ? record.context_id : undefined;
    if (continues) subjects.at(-1)?.push(record);
    else subjects.push([record]);
  }
  return subjects;
}
