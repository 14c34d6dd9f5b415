/** Pruning: what it keeps still loads, and it never takes a head, a needed parent or an open interrupt (K6). */
import { randomBytes } from "node:crypto";
import type { PrunePolicy, PruneReport } from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, ok, refused, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const pruningClauses: ClauseGroup = clauseGroup("pruning", (clause) => {
  clause("K6 keepLast keeps the newest of each thread and namespace", async ({ storage }) => {
    await chain(storage, "t", 5);
    await chain(storage, "t", 4, "n");
    await chain(storage, "u", 2);
    const report = await storage.pruneCheckpoints({ keepLast: 2 });
    equal(await left(storage, "t"), ["c4", "c5"]);
    equal(await left(storage, "t", "n"), ["c3", "c4"]);
    equal(await left(storage, "u"), ["c1", "c2"]);
    equal([report.threads, report.removedCheckpoints, report.keptCheckpoints], [2, 5, 6]);
  });

  clause("K6 heads stay whatever the policy says", { needs: ["clock"] }, async ({ storage, clock }) => {
    await chain(storage, "t", 3);
    await chain(storage, "t", 3, "n");
    await chain(storage, "single", 1);
    clock.advance(1_000_000);
    await storage.pruneCheckpoints({ maxAgeMs: 0 });
    equal(
      [await left(storage, "t"), await left(storage, "t", "n"), await left(storage, "single")],
      [["c3"], ["c3"], ["c1"]],
    );
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal(
      [await left(storage, "t"), await left(storage, "t", "n"), await left(storage, "single")],
      [["c3"], ["c3"], ["c1"]],
    );
  });

  clause("K6 maxAgeMs keeps checkpoints that are younger", { needs: ["clock"] }, async ({ storage, clock }) => {
    for (let i = 1; i <= 5; i++) {
      await storage.storeCheckpoint("t", `c${i}`, i);
      clock.advance(1_000);
    }
    // The ages are now 5, 4, 3, 2 and 1 seconds; one of exactly the age goes.
    await storage.pruneCheckpoints({ maxAgeMs: 3_000 });
    equal(await left(storage, "t"), ["c4", "c5"]);
    await storage.pruneCheckpoints({ maxAgeMs: 2_001 });
    equal(await left(storage, "t"), ["c4", "c5"]);
  });

  clause("K6 maxAgeMs goes by the time as it passes", async ({ storage, pass }) => {
    await chain(storage, "t", 2);
    await pass(1_000);
    await storage.storeCheckpoint("t", "new", 3);
    await storage.storeCheckpoint("t", "head", 4);
    await storage.pruneCheckpoints({ maxAgeMs: 800 });
    equal(await left(storage, "t"), ["new", "head"]);
  });

  clause(
    "K6 with keepLast and maxAgeMs a checkpoint goes only if both let it go",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await chain(storage, "old", 5);
      await chain(storage, "mixed", 2);
      clock.advance(10_000);
      for (let i = 3; i <= 5; i++) await storage.storeCheckpoint("mixed", `c${i}`, i);
      await storage.pruneCheckpoints({ keepLast: 2, maxAgeMs: 5_000 });
      equal(await left(storage, "old"), ["c4", "c5"]);
      equal(await left(storage, "mixed"), ["c3", "c4", "c5"]);
    },
  );

  clause("K6 a parent that a kept checkpoint needs stays, and that one's parent too", async ({ storage }) => {
    await storage.storeCheckpoint("t", "base", 0);
    await storage.storeCheckpoint("t", "unused", 0);
    await storage.storeCheckpoint("t", "delta1", 1, { parentId: "base", needsParent: true });
    await storage.storeCheckpoint("t", "delta2", 2, { parentId: "delta1", needsParent: true });
    await storage.storeCheckpoint("t", "side", 2, { parentId: "base", needsParent: true });
    await storage.storeCheckpoint("t", "next", 3, { parentId: "side" });
    await storage.storeCheckpoint("t", "head", 3, { parentId: "delta2", needsParent: true });
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal(await left(storage, "t"), ["base", "delta1", "delta2", "head"]);
  });

  clause("K6 a parent that is only named, not needed, goes", async ({ storage }) => {
    await storage.storeCheckpoint("t", "base", 0);
    await storage.storeCheckpoint("t", "delta", 1, { parentId: "base", needsParent: true });
    await storage.storeCheckpoint("t", "whole", 2, { parentId: "delta" });
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal(await left(storage, "t"), ["whole"]);
  });

  clause("K6 a parent of the same id in another namespace is not the one that is needed", async ({ storage }) => {
    await storage.storeCheckpoint("t", "base", 0);
    await storage.storeCheckpoint("t", "base", 0, { namespace: "n" });
    await storage.storeCheckpoint("t", "head", 1, { namespace: "n", parentId: "base", needsParent: true });
    await storage.storeCheckpoint("t", "head", 1);
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal([await left(storage, "t"), await left(storage, "t", "n")], [["head"], ["base", "head"]]);
  });

  clause("K6 an open interrupt stays: a checkpoint with writes that no other one goes on from", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c1", 1);
    await storage.storeCheckpoint("t", "interrupted", 2, { parentId: "c1" });
    await storage.putWrites("t", "interrupted", "task", [["__interrupt__", { ask: "really?" }]]);
    await storage.storeCheckpoint("t", "resumed", 3, { parentId: "c1" });
    await storage.putWrites("t", "resumed", "task", [["a", 1]]);
    await storage.storeCheckpoint("t", "c4", 4, { parentId: "resumed" });
    await storage.storeCheckpoint("t", "c5", 5, { parentId: "c4" });
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal(await left(storage, "t"), ["interrupted", "c5"]);
    equal(
      (await storage.getWrites("t", "interrupted")).map((write) => write.value),
      [{ ask: "really?" }],
    );
    equal(await storage.getWrites("t", "resumed"), []);
  });

  clause("K6 the writes of removed checkpoints go and are counted, those of kept ones stay", async ({ storage }) => {
    await chain(storage, "t", 4);
    for (const id of ["c1", "c2", "c4"])
      await storage.putWrites("t", id, "task", [
        ["a", id],
        ["b", id],
      ]);
    const report = await storage.pruneCheckpoints({ keepLast: 1 });
    equal([report.removedCheckpoints, report.removedWrites, report.keptCheckpoints], [3, 4, 1]);
    equal(await storage.getWrites("t", "c1"), []);
    equal(
      (await storage.getCheckpoint("t", { writes: true }))?.writes?.map((write) => write.value),
      ["c4", "c4"],
    );
    await storage.storeCheckpoint("t", "c1", "new");
    equal((await storage.getCheckpoint("t", { checkpointId: "c1", writes: true }))?.writes, []);
  });

  clause("K6 writes that wait for their checkpoint stay", async ({ storage }) => {
    await chain(storage, "t", 3);
    await storage.putWrites("t", "later", "task", [["a", 1]]);
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal((await storage.getWrites("t", "later")).length, 1);
  });

  clause("K6 what is kept still loads, whole", async ({ storage }) => {
    const shared = times(100, (i) => ({ i, text: "x".repeat(100) }));
    for (let i = 1; i <= 8; i++) await storage.storeCheckpoint("t", `c${i}`, { shared, own: i }, { metadata: { i } });
    await storage.pruneCheckpoints({ keepLast: 3 });
    for (let i = 6; i <= 8; i++) {
      const found = await storage.getCheckpoint("t", { checkpointId: `c${i}` });
      equal([found?.data, found?.metadata], [{ shared, own: i }, { i }]);
    }
    equal((await storage.listThreads()).items[0]?.checkpointCount, 3);
    await storage.storeCheckpoint("t", "c9", { shared, own: 9 });
    equal((await storage.getCheckpoint("t"))?.data, { shared, own: 9 });
  });

  clause("K6 threadId prunes that thread alone", async ({ storage }) => {
    for (const thread of ["t", "t1", "T", "t:1"]) await chain(storage, thread, 3);
    const report = await storage.pruneCheckpoints({ keepLast: 1, threadId: "t" });
    equal([report.threads, report.removedCheckpoints, report.keptCheckpoints], [1, 2, 1]);
    equal(await left(storage, "t"), ["c3"]);
    for (const thread of ["t1", "T", "t:1"]) equal(await left(storage, thread), ["c1", "c2", "c3"]);
  });

  clause("K6 pruning reaches its own tenant alone", async ({ storage }) => {
    for (const view of [storage, storage.tenant("other")]) await chain(view, "t", 3);
    await storage.pruneCheckpoints({ keepLast: 1 });
    equal(await left(storage.tenant("other"), "t"), ["c1", "c2", "c3"]);
    equal(await left(storage, "t"), ["c3"]);
  });

  clause("K6 dryRun reports what the real run then does, and changes nothing", async ({ storage }) => {
    await chain(storage, "t", 6);
    await chain(storage, "u", 3, "n");
    await storage.putWrites("t", "c1", "task", [["a", "x".repeat(100)]]);
    for (const policy of [
      { keepLast: 2 },
      { keepLast: 1, threadId: "t" },
      { maxAgeMs: 8_000_000_000 },
    ] as PrunePolicy[]) {
      const foretold = await unchanged(storage, () => storage.pruneCheckpoints(policy, { dryRun: true }));
      equal(await storage.pruneCheckpoints(policy, { dryRun: false }), foretold, label(policy));
      equal(removedOf(await storage.pruneCheckpoints(policy)), [0, 0, 0], "a second run");
    }
  });

  clause("K6 removedBytes counts the encoded bytes of what went", async ({ storage }) => {
    const sizes: number[] = [];
    for (let i = 0; i < 3; i++) {
      // Text that no layer makes smaller.
      const text = randomBytes(750 * (i + 1)).toString("base64");
      sizes.push((await storage.storeCheckpoint("t", `c${i}`, text)).sizeBytes);
    }
    const report = await storage.pruneCheckpoints({ keepLast: 1 });
    equal(report.removedBytes, (sizes[0] ?? 0) + (sizes[1] ?? 0));
    ok(report.removedBytes >= 3_000, "the states count");
  });

  clause("K6 pruning a thread that is not there, or an empty store, removes nothing", async ({ storage }) => {
    equal(removedOf(await storage.pruneCheckpoints({ keepLast: 1 })), [0, 0, 0]);
    equal(removedOf(await storage.pruneCheckpoints({ keepLast: 1, threadId: "absent" })), [0, 0, 0]);
  });

  clause("K6 pruning while others store takes nothing that is new", async ({ storage, scale }) => {
    await chain(storage, "t", 5);
    const [stored] = await Promise.all([
      Promise.all(times(scale.racers, (i) => storage.storeCheckpoint("t", `new${i}`, i))),
      storage.pruneCheckpoints({ keepLast: 1 }),
      storage.pruneCheckpoints({ keepLast: 1 }),
    ]);
    const head = await storage.getCheckpoint("t");
    const newest = stored.sort((a, b) => b.seq - a.seq)[0];
    equal(head?.checkpointId, newest?.checkpointId);
    for (const checkpointId of await left(storage, "t")) {
      ok((await storage.getCheckpoint("t", { checkpointId })) !== undefined, `${checkpointId} loads`);
    }
  });

  clause(
    "K6 a policy without keepLast and maxAgeMs, with bad numbers or unknown fields is refused",
    async ({ storage }) => {
      await chain(storage, "t", 3);
      const policies: unknown[] = [
        {},
        { threadId: "t" },
        { keepLast: 0 },
        { keepLast: -1 },
        { keepLast: 1.5 },
        { keepLast: "1" },
        { keepLast: null },
        { maxAgeMs: -1 },
        { maxAgeMs: 0.5 },
        { maxAgeMs: Number.NaN },
        { keepLast: 1, namespace: "n" },
        { keepLast: undefined },
        null,
        undefined,
        [],
        "all",
      ];
      await unchanged(storage, async () => {
        for (const policy of policies) await refused(storage.pruneCheckpoints(policy as PrunePolicy), label(policy));
        await refused(storage.pruneCheckpoints({ keepLast: 1 }, { dryRun: 1 } as object), "dryRun 1");
        await refused(storage.pruneCheckpoints({ keepLast: 1 }, { dry: true } as object), "an unknown option");
      });
    },
  );
});

/** Checkpoints c1 to cN, each the parent of the next; all but the last of a namespace can go. */
async function chain(storage: StorageBackend, thread: string, length: number, namespace = ""): Promise<void> {
  for (let i = 1; i <= length; i++) {
    const parentId = i === 1 ? undefined : `c${i - 1}`;
    await storage.storeCheckpoint(thread, `c${i}`, i, { namespace, parentId });
  }
}

async function left(storage: StorageBackend, thread: string, namespace = ""): Promise<string[]> {
  const found = await storage.listCheckpoints(thread, { namespace, limit: 10_000 });
  return found.map((checkpoint) => checkpoint.checkpointId).reverse();
}

function removedOf(report: PruneReport): number[] {
  return [report.removedCheckpoints, report.removedWrites, report.removedBytes];
}
