/** Changing a value without reading it first, counting, and passing over items (M1, M2, M6). */
import { isDeepStrictEqual } from "node:util";
import type { Item, ItemChange, ItemQuery, UpdateItemOptions } from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import { equal, filterIn, label, present, refused, rejects, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const N = ["n"];

export const itemChangeClauses: ClauseGroup = clauseGroup("changing items", (clause) => {
  clause(
    "M6 updateItem sets, removes and increments top-level keys and keeps the others",
    async ({ storage, pass }) => {
      const first = await storage.putItem(N, "k", { kept: [1], set: { a: 1, b: 2 }, gone: true, count: 1.5 });
      await pass(5);
      const change: ItemChange = {
        merge: { set: { c: 3 }, added: null },
        unset: ["gone", "never there"],
        increment: { count: 2, begun: -1 },
      };
      const item = await storage.updateItem(N, "k", change);
      equal(item.value, { kept: [1], set: { c: 3 }, count: 3.5, added: null, begun: -1 });
      equal([item.version, item.createdAt], [2, first.createdAt]);
      equal(item.updatedAt > first.updatedAt, true, "updatedAt moves");
      equal(await storage.getItem(N, "k"), item);
    },
  );

  clause(
    "M6 much is merged into an item as it is at the moment of the call, alone and in a batch",
    async ({ storage }) => {
      const list = () => times(12_000, (i) => ({ i, name: `name ${i}`, tags: [`${i}`] }));
      const much = { list: list(), text: "é".repeat(600_000) };
      const update = { namespace: N, key: "batch", merge: much, increment: { count: 1 } };
      const stored = [
        storage.updateItem(N, "k", { merge: much, increment: { count: 1 } }),
        storage.batchItems([{ put: { namespace: N, key: "batch", value: { kept: 1 } } }, { update }]),
      ];
      for (const each of much.list) each.i = -1;
      much.list.length = 3;
      const [item] = await Promise.all(stored);
      const merged = { list: list(), text: "é".repeat(600_000), count: 1 };
      equal(isDeepStrictEqual((item as Item).value, merged), true, "what the call returns has what was merged");
      const inBatch = present(await storage.getItem(N, "batch"), "the item");
      equal(isDeepStrictEqual(inBatch.value, { kept: 1, ...merged }), true, "the item has what was merged");
    },
  );

  clause(
    "M6 what is refused of much that is merged is told by its path, and nothing is changed",
    async ({ storage }) => {
      await storage.putItem(N, "k", { a: 1 });
      const long = "x".repeat(3_000_000);
      for (const [merge, told] of [
        [{ long, list: [1, () => 0] }, "merge.list[1]: a function"],
        [{ long, list: ["\0"] }, "merge.list[0]: a string with NUL"],
        [{ long, "\0": 1 }, "a string with NUL"],
        [{ long, list: new Array(6).fill(long) }, "16777216 bytes"],
        [{ long, a: 1 }, 'the key "a" twice'],
      ] as const) {
        const change = { merge: merge as unknown as JsonObject, unset: ["a"] };
        const error = await unchanged(storage, () => rejects("INVALID_ARGUMENT", storage.updateItem(N, "k", change)));
        equal(error.message.includes(told), true, `${error.message} tells ${told}`);
      }
    },
  );

  clause("M6 an item that is not there begins as {}, or is refused with ifPresent", async ({ storage }) => {
    await unchanged(storage, () =>
      rejects("CONFLICT", storage.updateItem(N, "k", { merge: { a: 1 } }, { ifPresent: true })),
    );
    const item = await storage.updateItem(N, "k", { merge: { a: 1 }, unset: ["b"], increment: { c: 2 } });
    equal([item.value, item.version], [{ a: 1, c: 2 }, 1]);
    equal((await storage.updateItem(N, "k", { increment: { c: 1 } }, { ifPresent: true })).value, { a: 1, c: 3 });
    equal((await storage.updateItem(N, "k", {})).version, 3);
  });

  clause("M6 updateItem with expectedVersion changes that version only", async ({ storage }) => {
    await rejects("CONFLICT", storage.updateItem(N, "k", { merge: { a: 1 } }, { expectedVersion: 1 }));
    equal((await storage.updateItem(N, "k", { merge: { a: 1 } }, { expectedVersion: 0 })).version, 1);
    await unchanged(storage, async () => {
      for (const expectedVersion of [0, 2]) {
        await rejects("CONFLICT", storage.updateItem(N, "k", { merge: { a: 2 } }, { expectedVersion }));
      }
    });
    equal((await storage.updateItem(N, "k", { merge: { a: 2 } }, { expectedVersion: 1 })).value, { a: 2 });
  });

  clause("M6 concurrent increments are all counted", async ({ storage, scale }) => {
    await Promise.all(times(scale.racers, () => storage.updateItem(N, "k", { increment: { count: 1 } })));
    const item = present(await storage.getItem(N, "k"), "the item");
    equal([item.value, item.version], [{ count: scale.racers }, scale.racers]);
  });

  clause("M6 what is no number is not incremented, and nothing is changed", async ({ storage }) => {
    await storage.putItem(N, "k", { text: "1", nothing: null, huge: Number.MAX_VALUE, fine: 1 });
    await unchanged(storage, async () => {
      for (const increment of [{ text: 1 }, { nothing: 1 }, { huge: Number.MAX_VALUE }]) {
        const change = { merge: { fine: 2 }, increment };
        await rejects("CONFLICT", storage.updateItem(N, "k", change), label(increment));
        await rejects(
          "CONFLICT",
          storage.batchItems([
            { put: { namespace: N, key: "new", value: {} } },
            { update: { namespace: N, key: "k", ...change } },
          ]),
          `${label(increment)} in a batch`,
        );
      }
    });
  });

  clause("M6 keys are literal, __proto__ too", async ({ storage }) => {
    const value = JSON.parse('{"__proto__": {"a": 1}, "a.b": 1, "$c": 2, "": 3}');
    await storage.updateItem(N, "k", { merge: value });
    equal((await storage.getItem(N, "k"))?.value, value);
    const change = { unset: ["__proto__", "a"], increment: { "a.b": 1, $c: 1, "": 1 } };
    equal((await storage.updateItem(N, "k", change)).value, { "a.b": 2, $c: 3, "": 4 });
  });

  clause(
    "M6 the time to live goes on as it is unless a new one is given",
    { needs: ["clock"] },
    async ({ storage, clock }) => {
      const item = await storage.putItem(N, "k", { a: 1 }, { ttlMs: 1_000 });
      clock.advance(400);
      equal((await storage.updateItem(N, "k", { merge: { a: 2 } })).expiresAt, item.expiresAt);
      const renewed = await storage.updateItem(N, "k", { merge: { a: 3 } }, { ttlMs: 2_000 });
      equal(renewed.expiresAt, new Date(clock.now() + 2_000));
      clock.advance(1_999);
      equal((await storage.getItem(N, "k"))?.value, { a: 3 });
      clock.advance(1);
      const anew = await storage.updateItem(N, "k", { merge: { b: 1 } });
      equal([anew.value, anew.version, "expiresAt" in anew], [{ b: 1 }, 1, false]);
    },
  );

  clause("M6 updates are steps of a batch and see the earlier ones", async ({ storage, support }) => {
    const place = { namespace: N, key: "k" };
    const [put, update, count, search] = await storage.batchItems([
      { put: { ...place, value: { a: 1, b: 1 } } },
      { update: { ...place, merge: { c: 1 }, unset: ["b"], increment: { a: 1 }, expectedVersion: 1, ifPresent: true } },
      { count: { prefix: N, ...filterIn(support, { a: 2 }) } },
      { search: { prefix: N, ...filterIn(support, { c: 1 }) } },
    ]);
    equal([(put as Item).version, (update as Item).version, count], [1, 2, 1]);
    equal((update as Item).value, { a: 2, c: 1 });
    equal((search as { items: Item[] }).items, [update]);
    equal(await storage.getItem(N, "k"), update);
  });

  clause("M6 malformed changes are refused", async ({ storage }) => {
    await storage.putItem(N, "k", { a: 1 });
    const changes: unknown[] = [
      undefined,
      null,
      [],
      { set: { a: 1 } },
      { merge: 1 },
      { merge: [1] },
      { merge: { a: new Date(0) } },
      { unset: "a" },
      { unset: [1] },
      { unset: ["a\0"] },
      { unset: ["a", "a"] },
      { increment: { a: "1" } },
      { increment: { a: Number.NaN } },
      { increment: [1] },
      { merge: { a: 1 }, unset: ["a"] },
      { merge: { a: 1 }, increment: { a: 1 } },
      { unset: ["a"], increment: { a: 1 } },
    ];
    const options: object[] = [
      { ttlMs: 0 },
      { expectedVersion: -1 },
      { ifPresent: 1 },
      { ifPresent: true, expectedVersion: 0 },
      { ifAbsent: true },
    ];
    await unchanged(storage, async () => {
      for (const each of changes) {
        await refused(storage.updateItem(N, "k", each as ItemChange), label(each));
        if (each === undefined || each === null) continue;
        const update = { namespace: N, key: "k", ...(each as ItemChange), ...(Array.isArray(each) ? { 0: 1 } : {}) };
        await refused(storage.batchItems([{ update }]), `${label(each)} in a batch`);
      }
      for (const each of options) {
        await refused(storage.updateItem(N, "k", { merge: { a: 2 } }, each as UpdateItemOptions), label(each));
      }
    });
  });

  clause("M2 countItems counts what searchItems finds", { needs: ["itemFilters"] }, async ({ storage }) => {
    for (let i = 0; i < 12; i++) await storage.putItem(["n", `${i % 3}`], `k${i}`, { i, even: i % 2 === 0 });
    await storage.putItem(["nn"], "k", { i: 1, even: true });
    equal(await storage.countItems([]), 13);
    equal(await storage.countItems(N), 12);
    equal(await storage.countItems(["n", "1"]), 4);
    equal(await storage.countItems(N, { filter: { even: true } }), 6);
    equal(await storage.countItems(["n", "1"], { filter: { i: { $gte: 7 } } }), 2);
    equal(await storage.countItems(["absent"]), 0);
    await refused(storage.countItems(N, { filter: { i: { $regex: "1" } } } as object), "an unknown operator");
    await refused(storage.countItems(N, { limit: 1 } as object), "an unknown option");
  });

  clause("M3 countItems does not count what has expired", { needs: ["clock"] }, async ({ storage, clock, support }) => {
    await storage.putItem(N, "k", { a: 1 }, { ttlMs: 1_000 });
    await storage.putItem(N, "stays", { a: 1 });
    equal(await storage.countItems(N), 2);
    clock.advance(1_000);
    equal([await storage.countItems(N), await storage.countItems(N, filterIn(support, { a: 1 }))], [1, 1]);
  });

  clause(
    "M1 offset passes over the first items of the order, and pages go on from there",
    async ({ storage, support }) => {
      for (const key of ["a", "b", "c", "d", "e"]) await storage.putItem(N, key, { vowel: key === "a" || key === "e" });
      const keys = async (query: ItemQuery): Promise<string[]> =>
        (await storage.searchItems(N, query)).items.map((item) => item.key);
      equal(await keys({ orderBy: "key", offset: 2, limit: 2 }), ["c", "d"]);
      equal(await keys({ orderBy: "key", direction: "desc", offset: 1, limit: 2 }), ["d", "c"]);
      equal(await keys({ orderBy: "createdAt", direction: "asc", offset: 3 }), ["d", "e"]);
      if (support.itemFilters !== false) {
        equal(await keys({ orderBy: "key", offset: 1, filter: { vowel: true } }), ["e"]);
      }
      equal(await keys({ offset: 5 }), []);
      equal(await keys({ offset: 100_000 }), []);
      const page = await storage.searchItems(N, { orderBy: "key", offset: 1, limit: 2 });
      equal(await keys({ orderBy: "key", limit: 2, cursor: page.nextCursor }), ["d", "e"]);
      equal((await storage.searchItems(N, { orderBy: "key", offset: 3, limit: 2 })).nextCursor, undefined);
      const refusals: object[] = [{ offset: -1 }, { offset: 0.5 }, { offset: "1" }, { offset: 100_001 }];
      for (const each of [...refusals, { orderBy: "key", offset: 1, cursor: page.nextCursor }]) {
        await refused(storage.searchItems(N, each), label(each));
      }
    },
  );
});
