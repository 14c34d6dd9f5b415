/** Deleting checkpoints by name: exactly these go, with all that is theirs, but for what others need (K9). */
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, ok, present, recordsOf, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const checkpointDeletionClauses: ClauseGroup = clauseGroup("deleting checkpoints", (clause) => {
  clause("K9 named checkpoints go with their states and writes, and the report counts them", async ({ storage }) => {
    const sizes = await fill(storage, "t", 5);
    const others = await storage.listCheckpoints("t", { before: 5, data: true, writes: true });
    const report = await storage.deleteCheckpoints("t", ["c5", "c2"]);
    equal([report.removedCheckpoints, report.removedWrites, report.keptCheckpointIds], [2, 4, []]);
    ok(report.removedBytes >= (sizes[1] ?? 0) + (sizes[4] ?? 0), "the bytes of the states count");
    equal(
      await storage.listCheckpoints("t", { data: true, writes: true }),
      others.filter(({ checkpointId }) => checkpointId !== "c2"),
    );
    for (const checkpointId of ["c2", "c5"]) {
      equal(await storage.getCheckpoint("t", { checkpointId }), undefined);
      equal(await storage.getWrites("t", checkpointId), []);
    }
    const left = await recordsOf(storage, { threadId: "t" });
    equal(
      left.filter((record) => "checkpoint_id" in record && ["c2", "c5"].includes(record.checkpoint_id)),
      [],
    );
    equal((await storage.listThreads()).items[0]?.checkpointCount, 3);
    await counts(storage, 3);
  });

  clause("K9 the latest is then the newest that is left, for expectedHead too", async ({ storage }) => {
    await fill(storage, "t", 3);
    await storage.deleteCheckpoints("t", ["c3"]);
    equal((await storage.getCheckpoint("t"))?.checkpointId, "c2");
    await rejects("CONFLICT", storage.storeCheckpoint("t", "new", 1, { expectedHead: "c3" }));
    await storage.storeCheckpoint("t", "new", 1, { expectedHead: "c2" });
    equal((await storage.getCheckpoint("t"))?.checkpointId, "new");
    await storage.deleteCheckpoints("t", ["new", "c1", "c2"]);
    equal(await storage.getCheckpoint("t"), undefined);
    await rejects("CONFLICT", storage.storeCheckpoint("t", "again", 1, { expectedHead: "c2" }));
    await storage.storeCheckpoint("t", "again", 1, { expectedHead: null });
    equal((await storage.getCheckpoint("t"))?.checkpointId, "again");
  });

  clause("K9 a seq is never given out again, also in a copy and after an import", async ({ storage, openOther }) => {
    await fill(storage, "t", 3);
    await storage.deleteCheckpoints("t", ["c2", "c3"]);
    await storage.copyThread("t", "copy");
    const other = await openOther();
    await other.importRecords(storage.exportRecords());
    equal((await storage.storeCheckpoint("t", "c4", 1)).seq, 4);
    equal((await storage.storeCheckpoint("copy", "c4", 1)).seq, 4);
    equal((await other.storeCheckpoint("t", "c4", 1)).seq, 4);
    await storage.deleteCheckpoints("t", ["c1", "c4"]);
    equal((await storage.storeCheckpoint("t", "c5", 1)).seq, 5);
  });

  clause("K9 an id that was deleted begins anew: at the end, without writes", async ({ storage }) => {
    await fill(storage, "t", 3);
    await storage.deleteCheckpoints("t", ["c1"]);
    const again = await storage.storeCheckpoint("t", "c1", "again");
    equal([again.seq, again.metadata, again.needsParent, again.parentId], [4, {}, false, undefined]);
    equal(await storage.getCheckpoint("t", { writes: true }), { ...again, data: "again", writes: [] });
  });

  clause("K9 what is left still loads, whole, and its content can be stored again", async ({ storage }) => {
    const shared = times(200, (i) => ({ i, text: `${i} `.repeat(200) }));
    for (const i of times(8, (each) => each)) await storage.storeCheckpoint("t", `c${i}`, { shared, own: `own ${i}` });
    await storage.deleteCheckpoints("t", ["c0", "c1", "c3", "c7"]);
    for (const i of [2, 4, 5, 6]) {
      const found = await storage.getCheckpoint("t", { checkpointId: `c${i}` });
      equal(found?.data, { shared, own: `own ${i}` });
    }
    await storage.deleteCheckpoints("t", ["c2", "c4", "c5", "c6"]);
    await storage.storeCheckpoint("t", "c3", { shared, own: "again" });
    equal((await storage.getCheckpoint("t"))?.data, { shared, own: "again" });
  });

  clause(
    "K9 what another one needs stays and is reported in the order of the names, parent by parent",
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "base", 0);
      await storage.storeCheckpoint("t", "delta1", 1, { parentId: "base", needsParent: true });
      await storage.storeCheckpoint("t", "delta2", 2, { parentId: "delta1", needsParent: true });
      await storage.storeCheckpoint("t", "side", 2, { parentId: "base", needsParent: true });
      await storage.storeCheckpoint("t", "head", 3, { parentId: "delta2", needsParent: true });
      await storage.putWrites("t", "base", "task", [["a", 1]]);
      const kept = await unchanged(storage, () => storage.deleteCheckpoints("t", ["delta1", "base"]));
      equal(kept, { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, keptCheckpointIds: ["delta1", "base"] });
      const some = await storage.deleteCheckpoints("t", ["side", "base"]);
      equal([some.removedCheckpoints, some.keptCheckpointIds], [1, ["base"]]);
      equal(await left(storage, "t"), ["base", "delta1", "delta2", "head"]);
      const tail = await storage.deleteCheckpoints("t", ["head", "delta1"]);
      equal([tail.removedCheckpoints, tail.keptCheckpointIds], [1, ["delta1"]]);
      const all = await storage.deleteCheckpoints("t", ["base", "delta1", "delta2"]);
      equal([all.removedCheckpoints, all.removedWrites, all.keptCheckpointIds], [3, 1, []]);
      equal(await left(storage, "t"), []);
    },
  );

  clause(
    "K9 a parent that is only named by another one goes, and so does one that needs nothing any more",
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "base", 0);
      await storage.storeCheckpoint("t", "delta", 1, { parentId: "base", needsParent: true });
      await storage.storeCheckpoint("t", "whole", 2, { parentId: "delta" });
      await storage.storeCheckpoint("t", "itself", 3, { parentId: "itself", needsParent: true });
      const report = await storage.deleteCheckpoints("t", ["itself", "delta"]);
      equal([report.removedCheckpoints, report.keptCheckpointIds], [2, []]);
      equal((await storage.deleteCheckpoints("t", ["base"])).removedCheckpoints, 1);
      equal((await storage.getCheckpoint("t"))?.parentId, "delta");
      // Stored again without the need, it lets its parent go.
      await storage.storeCheckpoint("t", "base", 0);
      await storage.storeCheckpoint("t", "delta", 1, { parentId: "base", needsParent: true });
      await storage.storeCheckpoint("t", "delta", 1, { parentId: "base" });
      equal((await storage.deleteCheckpoints("t", ["base"])).keptCheckpointIds, []);
    },
  );

  clause("K9 checkpoints that need each other in a circle go together, and stay together", async ({ storage }) => {
    await storage.storeCheckpoint("t", "a", 1, { parentId: "b", needsParent: true });
    await storage.storeCheckpoint("t", "b", 2, { parentId: "a", needsParent: true });
    equal((await storage.deleteCheckpoints("t", ["a"])).keptCheckpointIds, ["a"]);
    equal((await storage.deleteCheckpoints("t", ["a", "b"])).removedCheckpoints, 2);
  });

  clause("K9 heads and open interrupts go too when they are named", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c1", 1);
    await storage.storeCheckpoint("t", "interrupted", 2, { parentId: "c1" });
    await storage.putWrites("t", "interrupted", "task", [["__interrupt__", { ask: "really?" }]]);
    const report = await storage.deleteCheckpoints("t", ["interrupted"]);
    equal([report.removedCheckpoints, report.removedWrites], [1, 1]);
    equal(await left(storage, "t"), ["c1"]);
  });

  clause("K9 one namespace is changed, the root unless another is given", async ({ storage }) => {
    for (const namespace of ["", "n", "n|m"]) await fill(storage, "t", 2, namespace);
    await storage.storeCheckpoint("t", "needing", 1, { namespace: "n", parentId: "c1", needsParent: true });
    equal((await storage.deleteCheckpoints("t", ["c1", "needing"])).removedCheckpoints, 1);
    equal((await storage.deleteCheckpoints("t", ["c1"], { namespace: "n" })).keptCheckpointIds, ["c1"]);
    equal((await storage.deleteCheckpoints("t", ["c2"], { namespace: "n|m" })).removedWrites, 2);
    equal(
      [await left(storage, "t"), await left(storage, "t", "n"), await left(storage, "t", "n|m")],
      [["c2"], ["c1", "c2", "needing"], ["c1"]],
    );
    equal((await storage.getWrites("t", "c1", { namespace: "n" })).length, 2);
    equal((await storage.getCheckpoint("t", { namespace: "n|m" }))?.checkpointId, "c1");
  });

  clause("K9 other threads, copies and tenants stay as they are", async ({ storage }) => {
    const others = [storage.tenant("other")];
    for (const each of [storage, ...others]) await fill(each, "t", 3);
    await storage.copyThread("t", "copy");
    await fill(storage, "t1", 3);
    const ids = ["c1", "c2", "c3"];
    equal((await storage.deleteCheckpoints("t", ids)).removedCheckpoints, 3);
    for (const [view, thread] of [
      [storage, "copy"],
      [storage, "t1"],
      [others[0] ?? storage, "t"],
    ] as const) {
      const found = await view.listCheckpoints(thread, { data: true, writes: true });
      equal(
        found.map(({ checkpointId, data, writes }) => [checkpointId, data, writes?.length]),
        [3, 2, 1].map((i) => [`c${i}`, stateOf(i), 2]),
      );
    }
    equal((await storage.deleteCheckpoints("copy", ["c2"])).removedCheckpoints, 1);
    equal(await left(storage, "t1"), ids);
  });

  clause("K9 writes that wait for a named checkpoint go, those that wait for others stay", async ({ storage }) => {
    await storage.putWrites("t", "later", "task", [
      ["a", 1],
      ["b", 2],
    ]);
    await storage.putWrites("t", "other", "task", [["a", 1]]);
    const report = await storage.deleteCheckpoints("t", ["later"]);
    equal([report.removedCheckpoints, report.removedWrites], [0, 2]);
    equal([await storage.getWrites("t", "later"), (await storage.getWrites("t", "other")).length], [[], 1]);
  });

  clause("K9 ids that are not there are passed over, and deleting again changes nothing", async ({ storage }) => {
    const nothing = { removedCheckpoints: 0, removedWrites: 0, removedBytes: 0, keptCheckpointIds: [] };
    equal(await storage.deleteCheckpoints("absent", ["c1"]), nothing);
    equal((await storage.listThreads()).items, []);
    await fill(storage, "t", 3);
    const report = await storage.deleteCheckpoints("t", ["c2", "absent", "c2"]);
    equal([report.removedCheckpoints, report.removedWrites, report.keptCheckpointIds], [1, 2, []]);
    await unchanged(storage, async () => {
      equal(await storage.deleteCheckpoints("t", ["c2", "absent"]), nothing);
      equal(await storage.deleteCheckpoints("t", []), nothing);
      equal(await storage.deleteCheckpoints("t", ["c1"], { namespace: "absent" }), nothing);
      equal(await storage.deleteCheckpoints("t", ["C1", "c", "c1 "]), nothing);
    });
  });

  clause("K9 the thread stays, also an empty one, with its session and its lease", async ({ storage, pass }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c1", 1, { sessionId: "s" });
    const lease = await storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 60_000 });
    const before = present((await storage.listThreads()).items[0], "the thread");
    await pass(5);
    await storage.deleteCheckpoints("t", ["c1"], { lease });
    const after = present((await storage.listThreads({ sessionId: "s" })).items[0], "the empty thread");
    equal([after.checkpointCount, after.sessionId, after.createdAt], [0, "s", before.createdAt]);
    ok(after.updatedAt > before.updatedAt, "the thread's updatedAt moves");
    await storage.storeCheckpoint("t", "c2", 2, { lease });
    equal(await storage.deleteThread("t"), true);
  });

  clause(
    "S4 deleting checkpoints moves updatedAt of the linked session, and of the thread, if anything goes",
    async ({ storage, pass }) => {
      await storage.createSession("s", "u");
      await storage.storeCheckpoint("t", "c1", 1, { sessionId: "s" });
      await storage.storeCheckpoint("t", "c2", 1, { parentId: "c1", needsParent: true });
      const updatedAt = async (): Promise<(Date | undefined)[]> => [
        (await storage.getSession("s"))?.updatedAt,
        (await storage.listThreads()).items[0]?.updatedAt,
      ];
      const before = await updatedAt();
      await pass(5);
      await storage.deleteCheckpoints("t", ["c1", "absent"]);
      equal(await updatedAt(), before);
      await storage.deleteCheckpoints("t", ["c2"]);
      const [session, thread] = await updatedAt();
      ok(session !== undefined && before[0] !== undefined && session > before[0], "the session moves");
      ok(thread !== undefined && before[1] !== undefined && thread > before[1], "the thread moves");
    },
  );

  clause(
    "K9 a thread that has expired with its session is not there",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.createSession("s", "u", { ttlMs: 1_000 });
      await storage.storeCheckpoint("t", "c1", 1, { sessionId: "s" });
      clock.advance(1_000);
      equal((await storage.deleteCheckpoints("t", ["c1"])).removedCheckpoints, 0);
      equal((await storage.listThreads()).items, []);
    },
  );

  clause("K9 of racing deletions each checkpoint is counted by one", async ({ storage, scale }) => {
    await fill(storage, "t", 20);
    const ids = times(20, (i) => `c${i + 1}`);
    const { values } = await settle(times(scale.racers, (i) => storage.deleteCheckpoints("t", ids.slice(i % 5))));
    equal(values.length, scale.racers);
    const sum = (count: (each: (typeof values)[number]) => number): number =>
      values.reduce((total, each) => total + count(each), 0);
    equal([sum((each) => each.removedCheckpoints), sum((each) => each.removedWrites)], [20, 40]);
    equal(await left(storage, "t"), []);
  });

  clause("K9 a deletion beside writers takes what it names and nothing else", async ({ storage, scale }) => {
    await fill(storage, "t", 10);
    const ids = times(10, (i) => `c${i + 1}`);
    await Promise.all([
      ...times(scale.racers, (i) =>
        storage.storeCheckpoint("t", `new${i}`, stateOf(i), { parentId: `c${(i % 10) + 1}`, needsParent: true }),
      ),
      ...ids.map((id) => storage.deleteCheckpoints("t", [id])),
    ]);
    const found = await storage.listCheckpoints("t", { limit: 1_000, data: true });
    for (const i of times(scale.racers, (each) => each)) {
      equal(found.find(({ checkpointId }) => checkpointId === `new${i}`)?.data, stateOf(i));
    }
    equal((await storage.listThreads()).items[0]?.checkpointCount, found.length);
    await counts(storage, found.length);
  });

  clause("K9 a thousand go in one call", { timeoutMs: 60_000 }, async ({ storage }) => {
    const ids = times(1_000, (i) => `c${i}`);
    for (const id of ids) await storage.storeCheckpoint("t", id, { id });
    await storage.storeCheckpoint("t", "last", 1);
    const report = await storage.deleteCheckpoints("t", ids.toReversed());
    equal([report.removedCheckpoints, report.keptCheckpointIds], [1_000, []]);
    equal(await left(storage, "t"), ["last"]);
  });

  clause(
    "K9 ids that are no list, too many or no identifiers are refused, before any of them goes",
    async ({ storage }) => {
      await fill(storage, "t", 2);
      const lists: unknown[] = [
        undefined,
        null,
        "c1",
        { 0: "c1", length: 1 },
        new Set(["c1"]),
        ["c1", ""],
        ["c1", "a\0"],
        ["c1", 1],
        ["c1", undefined],
        ["c1", ["c2"]],
        // A hole counts as an id that is not given.
        Object.assign(["c1"], { length: 2 }),
        times(1_001, (i) => `c${i}`),
        times(1_001, () => "c1"),
      ];
      await unchanged(storage, async () => {
        for (const ids of lists) await refused(storage.deleteCheckpoints("t", ids as string[]));
        await refused(storage.deleteCheckpoints("t", ["c1"], { dryRun: true } as object), "an unknown option");
        await refused(storage.deleteCheckpoints("t", ["c1"], { namespace: 1 } as object), "a namespace 1");
        await refused(storage.deleteCheckpoints("t", ["c1"], { namespace: null } as object), "a namespace null");
      });
    },
  );
});

