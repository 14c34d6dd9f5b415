/** Items: putting, versions, deletion, expiry, batches (M1, M3). */
import type { Item, ItemOperation, PutItemOptions } from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import { seenBeforeItExpires } from "../as-time-passes.js";
import { equal, filterIn, label, ok, present, refused, rejects, settle, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const N = ["n"];

export const itemClauses: ClauseGroup = clauseGroup("items", (clause) => {
  clause("M1 putItem returns the item, and getItem the same", async ({ storage }) => {
    const item = await storage.putItem(["a", "b"], "k", { v: [1, { w: null }] });
    equal(item, {
      namespace: ["a", "b"],
      key: "k",
      value: { v: [1, { w: null }] },
      version: 1,
      createdAt: item.createdAt,
      updatedAt: item.createdAt,
    });
    ok(item.createdAt instanceof Date, "createdAt is a Date");
    equal(await storage.getItem(["a", "b"], "k"), item);
  });

  clause(
    "M1 putting again replaces the value whole, raises the version and keeps createdAt",
    async ({ storage, pass }) => {
      const first = await storage.putItem(N, "k", { a: 1, b: 2 });
      await pass(5);
      const second = await storage.putItem(N, "k", { c: 3 });
      equal([second.value, second.version, second.createdAt], [{ c: 3 }, 2, first.createdAt]);
      ok(second.updatedAt > first.updatedAt, "updatedAt moves");
      equal(await storage.getItem(N, "k"), second);
    },
  );

  clause("M1 items of different namespaces and keys never meet", async ({ storage }) => {
    const places: [string[], string][] = [
      [["a"], "k"],
      [["a", "b"], "k"],
      [["b", "a"], "k"],
      [["a"], "b"],
      [["a", "a"], "k"],
      [["A"], "k"],
      [["a"], "K"],
    ];
    for (const [namespace, key] of places) await storage.putItem(namespace, key, { at: [namespace, key] });
    for (const [namespace, key] of places)
      equal((await storage.getItem(namespace, key))?.value, { at: [namespace, key] });
  });

  clause("M1 deleteItem removes the item and says whether it was there", async ({ storage }) => {
    await storage.putItem(N, "k", { a: 1 });
    await storage.putItem(N, "other", { a: 1 });
    equal(await storage.deleteItem(N, "k"), true);
    equal(await storage.deleteItem(N, "k"), false);
    equal(await storage.getItem(N, "k"), undefined);
    ok((await storage.getItem(N, "other")) !== undefined, "the other item is there");
    equal((await storage.putItem(N, "k", { b: 1 })).version, 1);
  });

  clause("M1 expectedVersion puts only on that version, 0 means absent", async ({ storage }) => {
    await rejects("CONFLICT", storage.putItem(N, "k", { a: 1 }, { expectedVersion: 1 }));
    equal((await storage.putItem(N, "k", { a: 1 }, { expectedVersion: 0 })).version, 1);
    equal((await storage.putItem(N, "k", { a: 2 }, { expectedVersion: 1 })).version, 2);
    await unchanged(storage, async () => {
      for (const expectedVersion of [0, 1, 3])
        await rejects("CONFLICT", storage.putItem(N, "k", { a: 3 }, { expectedVersion }));
    });
  });

  clause("M1 ifAbsent puts only what is not there", async ({ storage }) => {
    equal((await storage.putItem(N, "k", { a: 1 }, { ifAbsent: true })).version, 1);
    await unchanged(storage, () => rejects("CONFLICT", storage.putItem(N, "k", { a: 2 }, { ifAbsent: true })));
    equal((await storage.putItem(N, "k", { a: 3 }, { ifAbsent: false })).version, 2);
    await storage.deleteItem(N, "k");
    equal((await storage.putItem(N, "k", { a: 4 }, { ifAbsent: true })).version, 1);
  });

  clause("M1 deleteItem with expectedVersion deletes only that version", async ({ storage }) => {
    await storage.putItem(N, "k", { a: 1 });
    await storage.putItem(N, "k", { a: 2 });
    await unchanged(storage, () => rejects("CONFLICT", storage.deleteItem(N, "k", { expectedVersion: 1 })));
    await unchanged(storage, () => rejects("CONFLICT", storage.deleteItem(N, "k", { expectedVersion: 0 })));
    equal(await storage.deleteItem(N, "k", { expectedVersion: 2 }), true);
  });

  clause("M1 deleteItem of what is absent conflicts with every expectedVersion but 0", async ({ storage, pass }) => {
    await storage.putItem(N, "expired", { a: 1 }, { ttlMs: 1 });
    await storage.putItem(N, "other", { a: 1 });
    await pass(1);
    for (const key of ["absent", "expired"]) {
      await rejects("CONFLICT", storage.deleteItem(N, key, { expectedVersion: 1 }), key);
      equal(await storage.deleteItem(N, key, { expectedVersion: 0 }), false, key);
      equal(await storage.deleteItem(N, key), false, key);
    }
    const steps = [
      { put: { namespace: N, key: "other", value: { a: 2 } } },
      { delete: { namespace: N, key: "absent", expectedVersion: 1 } },
    ];
    await unchanged(storage, () => rejects("CONFLICT", storage.batchItems(steps)));
  });

  clause("M1 of many racing deletions of one version exactly one succeeds", async ({ storage, scale }) => {
    await storage.putItem(N, "k", { a: 1 });
    const results = await settle(times(scale.racers, () => storage.deleteItem(N, "k", { expectedVersion: 1 })));
    equal(results.values, [true]);
    equal(
      results.codes,
      times(scale.racers - 1, () => "CONFLICT"),
    );
  });

  clause("M1 of many racing puts with ifAbsent exactly one succeeds", async ({ storage, scale }) => {
    const results = await settle(times(scale.racers, (i) => storage.putItem(N, "k", { i }, { ifAbsent: true })));
    equal([results.values.length, results.codes.length], [1, scale.racers - 1]);
    for (const code of results.codes) equal(code, "CONFLICT");
    equal(await storage.getItem(N, "k"), results.values[0]);
  });

  clause("M1 concurrent puts each make a version of their own", async ({ storage, scale }) => {
    const items = await Promise.all(times(scale.racers, (i) => storage.putItem(N, "k", { i })));
    equal(
      items.map((item) => item.version).sort((a, b) => a - b),
      times(scale.racers, (i) => i + 1),
    );
    equal(
      await storage.getItem(N, "k"),
      items.find((item) => item.version === scale.racers),
    );
  });

  clause("M1 many read-and-put loops on one version lose no increment", async ({ storage }) => {
    await storage.putItem(N, "k", { count: 0 });
    const increment = async (): Promise<void> => {
      for (let attempt = 0; attempt < 1_000; attempt++) {
        const item = present(await storage.getItem(N, "k"), "the item");
        const put = storage.putItem(N, "k", { count: Number(item.value.count) + 1 }, { expectedVersion: item.version });
        if ((await settle([put])).values.length === 1) return;
      }
      throw new Error("no put succeeded in a thousand attempts");
    };
    await Promise.all(times(8, increment));
    equal((await storage.getItem(N, "k"))?.value, { count: 8 });
  });

  clause("M1 a namespace is one to 32 labels, and an item needs one", async ({ storage }) => {
    const deepest = times(32, (i) => `label${i}`);
    await storage.putItem(deepest, "k", { deep: true });
    equal((await storage.getItem(deepest, "k"))?.namespace, deepest);
    await unchanged(storage, async () => {
      for (const namespace of [[], [...deepest, "one more"], "n", null, undefined, {}, [["n"]], new Set(["n"])]) {
        await refused(storage.putItem(namespace as string[], "k", {}), `put ${String(namespace)}`);
        await refused(storage.getItem(namespace as string[], "k"), `get ${String(namespace)}`);
        await refused(storage.deleteItem(namespace as string[], "k"), `delete ${String(namespace)}`);
      }
    });
  });

  clause("M1 putItem refuses unknown options, bad numbers and contradictions", async ({ storage }) => {
    const options: object[] = [
      { ttlMs: 0 },
      { ttlMs: -1 },
      { ttlMs: 1.5 },
      { ttlMs: "1" },
      { ttlMs: Number.POSITIVE_INFINITY },
      { expectedVersion: -1 },
      { expectedVersion: 0.5 },
      { expectedVersion: "0" },
      { ifAbsent: 1 },
      { ifAbsent: true, expectedVersion: 1 },
      { ttl: 5 },
      { refreshTtl: true },
    ];
    await unchanged(storage, async () => {
      for (const each of options) await refused(storage.putItem(N, "k", {}, each as PutItemOptions), label(each));
      await refused(storage.getItem(N, "k", { refreshTtl: 1 } as object), "refreshTtl 1");
      await refused(storage.getItem(N, "k", { ttlMs: 1 } as object), "an unknown option of getItem");
      await refused(storage.deleteItem(N, "k", { expectedVersion: -1 }), "expectedVersion -1");
    });
  });

  clause("M1 a value of many kilobytes comes back whole", async ({ storage }) => {
    const value: JsonObject = { text: "\u20ac".repeat(50_000), list: times(2_000, (i) => ({ i })) };
    await storage.putItem(N, "k", value);
    equal((await storage.getItem(N, "k"))?.value, value);
  });

  clause(
    "M3 an item with ttlMs is gone for every reader from its expiry",
    { needs: ["clock"] },
    async ({ storage, clock, support }) => {
      const item = await storage.putItem(N, "k", { a: 1 }, { ttlMs: 1_000 });
      equal(item.expiresAt, new Date(clock.now() + 1_000));
      clock.advance(999);
      equal((await storage.getItem(N, "k"))?.value, { a: 1 });
      equal((await storage.searchItems(N)).items.length, 1);
      equal((await storage.listNamespaces()).items, [N]);
      clock.advance(1);
      equal(await storage.getItem(N, "k"), undefined);
      equal(await storage.searchItems([]), { items: [] });
      equal(await storage.searchItems(N, filterIn(support, { a: 1 })), { items: [] });
      equal(await storage.listNamespaces(), { items: [] });
      equal(await storage.batchItems([{ get: { namespace: N, key: "k" } }]), [undefined]);
      equal(await storage.deleteItem(N, "k"), false);
      equal(await storage.deleteItems(N), 0);
    },
  );

  clause("M3 an item expires as time passes", async ({ storage, pass }) => {
    const { id, ttlMs } = await seenBeforeItExpires(async (key, ttl) => {
      await storage.putItem(N, key, { a: 1 }, { ttlMs: ttl });
      return (await storage.getItem(N, key)) !== undefined;
    });
    await pass(ttlMs + 50);
    equal(await storage.getItem(N, id), undefined);
  });

  clause(
    "M3 a read refreshes the time to live only if it is told to",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.putItem(N, "plain", { a: 1 }, { ttlMs: 1_000 });
      await storage.putItem(N, "refreshed", { a: 1 }, { ttlMs: 1_000 });
      await storage.putItem(N, "batch", { a: 1 }, { ttlMs: 1_000 });
      clock.advance(900);
      await storage.getItem(N, "plain");
      await storage.getItem(N, "plain", { refreshTtl: false });
      await storage.searchItems(N);
      const read = present(await storage.getItem(N, "refreshed", { refreshTtl: true }), "the item");
      equal([read.expiresAt, read.version], [new Date(clock.now() + 1_000), 1]);
      equal(read.updatedAt, read.createdAt);
      await storage.batchItems([{ get: { namespace: N, key: "batch", refreshTtl: true } }]);
      clock.advance(900);
      equal(await storage.getItem(N, "plain"), undefined);
      ok((await storage.getItem(N, "refreshed")) !== undefined, "the refreshed item is there");
      ok((await storage.getItem(N, "batch")) !== undefined, "the item that a batch refreshed is there");
      clock.advance(100);
      equal(await storage.getItem(N, "refreshed"), undefined);
    },
  );

  clause("M3 refreshing an item without ttlMs, or one that is not there, does nothing", async ({ storage }) => {
    await storage.putItem(N, "k", { a: 1 });
    equal("expiresAt" in present(await storage.getItem(N, "k", { refreshTtl: true }), "the item"), false);
    equal(await storage.getItem(N, "absent", { refreshTtl: true }), undefined);
  });

  clause(
    "M3 a put sets the time to live anew, and without ttlMs ends it",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.putItem(N, "k", { a: 1 }, { ttlMs: 1_000 });
      clock.advance(900);
      equal((await storage.putItem(N, "k", { a: 2 }, { ttlMs: 1_000 })).expiresAt, new Date(clock.now() + 1_000));
      clock.advance(900);
      equal("expiresAt" in (await storage.putItem(N, "k", { a: 3 })), false);
      clock.advance(1_000_000);
      equal((await storage.getItem(N, "k"))?.value, { a: 3 });
    },
  );

  clause(
    "M3 an expired item counts as absent for puts, and begins anew",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      await storage.putItem(N, "k", { a: 1 }, { ttlMs: 1_000 });
      await storage.putItem(N, "k", { a: 2 }, { ttlMs: 1_000 });
      clock.advance(1_000);
      await rejects("CONFLICT", storage.putItem(N, "k", { a: 3 }, { expectedVersion: 2 }));
      const item = await storage.putItem(N, "k", { a: 3 }, { ifAbsent: true });
      equal([item.version, item.createdAt], [1, new Date(clock.now())]);
    },
  );

  clause("M3 batchItems carries out its steps in order, each sees the earlier ones", async ({ storage, support }) => {
    const results = await storage.batchItems([
      { get: { namespace: N, key: "k" } },
      { put: { namespace: N, key: "k", value: { a: 1 } } },
      { get: { namespace: N, key: "k" } },
      { put: { namespace: N, key: "k", value: { a: 2 }, expectedVersion: 1 } },
      { search: { prefix: N, ...filterIn(support, { a: 2 }) } },
      { listNamespaces: { prefix: N } },
      { delete: { namespace: N, key: "k" } },
      { get: { namespace: N, key: "k" } },
      { delete: { namespace: N, key: "k" } },
      { search: { prefix: support.batchesAcrossLabels === false ? N : [] } },
      { put: { namespace: N, key: "k", value: { a: 3 }, ifAbsent: true } },
    ]);
    const versionsOf = results.map((result) => (isItem(result) ? [result.version, result.value] : result));
    equal(
      [versionsOf[0], versionsOf[1], versionsOf[2], versionsOf[3]],
      [undefined, [1, { a: 1 }], [1, { a: 1 }], [2, { a: 2 }]],
    );
    equal(
      (results[4] as { items: Item[] }).items.map((item) => item.version),
      [2],
    );
    equal(results[5], { items: [N] });
    equal(results.slice(6, 10), [true, undefined, false, { items: [] }]);
    equal(versionsOf[10], [1, { a: 3 }]);
    equal((await storage.getItem(N, "k"))?.value, { a: 3 });
  });

  clause(
    "F6 a batch that writes below several first labels, or searches above them, is carried out or refused with UnsupportedError",
    async ({ storage, support }) => {
      const put = (i: number): ItemOperation => ({ put: { namespace: [`n${i}`], key: "k", value: { i } } });
      const batches: ItemOperation[][] = [times(12, put), [put(0), { search: { prefix: [] } }]];
      for (const batch of batches) {
        if (support.batchesAcrossLabels === false) {
          await unchanged(storage, () => rejects("UNSUPPORTED", storage.batchItems(batch)));
        } else {
          equal((await storage.batchItems(batch)).length, batch.length);
        }
      }
      await storage.putItem(["n0"], "k", { i: 0 });
      const results = await storage.batchItems([put(1), { get: { namespace: ["n0"], key: "k" } }]);
      equal(
        results.map((result) => isItem(result) && result.value),
        [{ i: 1 }, { i: 0 }],
      );
    },
  );

  clause("M3 batchItems does all or nothing, wherever the refusal stands", async ({ storage }) => {
    await storage.putItem(N, "there", { a: 1 });
    const fine: ItemOperation[] = [
      { put: { namespace: N, key: "new", value: {} } },
      { delete: { namespace: N, key: "there" } },
      { put: { namespace: N, key: "there", value: { a: 2 } } },
    ];
    const faults: ItemOperation[] = [
      { put: { namespace: N, key: "x", value: {}, expectedVersion: 5 } },
      { delete: { namespace: N, key: "there", expectedVersion: 9 } },
      { put: { namespace: N, key: "there", value: {}, ifAbsent: true } },
    ];
    await unchanged(storage, async () => {
      for (const fault of faults) {
        await rejects("CONFLICT", storage.batchItems([...fine, fault]), label(fault));
        await rejects("CONFLICT", storage.batchItems([fault, ...fine]), label(fault));
      }
    });
  });

  clause("M3 batchItems refuses a bad operation before it does anything", async ({ storage }) => {
    const fine: ItemOperation = { put: { namespace: N, key: "k", value: {} } };
    const faults: unknown[] = [
      {},
      null,
      "put",
      { put: null },
      { set: {} },
      { put: { namespace: N, key: "k", value: {} }, get: { namespace: N, key: "k" } },
      { put: { namespace: N, key: "k" } },
      { put: { namespace: N, key: "k", value: 1 } },
      { put: { namespace: N, key: "k", value: { f: () => 1 } } },
      { put: { namespace: N, key: "k", value: {}, ttl: 1 } },
      { get: { namespace: N } },
      { search: { prefix: N, filter: { a: { $like: "x" } } } },
      { search: { namespacePrefix: N } },
      { search: { prefix: N, limit: 0 } },
      { listNamespaces: { maxDepth: 0 } },
    ];
    await unchanged(storage, async () => {
      for (const fault of faults) await refused(storage.batchItems([fine, fault as ItemOperation]), label(fault));
      await refused(storage.batchItems(fine as unknown as ItemOperation[]), "no list");
    });
  });

  clause("M3 an empty batch gives an empty list", async ({ storage }) => {
    equal(await storage.batchItems([]), []);
  });

  clause(
    "M3 concurrent batches are whole: of two that put the same two items one wins both",
    async ({ storage, scale, support }) => {
      const other = support.batchesAcrossLabels === false ? [...N, "m"] : ["m"];
      await Promise.all(
        times(scale.racers, (i) =>
          storage.batchItems([
            { put: { namespace: N, key: "left", value: { i } } },
            { put: { namespace: other, key: "right", value: { i } } },
          ]),
        ),
      );
      const [left, right] = await storage.batchItems([
        { get: { namespace: N, key: "left" } },
        { get: { namespace: other, key: "right" } },
      ]);
      ok(isItem(left) && isItem(right), "both items are there");
      equal(left.value, right.value);
      equal([left.version, right.version], [scale.racers, scale.racers]);
    },
  );
});

function isItem(value: unknown): value is Item {
  return typeof value === "object" && value !== null && "key" in value;
}
