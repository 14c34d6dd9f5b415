// Vectors in a SQLite file: the cache never shows what is not stored, whoever has written; the file is the truth.
import { afterEach, describe, expect, it } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { manualClock } from "../../../src/testing/manual-clock.js";
import { newPath, outside } from "./folder.js";

const opened: StorageBackend[] = [];

afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close();
});

function open(path: string, options: { vectorCacheBytes?: number; journal?: "rollback" } = {}): StorageBackend {
  const storage = sqliteStorage({ path, durability: "process", ...options });
  opened.push(storage);
  return storage;
}

const DIMENSIONS = 8;

/** Small whole numbers: their dot products are exact. */
function vectorOf(seed: number): number[] {
  return Array.from({ length: DIMENSIONS }, (_, i) => ((seed * 31 + i * 17 + ((seed >> 3) ^ i)) % 19) - 9);
}

/** What is stored, beside the store. */
type Expected = Map<string, readonly number[]>;

async function fill(storage: StorageBackend, count: number, namespaceOf: (i: number) => string[]): Promise<Expected> {
  const expected: Expected = new Map();
  for (let from = 0; from < count; from += 200) {
    await storage.batchItems(
      Array.from({ length: Math.min(200, count - from) }, (_, i) => {
        const key = `k${from + i}`;
        expected.set(key, vectorOf(from + i));
        return {
          put: { namespace: namespaceOf(from + i), key, value: { n: from + i }, vectors: [vectorOf(from + i)] },
        };
      }),
    );
  }
  return expected;
}

async function expectExact(storage: StorageBackend, expected: Expected, seed: number): Promise<void> {
  const vector = vectorOf(seed);
  const dot = (other: readonly number[]): number =>
    other.reduce((sum, each, i) => sum + each * (vector[i] as number), 0);
  const ranked = [...expected].map(([key, each]) => ({ key, score: dot(each) }));
  ranked.sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1));
  const { items } = await storage.searchItems(["n"], { similarTo: { vector, distance: "dot" }, limit: 50 });
  expect(items.map(({ key, score }) => ({ key, score }))).toEqual(ranked.slice(0, 50));
}

describe.each([
  ["with the cache", {}],
  ["with a cache that is too small", { vectorCacheBytes: 10_000 }],
  ["with a rollback journal", { journal: "rollback" as const }],
])("searches of more items than are read one by one, %s", (_name, options) => {
  it("see what another handle has put, replaced and deleted", async () => {
    const path = newPath();
    const [storage, other] = [open(path, options), open(path, options)];
    const expected = await fill(storage, 600, () => ["n"]);
    await expectExact(storage, expected, 1);
    await expectExact(other, expected, 2);
    for (let round = 0; round < 12; round++) {
      const [writer, reader] = round % 2 === 0 ? [other, storage] : [storage, other];
      for (let i = 0; i < 30; i++) {
        const key = `k${(round * 37 + i * 11) % 600}`;
        const seed = round * 1000 + i;
        if (i % 5 === 0) {
          await writer.deleteItem(["n"], key);
          expected.delete(key);
        } else if (i % 5 === 1) {
          await writer.putItem(["n"], key, { without: true });
          expected.delete(key);
        } else {
          await writer.putItem(["n"], key, { n: seed }, { vectors: [vectorOf(seed)] });
          expected.set(key, vectorOf(seed));
        }
      }
      await expectExact(reader, expected, round);
      await expectExact(writer, expected, round + 5);
    }
    await other.deleteItems(["n"]);
    expect(await storage.searchItems([], { similarTo: { vector: vectorOf(1) } })).toEqual({ items: [] });
  });
});

