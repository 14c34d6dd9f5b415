/** What an import does with what is there (P1). */
import type { RecordKind, StorageRecord } from "../../contract/records.js";
import { equal, ok, present, recordsOf, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { countKinds, sessionRecord } from "../record-samples.js";

export const recordConflictClauses: ClauseGroup = clauseGroup("records that are there", (clause) => {
  clause(
    "P1 importing what exists rejects with ConflictError, and a small import changes nothing then",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const other = await openOther();
      for (const record of [sessionOf(records), ...subjectsOf(records, "thread"), ...subjectsOf(records, "item")].slice(
        0,
        12,
      )) {
        await other.importRecords([record]);
      }
      await unchanged(other, async () => {
        await rejects("CONFLICT", other.importRecords([sessionRecord("new"), sessionOf(records)]));
        await rejects(
          "CONFLICT",
          other.importRecords([sessionRecord("new"), sessionOf(records)], { onConflict: "error" }),
        );
        for (const kind of ["thread", "item"] as const) {
          await rejects(
            "CONFLICT",
            other.importRecords([sessionRecord("new"), present(subjectsOf(records, kind)[0], kind)]),
            kind,
          );
        }
      });
    },
  );

  clause(
    "P1 importing the same twice with skip leaves what is stored and counts what it left out",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      const other = await openOther();
      await other.importRecords(records);
      await other.updateSession("plain", { metadata: { changed: true } });
      await other.storeCheckpoint("free", "more", 1);
      const report = await unchanged(other, () => other.importRecords(records, { onConflict: "skip" }));
      equal([report.skipped, report.replaced, report.imported], [records.length, 0, countKinds([])]);
    },
  );

  clause("P1 skip stores the subjects that are not there yet", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.createSession("plain", "other user");
    const report = await other.importRecords(records, { onConflict: "skip" });
    equal((await other.getSession("plain"))?.userId, "other user");
    equal(await other.getConversationHistory("plain"), []);
    equal((await other.getConversationHistory("gaps")).length, (await storage.getConversationHistory("gaps")).length);
    ok(report.skipped >= 3, `${report.skipped} records were skipped`);
    equal((await other.getItem(["a"], "k"))?.version, 2);
  });

  clause("P1 importing the same twice with replace gives the same store", async ({ storage, openOther, support }) => {
    await fillStore(storage, support);
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.importRecords(records);
    const report = await other.importRecords(records, { onConflict: "replace" });
    equal(await recordsOf(other), records);
    equal([report.skipped, report.imported], [0, countKinds(records)]);
    ok(report.replaced > 0, "subjects were replaced");
  });

  clause("P1 replace leaves nothing of what it replaces", async ({ storage, openOther }) => {
    await storage.createSession("s", "new");
    await storage.addConversationMessage("s", "user", "new", { messageId: "new" });
    await storage.storeCheckpoint("t", "new", "new");
    await storage.putItem(["n"], "k", { new: true });
    const records = await recordsOf(storage);
    const other = await openOther();
    await other.createSession("s", "old", { metadata: { old: true } });
    await other.addConversationMessages(
      "s",
      times(5, (i) => ({ role: "user", content: "old", messageId: `old${i}` })),
    );
    await other.storeTaskContext("s", "old");
    await other.updateSession("s", { idempotencyKey: "k", incrementRequests: 5 });
    for (let i = 0; i < 4; i++)
      await other.storeCheckpoint("t", `old${i}`, "old", { namespace: i % 2 === 0 ? "" : "n" });
    await other.putWrites("t", "new", "task", [["old", 1]]);
    for (let i = 0; i < 3; i++) await other.putItem(["n"], "k", { old: i });
    const report = await other.importRecords(records, { onConflict: "replace" });
    equal(await recordsOf(other), records);
    equal([report.replaced, report.skipped], [3, 0]);
    equal(await other.getTaskContext("s"), undefined);
    equal((await other.updateSession("s", { idempotencyKey: "k", incrementRequests: 1 })).requestCount, 1);
    equal((await other.addConversationMessage("s", "user", "x", { messageId: "old1" })).content, "x");
  });

  clause("P1 importRecords refuses another word for onConflict", async ({ storage }) => {
    for (const onConflict of ["overwrite", "", null, 1]) {
      await refused(
        storage.importRecords([sessionRecord("s")], { onConflict: onConflict as "skip" }),
        String(onConflict),
      );
    }
    equal(await recordsOf(storage), []);
  });
});

function sessionOf(records: readonly StorageRecord[]): StorageRecord {
  return present(
    records.find((record) => record.kind === "session"),
    "a session",
  );
}

function subjectsOf(records: readonly StorageRecord[], kind: RecordKind): StorageRecord[] {
  return records.filter((record) => record.kind === kind);
}
