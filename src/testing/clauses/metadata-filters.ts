/** Metadata filters: equality of top-level keys with scalars, the same for sessions and checkpoints on every backend (S7). */
import type { JsonObject, MetadataFilter } from "../../contract/json.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { equal, label, refused } from "../assertions.js";
import { type ClauseGroup, type ClauseOptions, clauseGroup } from "../clause.js";

/** Things with metadata that a listing finds. */
interface Listed {
  readonly name: string;
  readonly put: (storage: StorageBackend, id: string, metadata: JsonObject) => Promise<unknown>;
  readonly find: (storage: StorageBackend, metadata: MetadataFilter) => Promise<string[]>;
}

const LISTED: readonly Listed[] = [
  {
    name: "listSessions",
    put: (storage, id, metadata) => storage.createSession(id, "u", { metadata }),
    find: async (storage, metadata) =>
      (await storage.listSessions({ metadata })).items.map((session) => session.sessionId).sort(),
  },
  {
    name: "listCheckpoints",
    put: (storage, id, metadata) => storage.storeCheckpoint("t", id, 1, { metadata }),
    find: async (storage, metadata) =>
      (await storage.listCheckpoints("t", { metadata, limit: 100 }))
        .map((checkpoint) => checkpoint.checkpointId)
        .sort(),
  },
];

const FILTERS: ClauseOptions = { needs: ["metadataFilters"] };

export const metadataFilterClauses: ClauseGroup = clauseGroup("metadata filters", (clause) => {
  for (const { name, put, find } of LISTED) {
    clause(
      `S7 a metadata filter of ${name} tells 1, "1", true, null and an absent key apart`,
      FILTERS,
      async ({ storage }) => {
        const values = {
          number: 1,
          string: "1",
          boolean: true,
          word: "true",
          null: null,
          nullWord: "null",
          zero: 0,
          false: false,
          empty: "",
          list: [1],
          object: { a: 1 },
        };
        for (const [id, k] of Object.entries(values)) await put(storage, id, { k, other: 1 });
        await put(storage, "absent", { other: 1 });
        await put(storage, "none", {});
        for (const [id, k] of Object.entries(values)) {
          if (typeof k === "object" && k !== null) continue;
          equal(await find(storage, { k }), [id], `the filter ${label(k)}`);
        }
        equal(await find(storage, { k: "2" }), []);
        equal((await find(storage, { other: 1 })).length, 12);
        equal((await find(storage, {})).length, 13);
      },
    );

    clause(`S7 a metadata filter of ${name} asks for every key`, FILTERS, async ({ storage }) => {
      await put(storage, "both", { a: 1, b: "x" });
      await put(storage, "a", { a: 1 });
      await put(storage, "b", { b: "x" });
      await put(storage, "otherB", { a: 1, b: "y" });
      equal(await find(storage, { a: 1, b: "x" }), ["both"]);
      equal(await find(storage, { b: "x" }), ["b", "both"]);
      equal(await find(storage, { a: 1, b: "x", c: null }), []);
    });

    clause(`S7 a metadata filter of ${name} takes every key and every text literally`, FILTERS, async ({ storage }) => {
      const keys = [
        "a",
        "a.b",
        "a[0]",
        'quo"te',
        "it's",
        "",
        "%",
        "_",
        "$a",
        "$where",
        "$.a",
        "__proto__",
        "constructor",
        "toString",
        "\\",
        "\u{1f600}",
        "1",
        "a b",
        "--",
        "A",
      ];
      for (const key of keys) await put(storage, `key ${key}`, own(key, key));
      for (const key of keys) equal(await find(storage, own(key, key) as MetadataFilter), [`key ${key}`], key);
      equal(await find(storage, { "a.b": "a" }), []);
      await put(storage, "nested", { x: { y: 1 } });
      equal(await find(storage, { "x.y": 1 }), []);
      const values = [
        "%",
        "_",
        "%a%",
        "*",
        "'; DROP TABLE sessions; --",
        '"',
        "\u00e9",
        "e\u0301",
        "\u{1f600}",
        " a",
        "a ",
      ];
      for (const value of values) await put(storage, `value ${value}`, { v: value });
      for (const value of values) equal(await find(storage, { v: value }), [`value ${value}`]);
    });

    clause(
      `S7 a metadata filter of ${name} compares numbers by value to the last bit`,
      FILTERS,
      async ({ storage }) => {
        const numbers = [0, 1, -1, 0.1, 0.1 + 0.2, 0.3, 2 ** 53 - 1, 2 ** 53, 1e21, 1e308, 5e-324, -1.5];
        for (const [index, n] of numbers.entries()) await put(storage, `n${String(index).padStart(2, "0")}`, { n });
        for (const [index, n] of numbers.entries()) {
          equal(await find(storage, { n }), [`n${String(index).padStart(2, "0")}`], String(n));
        }
      },
    );

    clause(`S7 a metadata filter of ${name} refuses another kind of value`, FILTERS, async ({ storage }) => {
      await put(storage, "one", { a: 1 });
      const values = [
        [1],
        {},
        { $eq: 1 },
        undefined,
        new Date(0),
        1n,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        () => 1,
        Symbol("s"),
        "\0",
        "\ud800",
      ];
      for (const value of values) {
        await refused(find(storage, { a: value } as unknown as MetadataFilter), `the filter ${String(value)}`);
      }
    });

    clause(`S7 a metadata filter of ${name} sees the metadata that is stored now`, FILTERS, async ({ storage }) => {
      await storage.createSession("changing", "u", { metadata: { a: 1 } });
      await storage.storeCheckpoint("t", "changing", 1, { metadata: { a: 1 } });
      equal(await find(storage, { a: 1 }), ["changing"]);
      await storage.updateSession("changing", { metadata: { a: 2 } });
      await storage.storeCheckpoint("t", "changing", 1, { metadata: { a: 2 } });
      equal(await find(storage, { a: 1 }), []);
      equal(await find(storage, { a: 2 }), ["changing"]);
    });
  }
});

/** An object with one own key, also if it is `__proto__`. */
function own(key: string, value: string): JsonObject {
  return Object.fromEntries([[key, value]]);
}