describe("the cache", () => {
  it("does not learn from a batch that fails, and sees in a batch what the batch has done", async () => {
    const storage = open(newPath());
    const expected = await fill(storage, 400, () => ["n"]);
    await expectExact(storage, expected, 1);
    const similarTo = { vector: vectorOf(1), distance: "dot" } as const;
    const best = vectorOf(1).map((each) => each * 9);
    const steps = [
      { put: { namespace: ["n"], key: "k7", value: {}, vectors: [best] } },
      { search: { prefix: ["n"], similarTo, limit: 1 } },
    ];
    const conflict = { delete: { namespace: ["n"], key: "k8", expectedVersion: 99 } };
    await expect(storage.batchItems([...steps, conflict])).rejects.toMatchObject({ code: "CONFLICT" });
    await expectExact(storage, expected, 1);
    // Takes the number that the batch would have had.
    await storage.putItem(["n"], "k9", {}, { vectors: [vectorOf(77)] });
    expected.set("k9", vectorOf(77));
    await expectExact(storage, expected, 1);
    const [, found] = await storage.batchItems(steps);
    expect(found).toMatchObject({ items: [{ key: "k7" }] });
  });

  it("finds what stands below a prefix, however many namespaces there are", async () => {
    const storage = open(newPath());
    await fill(storage, 900, (i) => ["n", `user${i % 300}`, "notes"]);
    const similarTo = { vector: vectorOf(1), distance: "dot" } as const;
    await storage.searchItems(["n"], { similarTo });
    const below = await storage.searchItems(["n", "user12"], { similarTo });
    expect(below.items.map(({ key }) => key).sort()).toEqual(["k12", "k312", "k612"]);
    expect(await storage.searchItems(["n", "user1", "note"], { similarTo })).toEqual({ items: [] });
    expect((await storage.searchItems([], { similarTo, limit: 1_000 })).items.length).toBe(900);
  });

  it("holds no item that has expired, and none of another tenant", async () => {
    const clock = manualClock();
    const storage = sqliteStorage({ path: newPath(), durability: "process", clock });
    opened.push(storage);
    const expected = await fill(storage, 400, () => ["n"]);
    await fill(storage.tenant("other"), 500, () => ["n"]);
    await storage.putItem(["n"], "short", {}, { vectors: [vectorOf(5).map((each) => each * 100)], ttlMs: 1_000 });
    const similarTo = { vector: vectorOf(5), distance: "dot" } as const;
    expect((await storage.searchItems(["n"], { similarTo, limit: 1 })).items[0]?.key).toBe("short");
    clock.advance(1_000);
    await expectExact(storage, expected, 5);
    expect((await storage.searchItems([], { similarTo, limit: 1_000 })).items.length).toBe(400);
  });

  it("forgets what was deleted, also where no search comes near it", async () => {
    const storage = open(newPath());
    const expected = await fill(storage, 500, () => ["n"]);
    await expectExact(storage, expected, 1);
    for (const [key] of [...expected].slice(0, 200)) {
      await storage.deleteItem(["n"], key);
      expected.delete(key);
    }
    for (let i = 0; i < 210; i++) {
      await storage.searchItems(["n"], { similarTo: { vector: vectorOf(1) }, limit: 1 });
    }
    await expectExact(storage, expected, 1);
  });
});

describe("the file", () => {
  it("keeps a row of vectors for each item that has some, and no other", async () => {
    const path = newPath();
    const clock = manualClock();
    const storage = sqliteStorage({ path, durability: "process", clock });
    opened.push(storage);
    const place = (key: string, ttlMs?: number) =>
      storage.putItem(
        ["n"],
        key,
        {},
        {
          vectors: [
            [1, 0],
            [0, 1],
          ],
          ttlMs,
        },
      );
    await place("kept");
    await place("kept");
    await place("deleted");
    await place("without");
    await place("expired", 10);
    await storage.putItem(["m"], "k", {}, { vectors: [[1]] });
    await storage.deleteItem(["n"], "deleted");
    await storage.putItem(["n"], "without", {});
    await storage.deleteItems(["m"]);
    clock.advance(10);
    await place("sweeps", 10);
    const rowsOf = (sql: string): unknown[] =>
      outside(path, (db) =>
        db
          .prepare(sql)
          .all()
          .map((row) => ({ ...row })),
      );
    expect(
      rowsOf(`SELECT i.key, v.dimensions, length(v.data) AS bytes FROM item_vectors v
        LEFT JOIN items i ON i.vectors = v.change AND i.id = v.item ORDER BY v.change`),
    ).toEqual([
      { key: "kept", dimensions: 2, bytes: 16 },
      { key: "sweeps", dimensions: 2, bytes: 16 },
    ]);
    expect(rowsOf("SELECT label, dimensions FROM item_dimensions")).toEqual([{ label: "n", dimensions: 2 }]);
  });

  it("that is damaged in a vector is reported", async () => {
    const path = newPath();
    const storage = open(path);
    await storage.putItem(["n"], "k", {}, { vectors: [[1, 0]] });
    outside(path, (db) => db.exec("UPDATE item_vectors SET data = x'0000803F0000803F'"));
    const searching = storage.searchItems(["n"], { similarTo: { vector: [1, 0] } });
    await expect(searching).rejects.toMatchObject({ code: "CORRUPTION" });
  });
});
