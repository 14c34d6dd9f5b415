// A search by similarity with a filter reads a value of some MB in steps, as one without similarity does.
import { expect, it, vi } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { sqliteStorage } from "../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { turnsDuring } from "../support/event-loop.js";
import { newPath } from "./sqlite/folder.js";

const patient = { timeoutMs: 80_000_000 };

/** What passes between two looks at the time, in milliseconds: as if every step took long. */
const BACKENDS: readonly (readonly [name: string, open: () => StorageBackend, passed: number])[] = [
  ["memory", () => memoryStorage(), 100],
  ["sqlite", () => sqliteStorage({ path: newPath() }), 1],
];

it.each(BACKENDS)(
  "of an item with vectors and of one without: %s",
  { timeout: 60_000 },
  async (_name, open, passed) => {
    let time = 0;
    vi.spyOn(performance, "now").mockImplementation(() => {
      time += passed;
      return time;
    });
    await using storage = open();
    const putBoth = async (list: readonly { readonly id: number; readonly name: string }[]): Promise<void> => {
      await storage.putItem(["a"], "with", { list, last: 7 }, { vectors: [[1, 1]], ...patient });
      await storage.putItem(["a"], "without", { list, last: 7 }, patient);
    };
    const turnsToFind = async (last: number, found: readonly string[]): Promise<number> => {
      let keys: string[] = [];
      const turns = await turnsDuring(async () => {
        const similarTo = { vector: [1, 0] };
        const filter = { list: { $exists: true }, last: { $gte: last } };
        const { items } = await storage.searchItems(["a"], { similarTo, filter, limit: 1, ...patient });
        keys = items.map(({ key }) => key);
      });
      expect(keys).toEqual(found);
      return turns;
    };
    await putBoth([]);
    const [found, none] = [await turnsToFind(7, ["with"]), await turnsToFind(8, [])];
    await putBoth(Array.from({ length: 40_000 }, (_, i) => ({ id: i, name: `n${i} `.repeat(10) })));
    expect((await turnsToFind(8, [])) - none, "turns for both").toBeGreaterThan(10);
    expect(
      (await turnsToFind(7, ["with"])) - found,
      "turns up to the second, which says that there are more",
    ).toBeGreaterThan(10);
  },
);
