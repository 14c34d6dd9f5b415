/** Reads of a state that the caller may have: an etag names a state, and never hides another one (K5). */
import type { CheckpointInfo, GetCheckpointOptions } from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, present, recordsOf, refused, rejects, times } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const conditionalReadClauses: ClauseGroup = clauseGroup("conditional reads", (clause) => {
  clause(
    "K5 a read with the etag of the state that is stored may leave the state out, and says so",
    async ({ storage }) => {
      for (const [threadId, data] of [
        ["small", { step: 1 }],
        ["large", large(1)],
      ] as const) {
        const stored = await storage.storeCheckpoint(threadId, "c", data, { metadata: { a: 1 } });
        await storage.putWrites(threadId, "c", "task", [["channel", 1]]);
        const read = present(await storage.getCheckpoint(threadId), "the checkpoint");
        equal([read.data, read.etag, "notModified" in read], [data, stored.etag, false]);
        equal((await storage.listCheckpoints(threadId, { data: true }))[0]?.data, data);
        equal(etagsOf(await storage.listCheckpoints(threadId)), [stored.etag]);
        equal(etagsOf(await storage.listCheckpoints(threadId, { data: true })), [stored.etag]);
        for (const wanted of [{}, { checkpointId: "c" }]) {
          equal(await readAgain(storage, stored, wanted), stored.etag === undefined ? data : "not modified");
        }
        const found = present(
          await storage.getCheckpoint(threadId, { writes: true, ifNoneMatch: askFor(stored) }),
          "the checkpoint",
        );
        const { data: _data, notModified: _notModified, writes, ...info } = found;
        equal(info, stored);
        equal(writes?.length, 1);
      }
    },
  );

  clause("K5 a read with any other etag gives the state", async ({ storage }) => {
    const stored = await storage.storeCheckpoint("t", "c", large(1));
    const etag = stored.etag ?? "etag";
    for (const ifNoneMatch of [
      "*",
      "0",
      `${etag}0`,
      etag.slice(0, -1) || "x",
      `"${etag}"`,
      `W/${etag}`,
      etag.toUpperCase() + etag,
    ]) {
      const found = await storage.getCheckpoint("t", { ifNoneMatch });
      equal([found?.data, found !== undefined && "notModified" in found], [large(1), false], ifNoneMatch);
    }
    equal(await storage.getCheckpoint("absent", { ifNoneMatch: etag }), undefined);
    equal(await storage.getCheckpoint("t", { checkpointId: "absent", ifNoneMatch: etag }), undefined);
  });

  clause(
    "K5 a state that was replaced has another etag, and the same state again the same one or none",
    async ({ storage }) => {
      const first = await storage.storeCheckpoint("t", "c", large(1));
      const second = await storage.storeCheckpoint("t", "c", large(2), { metadata: { same: false } });
      differ(first, second);
      equal(await readAgain(storage, first), large(2));
      const third = await storage.storeCheckpoint("t", "c", large(1));
      differ(second, third);
      equal(await readAgain(storage, second), large(1));
      await storage.storeCheckpoint("t", "c", { small: true });
      equal(await readAgain(storage, third), { small: true });
    },
  );

  clause(
    "K5 equal etags of a thread mean equal states, for every checkpoint and namespace of it",
    async ({ storage }) => {
      const infos: CheckpointInfo[] = [];
      for (const i of times(6, (each) => each)) {
        const namespace = i % 2 === 0 ? "" : "n";
        infos.push(await storage.storeCheckpoint("t", `c${i >> 1}`, large(i % 3), { namespace }));
      }
      for (const [i, info] of infos.entries()) {
        for (const [j, known] of infos.entries()) {
          const found = await readAgain(storage, known, { checkpointId: info.checkpointId, namespace: info.namespace });
          if (found !== "not modified") equal(found, large(i % 3));
          else equal(i % 3, j % 3, "the state that an etag hides");
        }
      }
    },
  );

  clause("K5 the etag of another thread or tenant hides no other state", async ({ storage }) => {
    const other = storage.tenant("other");
    const infos = [
      await storage.storeCheckpoint("t", "c", large(1)),
      await storage.storeCheckpoint("u", "c", large(2)),
      await other.storeCheckpoint("t", "c", large(3)),
    ];
    for (const known of infos) {
      for (const [i, found] of [
        await storage.getCheckpoint("t", { ifNoneMatch: askFor(known) }),
        await storage.getCheckpoint("u", { ifNoneMatch: askFor(known) }),
        await other.getCheckpoint("t", { ifNoneMatch: askFor(known) }),
      ].entries()) {
        if (infos[i] !== known) equal(found?.data, large(i + 1));
      }
    }
  });

  clause("K5 a thread that was deleted and begins anew hides nothing behind its old etags", async ({ storage }) => {
    const old = await storage.storeCheckpoint("t", "c", large(1));
    await storage.deleteThread("t");
    equal(await storage.getCheckpoint("t", { ifNoneMatch: askFor(old) }), undefined);
    await storage.storeCheckpoint("t", "c", large(2));
    equal(await readAgain(storage, old), large(2));
    await storage.storeCheckpoint("t", "d", large(1));
    const again = await storage.getCheckpoint("t", { ifNoneMatch: askFor(old) });
    if (again?.notModified === undefined) equal(again?.data, large(1));
  });

  clause(
    "K7 a copied thread has etags that are right for it, whatever becomes of the other one",
    async ({ storage }) => {
      const stored = await storage.storeCheckpoint("t", "c", large(1));
      await storage.copyThread("t", "copy");
      await storage.storeCheckpoint("t", "c", large(2));
      const copied = present(await storage.getCheckpoint("copy"), "the copy");
      equal(copied.data, large(1));
      const changed = await storage.storeCheckpoint("copy", "c", large(3));
      for (const known of [stored, copied]) equal(await readAgain(storage, known, {}, "copy"), large(3));
      equal(await readAgain(storage, changed, {}, "t"), large(2));
    },
  );

  clause("K5 records carry no etag, and an imported state is found by its own", async ({ storage, openOther }) => {
    const stored = await storage.storeCheckpoint("t", "c", large(1));
    const records = await recordsOf(storage);
    ok(!records.some((record) => "etag" in record), "no record has an etag");
    const other = await openOther();
    await other.importRecords(records);
    const found = present(await other.getCheckpoint("t"), "the imported checkpoint");
    equal(found.data, large(1));
    equal(await readAgain(other, found), found.etag === undefined ? large(1) : "not modified");
    await other.storeCheckpoint("t", "c", large(2));
    for (const known of [stored, found]) equal(await readAgain(other, known), large(2));
  });

  clause("K5 ifNoneMatch that is no etag is refused", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    for (const ifNoneMatch of ["", 1, null, true, {}, ["x"]]) {
      const options = { ifNoneMatch } as unknown as GetCheckpointOptions;
      await refused(storage.getCheckpoint("t", options), JSON.stringify(ifNoneMatch));
    }
    const misplaced = { ifNoneMatch: "x" } as object;
    await rejects("INVALID_ARGUMENT", storage.listCheckpoints("t", misplaced));
  });
});

/** Some 6 KB: a state that is worth an etag. */
function large(number: number): object {
  return { number, list: times(100, (i) => ({ i, text: `state ${number}, line ${i}, with some more words` })) };
}

/** The etag of a state, or a string that no store gives. */
function askFor({ etag }: CheckpointInfo): string {
  return etag ?? "no etag";
}

/** What is read by one who has a state: its data, or that it is the same. */
async function readAgain(
  storage: StorageBackend,
  known: CheckpointInfo,
  wanted: GetCheckpointOptions = {},
  threadId: string = known.threadId,
): Promise<unknown> {
  const found = present(
    await storage.getCheckpoint(threadId, { ...wanted, ifNoneMatch: askFor(known) }),
    "the checkpoint",
  );
  if (found.notModified === undefined) return found.data;
  equal([found.notModified, found.data, found.etag], [true, undefined, known.etag]);
  return "not modified";
}

function differ(one: CheckpointInfo, other: CheckpointInfo): void {
  ok(one.etag === undefined || one.etag !== other.etag, "two states have the same etag");
}

function etagsOf(infos: readonly CheckpointInfo[]): (string | undefined)[] {
  return infos.map(({ etag }) => etag);
}
