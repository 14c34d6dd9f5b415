/** Checkpoints: whole or not at all, latest by sequence, namespaces, compare-and-set, listing (K1, K2, K5, K8). */
import type { ListCheckpointsOptions, StoreCheckpointOptions } from "../../contract/checkpoint-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, metadataIn, ok, present, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

export const checkpointClauses: ClauseGroup = clauseGroup("checkpoints", (clause) => {
  clause("K1 a stored checkpoint comes back whole, from every verb that reads it", async ({ storage }) => {
    await storage.createSession("s", "u");
    await storage.storeCheckpoint("t", "c1", { step: 1 });
    const options: StoreCheckpointOptions = {
      namespace: "inner",
      parentId: "c1",
      metadata: { a: 1 },
      sessionId: "s",
      needsParent: true,
    };
    const info = await storage.storeCheckpoint("t", "c2", { step: 2, list: [1, 2] }, options);
    equal(info, {
      threadId: "t",
      namespace: "inner",
      checkpointId: "c2",
      parentId: "c1",
      sessionId: "s",
      metadata: { a: 1 },
      seq: info.seq,
      createdAt: info.createdAt,
      needsParent: true,
      sizeBytes: info.sizeBytes,
    });
    ok(info.sizeBytes > 0 && Number.isInteger(info.sizeBytes), "sizeBytes is a positive integer");
    ok(info.createdAt instanceof Date, "createdAt is a Date");
    const whole = { ...info, data: { step: 2, list: [1, 2] } };
    equal(await storage.getCheckpoint("t", { namespace: "inner" }), whole);
    equal(await storage.getCheckpoint("t", { namespace: "inner", checkpointId: "c2" }), whole);
    equal(await storage.listCheckpoints("t", { namespace: "inner", data: true }), [whole]);
    equal(await storage.listCheckpoints("t", { namespace: "inner" }), [info]);
  });

  clause("K1 a checkpoint that is stored with nothing else has the defaults", async ({ storage }) => {
    const info = await storage.storeCheckpoint("t", "c", 1);
    equal([info.namespace, info.metadata, info.needsParent], ["", {}, false]);
    equal("parentId" in info || "sessionId" in info, false, "whether it has a parent or session");
  });

  clause("K1 getCheckpoint gives writes only when they are asked for", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    equal("writes" in present(await storage.getCheckpoint("t"), "the checkpoint"), false);
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, []);
    await storage.putWrites("t", "c", "task", [["channel", { a: 1 }]]);
    const writes = [{ taskId: "task", taskPath: "", index: 0, channel: "channel", value: { a: 1 } }];
    equal((await storage.getCheckpoint("t", { writes: true }))?.writes, writes);
    equal((await storage.listCheckpoints("t", { writes: true }))[0]?.writes, writes);
    equal("writes" in ((await storage.listCheckpoints("t"))[0] ?? {}), false);
  });

  clause("K1 a reader never sees a part of a checkpoint while it is replaced", async ({ storage }) => {
    const state = (n: number): object => ({ n, filler: times(50, () => ({ n, text: "x".repeat(50) })) });
    await storage.storeCheckpoint("t", "c", state(0), { metadata: { n: 0 } });
    let writing = true;
    const write = async (): Promise<void> => {
      for (let n = 1; n <= 40; n++) await storage.storeCheckpoint("t", "c", state(n), { metadata: { n } });
      writing = false;
    };
    const read = async (): Promise<void> => {
      for (let reads = 0; writing || reads < 10; reads++) {
        const found = present(await storage.getCheckpoint("t"), "the checkpoint");
        equal(found.data, state(Number(found.metadata.n)));
        ok(reads < 100_000, "the writer ends");
      }
    };
    await Promise.all([write(), read()]);
  });

  clause("K1 a checkpoint that is refused leaves no thread behind", async ({ storage }) => {
    await unchanged(storage, async () => {
      await rejects(
        "SERIALIZATION",
        storage.storeCheckpoint("t", "c", () => 1),
      );
      await refused(storage.storeCheckpoint("t", "c", 1, { metadata: { a: Number.NaN } }));
      await rejects("CONFLICT", storage.storeCheckpoint("t", "c", 1, { expectedHead: "other" }));
      await rejects("SESSION_NOT_FOUND", storage.storeCheckpoint("t", "c", 1, { sessionId: "s" }));
    });
    equal((await storage.listThreads()).items, []);
  });

  clause("K2 the latest checkpoint is the one stored last, whatever its id", async ({ storage }) => {
    for (const id of ["z", "a", "m", "0"]) {
      await storage.storeCheckpoint("t", id, id);
      equal((await storage.getCheckpoint("t"))?.data, id);
    }
    const seqs = (await storage.listCheckpoints("t")).map((checkpoint) => checkpoint.seq);
    equal(
      seqs,
      [...seqs].sort((a, b) => b - a),
    );
    equal(new Set(seqs).size, 4);
  });

  clause(
    "K2 of concurrent checkpoints each gets a seq of its own, and the latest has the largest",
    async ({ storage, scale }) => {
      const stored = await Promise.all(times(scale.racers, (i) => storage.storeCheckpoint("t", `c${i}`, i)));
      equal(new Set(stored.map((info) => info.seq)).size, scale.racers);
      const newest = [...stored].sort((a, b) => b.seq - a.seq);
      equal((await storage.getCheckpoint("t"))?.checkpointId, newest[0]?.checkpointId);
      equal(
        await idsOf(storage, { limit: 1_000 }),
        newest.map((info) => info.checkpointId),
      );
      equal((await storage.listThreads()).items[0]?.checkpointCount, scale.racers);
    },
  );

  clause(
    "K2 each namespace has a latest checkpoint of its own, and the root is the empty string",
    async ({ storage }) => {
      await storage.storeCheckpoint("t", "root", "root");
      await storage.storeCheckpoint("t", "inner", "inner", { namespace: "a" });
      await storage.storeCheckpoint("t", "deeper", "deeper", { namespace: "a|b" });
      await storage.storeCheckpoint("t", "other", "other", { namespace: "a:b" });
      const latest = async (namespace?: string): Promise<unknown> =>
        (await storage.getCheckpoint("t", { namespace }))?.data;
      equal(
        [await latest(), await latest(""), await latest("a"), await latest("a|b"), await latest("a:b")],
        ["root", "root", "inner", "deeper", "other"],
      );
      equal(await latest("b"), undefined);
      equal(await storage.getCheckpoint("t", { checkpointId: "inner" }), undefined);
      equal(await storage.getCheckpoint("t", { checkpointId: "root", namespace: "a" }), undefined);
    },
  );

  clause("K2 one checkpoint id in two namespaces names two checkpoints", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", "root");
    await storage.storeCheckpoint("t", "c", "inner", { namespace: "n" });
    equal((await storage.getCheckpoint("t", { checkpointId: "c" }))?.data, "root");
    equal((await storage.getCheckpoint("t", { checkpointId: "c", namespace: "n" }))?.data, "inner");
    await storage.storeCheckpoint("t", "c", "changed", { namespace: "n" });
    equal((await storage.getCheckpoint("t", { checkpointId: "c" }))?.data, "root");
  });

  clause("K5 getCheckpoint with an id gives that one and no other", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c1", 1);
    await storage.storeCheckpoint("t", "c2", 2);
    await storage.storeCheckpoint("t2", "c3", 3);
    equal((await storage.getCheckpoint("t", { checkpointId: "c1" }))?.data, 1);
    equal(await storage.getCheckpoint("t", { checkpointId: "c3" }), undefined);
    equal(await storage.getCheckpoint("t", { checkpointId: "C1" }), undefined);
  });

  clause("K2 listCheckpoints gives the newest 10 of every namespace together, newest first", async ({ storage }) => {
    for (let i = 1; i <= 12; i++) await storage.storeCheckpoint("t", `c${i}`, i, { namespace: i % 3 === 0 ? "n" : "" });
    equal(
      await idsOf(storage),
      times(10, (i) => `c${12 - i}`),
    );
    equal(await idsOf(storage, { namespace: "n" }), ["c12", "c9", "c6", "c3"]);
    equal((await idsOf(storage, { namespace: "" })).length, 8);
    equal(await idsOf(storage, { namespace: "absent" }), []);
  });

  clause("K2 listCheckpoints takes limit and before, with any namespace and filter", async ({ storage, support }) => {
    const seqs: number[] = [];
    for (let i = 1; i <= 6; i++) {
      const info = await storage.storeCheckpoint("t", `c${i}`, i, {
        namespace: i % 2 === 0 ? "n" : "",
        metadata: { third: i % 3 === 0 },
      });
      seqs.push(info.seq);
    }
    const before = present(seqs[4], "the seq of c5");
    equal(await idsOf(storage, { limit: 0 }), []);
    equal(await idsOf(storage, { limit: 2 }), ["c6", "c5"]);
    equal(await idsOf(storage, { limit: 10_000 }), ["c6", "c5", "c4", "c3", "c2", "c1"]);
    equal(await idsOf(storage, { before }), ["c4", "c3", "c2", "c1"]);
    equal(await idsOf(storage, { before, limit: 1 }), ["c4"]);
    equal(await idsOf(storage, { before, namespace: "" }), ["c3", "c1"]);
    equal(await idsOf(storage, { before: present(seqs[0], "the first seq") }), []);
    if (support.metadataFilters === false) return;
    equal(await idsOf(storage, { before, metadata: { third: true } }), ["c3"]);
    equal(await idsOf(storage, { metadata: { third: false }, namespace: "n", limit: 1 }), ["c4"]);
  });

  clause("K2 pages by before go through a whole thread, each checkpoint once", async ({ storage }) => {
    for (let i = 0; i < 11; i++) await storage.storeCheckpoint("t", `c${i}`, i);
    for (const limit of [1, 3, 11]) {
      const seen: string[] = [];
      for (let before: number | undefined, page = 0; page < 20; page++) {
        const found = await storage.listCheckpoints("t", { limit, before });
        if (found.length === 0) break;
        seen.push(...found.map((checkpoint) => checkpoint.checkpointId));
        before = found.at(-1)?.seq;
      }
      equal(
        seen,
        times(11, (i) => `c${10 - i}`),
        `limit ${limit}`,
      );
    }
  });

  clause("K2 listCheckpoints gives states only when they are asked for", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", { a: 1 });
    equal("data" in ((await storage.listCheckpoints("t"))[0] ?? {}), false);
    equal("data" in ((await storage.listCheckpoints("t", { data: false }))[0] ?? {}), false);
    equal((await storage.listCheckpoints("t", { data: true }))[0]?.data, { a: 1 });
  });

  clause("K2 listCheckpoints refuses unknown fields and bad values", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c", 1);
    const options: object[] = [
      { limit: -1 },
      { limit: 10_001 },
      { limit: 1.5 },
      { limit: "5" },
      { before: -1 },
      { before: "c" },
      { before: Number.NaN },
      { data: 1 },
      { writes: "yes" },
      { metadata: null },
      { metadata: [] },
      { filter: {} },
      { after: 1 },
      { cursor: "a" },
    ];
    for (const each of options)
      await refused(storage.listCheckpoints("t", each as ListCheckpointsOptions), label(each));
  });

  clause("K2 listCheckpoints reaches its own thread alone", async ({ storage, support }) => {
    for (const thread of ["t", "t1", "T", "t:", "t%"])
      await storage.storeCheckpoint(thread, "c", thread, { metadata: { a: 1 } });
    const found = await storage.listCheckpoints("t", { data: true, ...metadataIn(support, { a: 1 }) });
    equal(
      found.map((checkpoint) => [checkpoint.threadId, checkpoint.data]),
      [["t", "t"]],
    );
  });

  clause("K1 storeCheckpoint refuses unknown fields and bad values, and changes nothing", async ({ storage }) => {
    const options: object[] = [
      { parent: "c" },
      { needsParent: 1 },
      { needsParent: "true" },
      { metadata: null },
      { parentId: null },
      { checkpointId: "x" },
      { lease: null },
      { lease: "a" },
      { lease: {} },
    ];
    await unchanged(storage, async () => {
      for (const each of options) {
        await refused(storage.storeCheckpoint("t", "c", 1, each as StoreCheckpointOptions), label(each));
      }
    });
  });

  clause("K8 expectedHead stores only on the latest checkpoint that it names", async ({ storage }) => {
    await storage.storeCheckpoint("t", "c1", 1, { expectedHead: null });
    await storage.storeCheckpoint("t", "c2", 2, { expectedHead: "c1", parentId: "c1" });
    await unchanged(storage, async () => {
      for (const expectedHead of [null, "c1", "c3", "C2"]) {
        const error = await rejects(
          "CONFLICT",
          storage.storeCheckpoint("t", "c3", 3, { expectedHead }),
          `expectedHead ${expectedHead}`,
        );
        equal(error.operation, "storeCheckpoint");
      }
    });
    await storage.storeCheckpoint("t", "c3", 3, { expectedHead: "c2" });
    equal((await storage.getCheckpoint("t"))?.data, 3);
  });

  clause("K8 expectedHead is about its own namespace and thread", async ({ storage }) => {
    await storage.storeCheckpoint("t", "root", 1);
    await storage.storeCheckpoint("other", "x", 1);
    await storage.storeCheckpoint("t", "inner", 2, { namespace: "n", expectedHead: null });
    await rejects("CONFLICT", storage.storeCheckpoint("t", "y", 3, { namespace: "n", expectedHead: "root" }));
    await storage.storeCheckpoint("t", "y", 3, { namespace: "n", expectedHead: "inner" });
    equal((await storage.getCheckpoint("t"))?.data, 1);
  });

  clause("K8 of many writers on one head exactly one succeeds", async ({ storage, scale }) => {
    await storage.storeCheckpoint("t", "c0", 0);
    for (const head of ["c0", "w0"]) {
      const current = present(await storage.getCheckpoint("t"), "the head").checkpointId;
      const expectedHead = head === "c0" ? head : current;
      const results = await settle(
        times(scale.racers, (i) =>
          storage.storeCheckpoint("t", `${head}-${i}`, i, { expectedHead, parentId: expectedHead }),
        ),
      );
      equal(results.values.length, 1);
      equal(
        results.codes,
        times(scale.racers - 1, () => "CONFLICT"),
      );
      equal((await storage.getCheckpoint("t"))?.checkpointId, results.values[0]?.checkpointId);
    }
    equal((await storage.listThreads()).items[0]?.checkpointCount, 3);
  });

  clause("K8 of many writers that expect no checkpoint exactly one starts the thread", async ({ storage, scale }) => {
    const results = await settle(
      times(scale.racers, (i) => storage.storeCheckpoint("t", `c${i}`, i, { expectedHead: null })),
    );
    equal([results.values.length, results.codes.length], [1, scale.racers - 1]);
    equal((await storage.listCheckpoints("t")).length, 1);
  });
});

async function idsOf(storage: StorageBackend, options?: ListCheckpointsOptions): Promise<string[]> {
  return (await storage.listCheckpoints("t", options)).map((checkpoint) => checkpoint.checkpointId);
}
