/** Finding items: prefixes, order, pages, namespaces, deletion below a prefix (M1). */
import type { ItemQuery, NamespaceQuery } from "../../contract/item-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import { equal, filterIn, itemsOf, label, present, refused, times, unchanged } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";
import { damagedCursors } from "../damaged-cursors.js";

export const itemListingClauses: ClauseGroup = clauseGroup("listing items", (clause) => {
  clause('M1 a prefix matches whole labels only: ["tenant", "a"] never finds ["tenant", "ab"]', async ({ storage }) => {
    const namespaces = [
      ["tenant"],
      ["tenant", "a"],
      ["tenant", "a", "x"],
      ["tenant", "ab"],
      ["tenant", "A"],
      ["tenants", "a"],
      ["a", "tenant"],
      ["tenant,a"],
      ["tenant", "a%"],
      ["tenant", "%"],
      ["tenant", "_"],
      ["*"],
    ];
    for (const namespace of namespaces) await storage.putItem(namespace, "k", {});
    const below = async (prefix: string[]): Promise<string[]> =>
      (await storage.searchItems(prefix, { limit: 100 })).items.map((item) => item.namespace.join("/")).sort();
    equal(await below(["tenant", "a"]), ["tenant/a", "tenant/a/x"]);
    equal(await below(["tenant", "a", "x"]), ["tenant/a/x"]);
    equal(await below(["tenant", "a", "x", "y"]), []);
    equal(await below(["tenant", "%"]), ["tenant/%"]);
    equal(await below(["tenant", "_"]), ["tenant/_"]);
    equal(await below(["*"]), ["*"]);
    equal(await below(["ten"]), []);
    equal((await below(["tenant"])).length, 8);
    equal((await below([])).length, namespaces.length);
  });

  clause(
    "M1 searchItems gives the newest changes first, 10 in a page unless limit says otherwise",
    async ({ storage, pass }) => {
      for (let i = 0; i < 12; i++) {
        await storage.putItem(["n"], `k${i}`, { i });
        await pass(2);
      }
      await storage.putItem(["n"], "k0", { i: 0 });
      const page = await storage.searchItems(["n"]);
      equal(
        page.items.map((item) => item.key),
        ["k0", ...times(9, (i) => `k${11 - i}`)],
      );
      equal(page.nextCursor !== undefined, true);
      equal((await storage.searchItems(["n"], { limit: 1_000 })).items.length, 12);
    },
  );

  clause(
    "M1 orderBy and direction order as they say, by key upwards unless told otherwise",
    async ({ storage, pass }) => {
      for (const key of ["b", "a", "c"]) {
        await storage.putItem(["n"], key, {});
        await pass(2);
      }
      await storage.putItem(["n"], "b", {});
      const keys = async (query: ItemQuery): Promise<string[]> =>
        (await storage.searchItems([], query)).items.map((item) => item.key);
      equal(await keys({ orderBy: "key" }), ["a", "b", "c"]);
      equal(await keys({ orderBy: "key", direction: "desc" }), ["c", "b", "a"]);
      equal(await keys({ orderBy: "createdAt" }), ["c", "a", "b"]);
      equal(await keys({ orderBy: "createdAt", direction: "asc" }), ["b", "a", "c"]);
      equal(await keys({ orderBy: "updatedAt", direction: "asc" }), ["a", "c", "b"]);
    },
  );

  clause("M1 the order by key is by namespace, label by label, then key, by code point", async ({ storage }) => {
    const places: [string[], string][] = [];
    for (const namespace of [
      ["a"],
      ["a", "a"],
      ["a", "b"],
      ["a\u0001"],
      ["a!"],
      ["aa"],
      ["b"],
      ["\u{1f600}"],
      ["\uffee"],
    ]) {
      for (const key of ["z", "\u{1f600}", "\uffee", "1"]) places.push([namespace, key]);
    }
    for (const [namespace, key] of [...places].reverse()) await storage.putItem(namespace, key, {});
    const sorted = [...places].sort(([a, x], [b, y]) => compareLabels(a, b) || compareCodePoints(x, y));
    for (const limit of [1, 5, 100]) {
      const found = await itemsOf((cursor) => storage.searchItems([], { orderBy: "key", limit, cursor }), limit);
      equal(
        found.map((item) => [item.namespace, item.key]),
        sorted,
      );
    }
  });

  clause(
    "M1 ties in time are ordered by namespace and key, in the same direction",
    { needs: ["clock"] },
    async ({ storage }) => {
      const keys = ["b", "a", "\u{1f600}", "\uffee", "aa"];
      for (const namespace of [
        ["n", "2"],
        ["n", "1"],
      ])
        for (const key of keys) await storage.putItem(namespace, key, {});
      const sorted = ["1", "2"].flatMap((label) => [...keys].sort(compareCodePoints).map((key) => `${label}${key}`));
      for (const limit of [1, 3, 10]) {
        for (const orderBy of ["createdAt", "updatedAt"] as const) {
          const names = async (query: ItemQuery): Promise<string[]> =>
            (await itemsOf((cursor) => storage.searchItems(["n"], { ...query, orderBy, limit, cursor }), limit)).map(
              (item) => `${item.namespace[1]}${item.key}`,
            );
          equal(await names({ direction: "asc" }), sorted);
          equal(await names({}), [...sorted].reverse());
        }
      }
    },
  );

  clause("M1 pages with any filter and prefix give every item exactly once", async ({ storage, pass, support }) => {
    for (let i = 0; i < 20; i++) {
      await storage.putItem(["n", i % 2 === 0 ? "even" : "odd"], `k${i}`, { third: i % 3 === 0 });
      if (i % 5 === 0) await pass(2);
    }
    const queries: [string[], ItemQuery][] = [
      [[], {}],
      [["n", "even"], {}],
      [["n"], filterIn(support, { third: true })],
      [["n", "odd"], { ...filterIn(support, { third: false }), orderBy: "key" }],
      [[], { orderBy: "createdAt", direction: "asc" }],
    ];
    for (const [prefix, query] of queries) {
      const whole = (await storage.searchItems(prefix, { ...query, limit: 1_000 })).items;
      for (const limit of [1, 3, whole.length, whole.length + 1]) {
        equal(
          await itemsOf((cursor) => storage.searchItems(prefix, { ...query, limit, cursor }), limit),
          whole,
          label([prefix, query, limit]),
        );
      }
    }
  });

  clause("M1 pages by key neither skip nor repeat while others put and delete", async ({ storage }) => {
    for (let i = 10; i < 30; i++) await storage.putItem(["n"], `k${i}`, {});
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < 50; page++) {
      const found = await storage.searchItems(["n"], { orderBy: "key", limit: 4, cursor });
      seen.push(...found.items.map((item) => item.key));
      cursor = found.nextCursor;
      if (cursor === undefined) break;
      await storage.putItem(["n"], `a${page}`, {});
      await storage.putItem(["n"], `k${10 + page}x`, {});
      await storage.deleteItem(["n"], seen.at(-1) ?? "");
    }
    equal(
      seen.filter((key) => /^k\d\d$/.test(key)),
      times(20, (i) => `k${i + 10}`),
    );
    equal(new Set(seen).size, seen.length);
  });

  clause(
    "M1 searchItems refuses bad limits, unknown fields and cursors of other queries",
    async ({ storage, support }) => {
      for (const key of ["a", "b", "c"]) await storage.putItem(["n"], key, { v: 1 });
      const queries: object[] = [
        { limit: 0 },
        { limit: 1_001 },
        { limit: 1.5 },
        { limit: "1" },
        { orderBy: "value" },
        { direction: "up" },
        { offset: -1 },
        { query: "text" },
        { filter: null },
      ];
      for (const query of queries) await refused(storage.searchItems(["n"], query as ItemQuery), label(query));
      const cursor = present((await storage.searchItems(["n"], { limit: 1 })).nextCursor, "the cursor");
      await refused(storage.searchItems([], { cursor }), "another prefix");
      for (const query of [{ orderBy: "key" }, { direction: "asc" }] as ItemQuery[]) {
        await refused(storage.searchItems(["n"], { ...query, cursor }), label(query));
      }
      await refused(storage.listNamespaces({ cursor }), "listNamespaces");
      for (const damaged of damagedCursors(cursor))
        await refused(storage.searchItems(["n"], { cursor: damaged as string }), String(damaged));
      if (support.itemFilters === false) return;
      await refused(storage.searchItems(["n"], { filter: { v: 1 }, cursor }), "a filter");
      const filtered = present(
        (await storage.searchItems(["n"], { limit: 1, filter: { v: 1 } })).nextCursor,
        "the cursor",
      );
      await refused(storage.searchItems(["n"], { filter: { v: 2 }, cursor: filtered }), "another filter");
    },
  );

  clause(
    "M1 listNamespaces gives the namespaces that hold items, each once, by label and code point",
    async ({ storage }) => {
      const namespaces = [
        ["b"],
        ["a"],
        ["a", "z"],
        ["a", "b", "c"],
        ["ab"],
        ["a\u0001"],
        ["\u{1f600}"],
        ["\uffee", "x"],
      ];
      for (const namespace of namespaces) for (const key of ["k1", "k2"]) await storage.putItem(namespace, key, {});
      const sorted = [...namespaces].sort(compareLabels);
      equal((await storage.listNamespaces()).items, sorted);
      for (const limit of [1, 2, 8])
        equal(await itemsOf((cursor) => storage.listNamespaces({ limit, cursor }), limit), sorted);
      await storage.deleteItem(["b"], "k1");
      equal((await storage.listNamespaces()).items.length, 8);
      await storage.deleteItem(["b"], "k2");
      equal(
        (await storage.listNamespaces()).items,
        sorted.filter((each) => each[0] !== "b"),
      );
    },
  );

  clause("M1 listNamespaces filters by whole labels at both ends", async ({ storage }) => {
    for (const namespace of [
      ["a", "x", "end"],
      ["a", "end"],
      ["ab", "end"],
      ["a", "x"],
      ["end"],
      ["a", "x", "y", "end"],
      ["a", "bend"],
    ]) {
      await storage.putItem(namespace, "k", {});
    }
    const found = async (query: NamespaceQuery): Promise<string[]> =>
      (await storage.listNamespaces(query)).items.map((each) => each.join("/"));
    equal(await found({ prefix: ["a"] }), ["a/bend", "a/end", "a/x", "a/x/end", "a/x/y/end"]);
    equal(await found({ suffix: ["end"] }), ["a/end", "a/x/end", "a/x/y/end", "ab/end", "end"]);
    equal(await found({ prefix: ["a", "x"], suffix: ["end"] }), ["a/x/end", "a/x/y/end"]);
    equal(await found({ suffix: ["x", "end"] }), ["a/x/end"]);
    equal(await found({ prefix: [], suffix: [] }), ["a/bend", "a/end", "a/x", "a/x/end", "a/x/y/end", "ab/end", "end"]);
    equal(await found({ prefix: ["absent"] }), []);
  });

  clause("M1 maxDepth cuts namespaces and gives each once, in pages too", async ({ storage }) => {
    for (const namespace of [["a", "x", "1"], ["a", "x", "2"], ["a", "y"], ["b"], ["a"], ["c", "z", "9", "9"]])
      await storage.putItem(namespace, "k", {});
    const found = async (query: NamespaceQuery, limit: number): Promise<string[]> =>
      (await itemsOf((cursor) => storage.listNamespaces({ ...query, limit, cursor }), limit)).map((each) =>
        each.join("/"),
      );
    for (const limit of [1, 2, 100]) {
      equal(await found({ maxDepth: 1 }, limit), ["a", "b", "c"]);
      equal(await found({ maxDepth: 2 }, limit), ["a", "a/x", "a/y", "b", "c/z"]);
      equal(await found({ maxDepth: 2, prefix: ["a"] }, limit), ["a", "a/x", "a/y"]);
      equal(await found({ maxDepth: 10 }, limit), ["a", "a/x/1", "a/x/2", "a/y", "b", "c/z/9/9"]);
    }
  });

  clause("M1 a page of namespaces has 100 unless limit says otherwise", async ({ storage }) => {
    for (let i = 0; i < 105; i++) await storage.putItem([`n${i}`], "k", {});
    const page = await storage.listNamespaces();
    equal([page.items.length, page.nextCursor !== undefined], [100, true]);
  });

  clause("M1 listNamespaces refuses bad values, unknown fields and foreign cursors", async ({ storage }) => {
    for (const label of ["a", "b", "c"]) await storage.putItem([label], "k", {});
    const queries: object[] = [
      { limit: 0 },
      { limit: 1_001 },
      { maxDepth: 0 },
      { maxDepth: -1 },
      { maxDepth: 1.5 },
      { maxDepth: "1" },
      { prefix: "a" },
      { suffix: null },
      { match: ["a"] },
    ];
    for (const query of queries) await refused(storage.listNamespaces(query as NamespaceQuery), label(query));
    const cursor = present((await storage.listNamespaces({ limit: 1 })).nextCursor, "the cursor");
    for (const query of [{ prefix: ["a"] }, { suffix: ["a"] }, { maxDepth: 1 }])
      await refused(storage.listNamespaces({ ...query, cursor }), label(query));
    for (const damaged of damagedCursors(cursor))
      await refused(storage.listNamespaces({ cursor: damaged as string }), String(damaged));
  });

  clause("M1 deleteItems deletes what is below a prefix of whole labels, and returns how many", async ({ storage }) => {
    for (const namespace of [["a"], ["a", "x"], ["a", "x", "y"], ["a", "xx"], ["ab"], ["b", "a"]])
      for (const key of ["k1", "k2"]) await storage.putItem(namespace, key, {});
    equal(await storage.deleteItems(["a", "x"]), 4);
    equal(await namespacesOf(storage), [["a"], ["a", "xx"], ["ab"], ["b", "a"]]);
    equal(await storage.deleteItems(["a"]), 4);
    equal(await namespacesOf(storage), [["ab"], ["b", "a"]]);
    equal(await storage.deleteItems(["a"]), 0);
    equal((await storage.searchItems([])).items.length, 4);
  });

  clause("M1 deleteItems refuses an empty prefix and what is no namespace", async ({ storage }) => {
    await storage.putItem(["a"], "k", {});
    await unchanged(storage, async () => {
      for (const prefix of [[], null, undefined, "a", {}])
        await refused(storage.deleteItems(prefix as string[]), String(prefix));
    });
  });
});

async function namespacesOf(storage: StorageBackend): Promise<string[][]> {
  return (await storage.listNamespaces()).items;
}

function compareLabels(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareCodePoints(a[i] ?? "", b[i] ?? "");
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
