/** Search of items by similarity (M5). */
import type { Page } from "../../contract/call.js";
import { isStorageError } from "../../contract/errors.js";
import type { Item, ItemQuery, Vector } from "../../contract/item-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, itemsOf, label, ok, present, refused, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const N = ["n"];
const NEEDS = { needs: ["vectors"] } as const;

const put = (storage: StorageBackend, key: string, ...vectors: readonly Vector[]): Promise<Item> =>
  storage.putItem(N, key, { of: key }, { vectors });

/** Keys and scores, which are exact for the small whole numbers of these vectors. */
const ranked = (page: Page<Item>): (readonly [string, number | undefined])[] =>
  page.items.map(({ key, score }) => [key, score]);

const keysOf = (page: Page<Item>): string[] => page.items.map(({ key }) => key);

export const nearestItemClauses: ClauseGroup = clauseGroup("search by similarity", (clause) => {
  clause("M5 similarTo finds the nearest by the cosine, the best first", NEEDS, async ({ storage }) => {
    await put(storage, "same", [3, 4]);
    await put(storage, "longer", [30, 40]);
    await put(storage, "across", [-4, 3]);
    await put(storage, "opposite", [-3, -4]);
    await put(storage, "near", [4, 3]);
    await put(storage, "nothing", [0, 0]);
    const page = await storage.searchItems(N, { similarTo: { vector: [3, 4] } });
    equal(
      page.items.map(({ key, score }) => [key, Number(present(score, "the score").toFixed(6))]),
      [
        ["longer", 1],
        ["same", 1],
        ["near", 0.96],
        ["across", 0],
        ["nothing", 0],
        ["opposite", -1],
      ],
    );
    equal(page.nextCursor, undefined);
    const nowhere = await storage.searchItems(N, { similarTo: { vector: [0, 0] }, limit: 2 });
    equal(ranked(nowhere), [
      ["across", 0],
      ["longer", 0],
    ]);
  });

  clause("M5 the dot product and the negated Euclidean distance rank as they say", NEEDS, async ({ storage }) => {
    await put(storage, "small", [1, 0]);
    await put(storage, "large", [10, 0]);
    await put(storage, "far", [4, 4]);
    await put(storage, "minus", [-2, 0]);
    const search = (distance: "cosine" | "dot" | "euclidean"): Promise<Page<Item>> =>
      storage.searchItems(N, { similarTo: { vector: [1, 0], distance } });
    equal(ranked(await search("dot")), [
      ["large", 10],
      ["far", 4],
      ["small", 1],
      ["minus", -2],
    ]);
    equal(ranked(await search("euclidean")), [
      ["small", 0],
      ["minus", -3],
      ["far", -5],
      ["large", -9],
    ]);
    equal(keysOf(await search("cosine")), ["large", "small", "far", "minus"]);
  });

  clause("M5 an item is found once, by the best of its vectors", NEEDS, async ({ storage }) => {
    await put(storage, "several", [0, 1], [1, 0], [-1, 0]);
    await put(storage, "one", [2, 0]);
    await put(storage, "other", [0, 1]);
    const similarTo = { vector: [1, 0], distance: "dot" } as const;
    equal(ranked(await storage.searchItems(N, { similarTo })), [
      ["one", 2],
      ["several", 1],
      ["other", 0],
    ]);
  });

  clause("M5 an item with several vectors stands on one page only", NEEDS, async ({ storage }) => {
    for (let i = 0; i < 12; i++) await put(storage, `k${i}`, ...times(6, (j) => [(7 * i + 5 * j) % 23, i]));
    const query = { similarTo: { vector: [1, 0], distance: "dot" } } as const;
    const all = (await storage.searchItems(N, { ...query, limit: 100 })).items;
    equal(all.length, 12);
    for (const limit of [1, 3, 5]) {
      equal(await itemsOf((cursor) => storage.searchItems(N, { ...query, limit, cursor }), limit), all, `by ${limit}`);
    }
    equal((await storage.searchItems(N, { ...query, offset: 4, limit: 3 })).items, all.slice(4, 7));
  });

  clause("M5 a result is the item as it is stored, with its score", NEEDS, async ({ storage }) => {
    const stored = await put(storage, "k", [1, 0]);
    equal("score" in stored, false, "a score without a search");
    equal("vectors" in stored, false, "an item shows no vectors");
    const page = await storage.searchItems(N, { similarTo: { vector: [1, 0] } });
    equal(page.items, [{ ...stored, score: 1 }]);
    equal((await storage.searchItems(N)).items, [stored]);
    equal(await storage.getItem(N, "k"), stored);
  });

  clause(
    "M5 prefix and filter choose before the limit counts",
    { needs: ["vectors", "itemFilters"] },
    async ({ storage }) => {
      const place = async (namespace: string[], key: string, x: number, kind: string): Promise<void> => {
        await storage.putItem(namespace, key, { kind }, { vectors: [[x, 0]] });
      };
      await place(["n", "a"], "1", 1, "wanted");
      await place(["n", "a"], "2", 2, "other");
      await place(["n", "a", "deep"], "3", 3, "wanted");
      await place(["n", "ab"], "4", 4, "wanted");
      await place(["m"], "5", 5, "wanted");
      for (let i = 0; i < 30; i++) await place(["n", "a"], `closer${i}`, 10 + i, "other");
      const similarTo = { vector: [1, 0], distance: "dot" } as const;
      const search = async (prefix: string[], query: ItemQuery = {}): Promise<string[]> =>
        keysOf(await storage.searchItems(prefix, { similarTo, filter: { kind: "wanted" }, limit: 2, ...query }));
      equal(await search(["n", "a"]), ["3", "1"]);
      equal(await search(["n"]), ["4", "3"]);
      equal(await search([]), ["5", "4"]);
      equal(await search(["n", "a", "deep"]), ["3"]);
      equal(await search(["n", "a"], { filter: { kind: { $ne: "other" } }, limit: 1 }), ["3"]);
      equal(await search(["n", "a"], { filter: undefined, limit: 1 }), ["closer29"]);
      equal(await search(["absent"]), []);
    },
  );

  clause("M5 minScore leaves out what is less near", NEEDS, async ({ storage }) => {
    for (let i = 0; i < 6; i++) await put(storage, `k${i}`, [i, 0]);
    await storage.putItem(N, "without", {});
    const search = async (minScore: number): Promise<string[]> =>
      keysOf(await storage.searchItems(N, { similarTo: { vector: [1, 0], distance: "dot", minScore } }));
    equal(await search(3), ["k5", "k4", "k3"]);
    equal(await search(5.5), []);
    equal((await search(-1)).length, 6);
  });

  clause(
    "M5 items without vectors are left out, or come last and without a score",
    NEEDS,
    async ({ storage, support }) => {
      await put(storage, "z", [1, 0]);
      await put(storage, "y", [-1, 0]);
      for (const key of ["b", "a", "c"]) await storage.putItem(N, key, { of: key });
      await storage.putItem(["n", "0"], "0", { of: "0" });
      equal(keysOf(await storage.searchItems(N, { similarTo: { vector: [1, 0] } })), ["z", "y"]);
      equal(keysOf(await storage.searchItems(N, { similarTo: { vector: [1, 0], withoutVectors: "omit" } })), [
        "z",
        "y",
      ]);
      const similarTo = { vector: [1, 0], withoutVectors: "last" } as const;
      const page = await storage.searchItems(N, { similarTo });
      equal(keysOf(page), ["z", "y", "a", "b", "c", "0"]);
      equal(
        page.items.map((item) => "score" in item),
        [true, true, false, false, false, false],
      );
      if (support.itemFilters !== false) {
        equal(keysOf(await storage.searchItems(N, { similarTo, filter: { of: { $in: ["y", "b"] } } })), ["y", "b"]);
      }
      const paged = await itemsOf((cursor) => storage.searchItems(N, { similarTo, limit: 1, cursor }), 1);
      equal(paged, page.items);
      equal(keysOf(await storage.searchItems(N, { similarTo, offset: 1, limit: 3 })), ["y", "a", "b"]);
    },
  );

  clause(
    "M5 equal scores are ordered by namespace and key, and pages go on between them",
    NEEDS,
    async ({ storage }) => {
      const keys = ["b", "a", "d", "c", "\u{1F600}", "\uFF5E", "aa"];
      for (const key of keys) await put(storage, key, [1, 1]);
      for (const key of keys) await storage.putItem(["n", "0"], key, {}, { vectors: [[1, 1]] });
      await put(storage, "best", [2, 2]);
      const query = { similarTo: { vector: [1, 1], distance: "dot" } } as const;
      const all = (await storage.searchItems(N, { ...query, limit: 100 })).items;
      const order = ["a", "aa", "b", "c", "d", "\uFF5E", "\u{1F600}"];
      equal(keysOf({ items: all }), ["best", ...order, ...order]);
      for (const limit of [1, 2, 5]) {
        const paged = await itemsOf((cursor) => storage.searchItems(N, { ...query, limit, cursor }), limit);
        equal(paged, all, `pages of ${limit}`);
      }
      equal((await storage.searchItems(N, { ...query, offset: 3, limit: 4 })).items, all.slice(3, 7));
      const offset = await storage.searchItems(N, { ...query, offset: 2, limit: 2 });
      equal((await storage.searchItems(N, { ...query, limit: 2, cursor: offset.nextCursor })).items, all.slice(4, 6));
    },
  );

  clause("M5 a page after a cursor is stable while others write", NEEDS, async ({ storage }) => {
    for (let i = 1; i <= 6; i++) await put(storage, `k${i}`, [i, 0]);
    const similarTo = { vector: [1, 0], distance: "dot" } as const;
    const first = await storage.searchItems(N, { similarTo, limit: 2 });
    equal(keysOf(first), ["k6", "k5"]);
    await put(storage, "better", [9, 0]);
    await storage.deleteItem(N, "k5");
    await put(storage, "between", [3.5, 0]);
    const second = await storage.searchItems(N, { similarTo, limit: 2, cursor: first.nextCursor });
    equal(keysOf(second), ["k4", "between"]);
    const others: ItemQuery[] = [
      {},
      { similarTo: { ...similarTo, vector: [1, 1] } },
      { similarTo: { vector: [1, 0] } },
      { similarTo: { ...similarTo, minScore: 0 } },
      { similarTo, filter: { a: 1 } },
    ];
    for (const each of others) {
      await refused(storage.searchItems(N, { ...each, cursor: first.nextCursor }), label(each));
    }
    await refused(storage.searchItems(N, { similarTo, offset: 1, cursor: first.nextCursor }), "offset and cursor");
  });

  clause("M5 a search in a batch sees the steps before it", NEEDS, async ({ storage }) => {
    await put(storage, "old", [1, 0]);
    await put(storage, "gone", [2, 0]);
    const search = { search: { prefix: N, similarTo: { vector: [1, 0], distance: "dot" } } } as const;
    const results = await storage.batchItems([
      search,
      { put: { namespace: N, key: "new", value: {}, vectors: [[3, 0]] } },
      { put: { namespace: N, key: "old", value: {}, vectors: [[4, 0]] } },
      { delete: { namespace: N, key: "gone" } },
      search,
      { update: { namespace: N, key: "new", vectors: [[5, 0]] } },
      search,
    ]);
    const pages = [0, 4, 6].map((i) => ranked(results[i] as Page<Item>));
    equal(pages, [
      [
        ["gone", 2],
        ["old", 1],
      ],
      [
        ["old", 4],
        ["new", 3],
      ],
      [
        ["new", 5],
        ["old", 4],
      ],
    ]);
    equal(ranked(await storage.searchItems(N, { similarTo: search.search.similarTo })), pages[2]);
  });

  clause(
    "M3 an expired item is not found by its vectors, and begins anew without them",
    { needs: ["vectors", "clock"] },
    async ({ storage, clock }) => {
      const similarTo = { vector: [1, 0], distance: "dot" } as const;
      await storage.putItem(N, "short", {}, { vectors: [[9, 0]], ttlMs: 1_000 });
      await storage.putItem(N, "refreshed", {}, { vectors: [[8, 0]], ttlMs: 1_000 });
      await put(storage, "k", [1, 0]);
      equal(keysOf(await storage.searchItems(N, { similarTo })), ["short", "refreshed", "k"]);
      clock.advance(999);
      await storage.getItem(N, "refreshed", { refreshTtl: true });
      clock.advance(1);
      equal(keysOf(await storage.searchItems(N, { similarTo })), ["refreshed", "k"]);
      await storage.updateItem(N, "short", { merge: { a: 1 } });
      equal(keysOf(await storage.searchItems(N, { similarTo })), ["refreshed", "k"]);
      equal(keysOf(await storage.searchItems(N, { similarTo: { ...similarTo, withoutVectors: "last" } })), [
        "refreshed",
        "k",
        "short",
      ]);
    },
  );

  clause(
    "M4 who searches while updateItem changes value and vectors finds both of one step",
    NEEDS,
    async ({ storage, scale }) => {
      const similarTo = { vector: [1, 0], distance: "dot" } as const;
      await storage.putItem(N, "k", { at: 0 }, { vectors: [[0, 1]] });
      const found: (readonly [unknown, number | undefined])[] = [];
      let done = false;
      const reader = (async () => {
        while (!done) {
          const { items } = await storage.searchItems(N, { similarTo });
          found.push(...items.map(({ value, score }) => [value.at, score] as const));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      let changed = 0;
      await Promise.all(
        times(Math.min(8, scale.racers), async () => {
          for (let i = 0; i < 6; i++) {
            const { version } = present(await storage.getItem(N, "k"), "the item");
            const change = { increment: { at: 1 } };
            const options = { expectedVersion: version, vectors: [[version, 1]] };
            const item = await storage.updateItem(N, "k", change, options).catch(conflictOnly);
            if (item !== undefined) changed += 1;
          }
        }),
      );
      done = true;
      await reader;
      ok(changed > 0, "somebody has changed it");
      for (const [at, score] of found) equal(score, at, "the score of a value");
      const { items } = await storage.searchItems(N, { similarTo });
      equal(ranked({ items }), [["k", changed]]);
      equal(items[0]?.value, { at: changed });
    },
  );

  clause("M5 a malformed similarTo is refused", NEEDS, async ({ storage }) => {
    await put(storage, "k", [1, 0]);
    await unchanged(storage, async () => {
      const similar: unknown[] = [
        null,
        [1, 0],
        {},
        { vector: [] },
        { vector: [1, Number.NaN] },
        { vector: [1, 0], distance: "manhattan" },
        { vector: [1, 0], minScore: Number.NaN },
        { vector: [1, 0], minScore: "1" },
        { vector: [1, 0], withoutVectors: true },
        { vector: [1, 0], withoutVectors: "last", minScore: 0 },
        { vector: [1, 0], top: 3 },
      ];
      for (const each of similar) {
        await refused(storage.searchItems(N, { similarTo: each } as ItemQuery), label(each));
      }
      const similarTo = { vector: [1, 0] };
      await refused(storage.searchItems(N, { similarTo, orderBy: "key" }), "orderBy");
      await refused(storage.searchItems(N, { similarTo, direction: "asc" }), "direction");
    });
  });

  clause(
    "M5 a search finds what many writers put, replaced and deleted meanwhile",
    NEEDS,
    async ({ storage, scale }) => {
      const vectorOf = (i: number): number[] => [Math.cos(i), Math.sin(i), i % 7];
      const similarTo = { vector: [1, 0, 0.5], distance: "euclidean" } as const;
      const searches: Promise<unknown>[] = [];
      await Promise.all(
        times(scale.racers, async (racer) => {
          for (let i = 0; i < 4; i++) {
            await put(storage, `k${racer}`, vectorOf(racer + i));
            searches.push(storage.searchItems(N, { similarTo, limit: 3 }));
          }
          if (racer % 4 === 0) await storage.deleteItem(N, `k${racer}`);
          if (racer % 4 === 1) await storage.putItem(N, `k${racer}`, {});
        }),
      );
      await Promise.all(searches);
      const distance = (vector: number[]): number =>
        Math.hypot(...vector.map((each, i) => Math.fround(each) - (similarTo.vector[i] as number)));
      const expected = times(scale.racers, (racer) => ({ key: `k${racer}`, at: distance(vectorOf(racer + 3)) }))
        .filter((_, racer) => racer % 4 > 1)
        .sort((a, b) => a.at - b.at);
      const { items } = await storage.searchItems(N, { similarTo, limit: 1_000 });
      equal(
        items.map(({ key }) => key),
        expected.map(({ key }) => key),
      );
      for (const [i, { score }] of items.entries()) {
        ok(Math.abs((score ?? 0) + (expected[i]?.at ?? 0)) < 1e-5, `the score of ${items[i]?.key}`);
      }
    },
  );
});

/** Somebody else was faster. */
function conflictOnly(error: unknown): undefined {
  if (isStorageError(error) && error.code === "CONFLICT") return undefined;
  throw error;
}
