/** Streams of records: where they come from, and how they end early (P1). */
import type { StorageRecord } from "../../contract/records.js";
import { equal, ok, recordsOf, refused, rejects, settle, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { fillStore } from "../filled-store.js";
import { countKinds, sessionRecord } from "../record-samples.js";

export const recordStreamClauses: ClauseGroup = clauseGroup("streams of records", (clause) => {
  clause(
    "P1 records may come from any iterable, and an empty one imports nothing",
    async ({ storage, openOther, support }) => {
      await fillStore(storage, support);
      const records = await recordsOf(storage);
      for (const source of [records, new Set(records), records.values(), streamOf(records)]) {
        const other = await openOther();
        await other.importRecords(source);
        equal((await recordsOf(other)).length, records.length);
      }
      const other = await openOther();
      equal(await other.importRecords([]), { imported: countKinds([]), skipped: 0, replaced: 0 });
      for (const source of [null, undefined, 5, {}])
        await refused(other.importRecords(source as unknown as StorageRecord[]), String(source));
    },
  );

  clause("P1 an export that is left early or aborted lets the store go on", async ({ storage, support }) => {
    await fillStore(storage, support);
    for await (const record of storage.exportRecords()) if (record.kind === "message") break;
    const controller = new AbortController();
    const seen: StorageRecord[] = [];
    await rejects("ABORTED", async () => {
      for await (const record of storage.exportRecords({ signal: controller.signal })) {
        seen.push(record);
        if (seen.length === 3) controller.abort();
      }
    });
    ok(seen.length < 10, `${seen.length} records came after the abort`);
    await storage.createSession("after", "u");
    ok((await recordsOf(storage)).length > 10, "a new export works");
  });

  clause("P1 an import can be aborted between its records", async ({ storage }) => {
    const controller = new AbortController();
    let given = 0;
    const endless = async function* (): AsyncGenerator<StorageRecord> {
      for (;;) {
        given += 1;
        if (given === 50) controller.abort();
        ok(given < 100_000, "the import reads on although it was aborted");
        yield sessionRecord(`s${given}`);
      }
    };
    await rejects("ABORTED", storage.importRecords(endless(), { signal: controller.signal }));
    await storage.createSession("after", "u");
  });

  clause("P1 a source of records that fails makes the import fail, and the store goes on", async ({ storage }) => {
    const failing = async function* (): AsyncGenerator<StorageRecord> {
      yield sessionRecord("a");
      throw new Error("the source is broken");
    };
    const { codes } = await settle([storage.importRecords(failing())]);
    equal(codes.length, 1);
    await storage.createSession("after", "u");
  });

  clause("P1 an export while others write can be imported", async ({ storage, openOther, scale }) => {
    for (let i = 0; i < 5; i++) {
      await storage.createSession(`s${i}`, "u");
      await storage.addConversationMessages(
        `s${i}`,
        times(20, () => ({ role: "user", content: "a" })),
      );
      await storage.storeCheckpoint(`t${i}`, "c", i);
    }
    const exported: StorageRecord[] = [];
    let step = 0;
    for await (const record of storage.exportRecords()) {
      exported.push(record);
      step += 1;
      if (step % 5 === 0 && step < 5 * scale.racers) {
        await storage.addConversationMessage(`s${step % 5}`, "user", "more");
        await storage.addConversationMessage(`s${(step / 5) % 5}`, "user", "more");
        await storage.storeCheckpoint(`t${(step / 5) % 5}`, `c${step}`, step);
        await storage.createSession(`new${step}`, "u");
      }
    }
    const other = await openOther();
    await other.importRecords(exported);
    for (let i = 0; i < 5; i++)
      ok((await other.getConversationHistory(`s${i}`, { limit: 1_000 })).length >= 20, `the messages of s${i}`);
    equal((await recordsOf(other)).length, exported.length);
  });
});

async function* streamOf(records: readonly StorageRecord[]): AsyncGenerator<StorageRecord> {
  yield* records;
}