/** Checkpoints c1 to cN with two writes each; the sizes of their states. */
async function fill(storage: StorageBackend, thread: string, length: number, namespace = ""): Promise<number[]> {
  const sizes: number[] = [];
  for (const i of times(length, (each) => each + 1)) {
    const parentId = i === 1 ? undefined : `c${i - 1}`;
    const stored = await storage.storeCheckpoint(thread, `c${i}`, stateOf(i), { namespace, parentId, metadata: { i } });
    sizes.push(stored.sizeBytes);
    await storage.putWrites(
      thread,
      `c${i}`,
      "task",
      [
        ["a", i],
        ["b", `${i}`],
      ],
      { namespace },
    );
  }
  return sizes;
}

function stateOf(i: number): object {
  return { i, text: "x".repeat(100) };
}

/** That the metrics count so many checkpoints, where they are exact. */
async function counts(storage: StorageBackend, expected: number): Promise<void> {
  const { checkpoints } = await storage.getMetrics();
  if (checkpoints.exact) equal(checkpoints.value, expected, "the count of the metrics");
}

async function left(storage: StorageBackend, thread: string, namespace = ""): Promise<string[]> {
  const found = await storage.listCheckpoints(thread, { namespace, limit: 10_000 });
  return found.map((checkpoint) => checkpoint.checkpointId).reverse();
}
