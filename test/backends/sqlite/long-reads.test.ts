// Reads of many steps see one moment of the store, also where others write all the time, and come to an end.
import { describe, expect, it, onTestFinished } from "vitest";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { Item } from "../../../src/contract/item-storage.js";
import { newPath } from "./folder.js";

const ITEMS = 1_000;

describe.each(["auto", "rollback"] as const)("with the journal %s", (journal) => {
  it("a long read sees one moment while another storage on the file writes all the time", {
    timeout: 60_000,
  }, async () => {
    const path = newPath();
    const storage = sqliteStorage({ path, journal, durability: "process" });
    const other = sqliteStorage({ path, journal, durability: "process" });
    onTestFinished(async () => {
      await storage.close();
      await other.close();
    });
    const writeAll = async (round: number): Promise<void> => {
      const put = (i: number) => ({ put: { namespace: ["n"], key: `${i}`.padStart(5, "0"), value: { round } } });
      await other.batchItems(Array.from({ length: ITEMS }, (_, i) => put(i)));
    };
    await writeAll(0);
    let isOver = false;
    let rounds = 0;
    const writing = (async () => {
      while (!isOver) await writeAll(++rounds);
    })();
    const seen = new Set<unknown>();
    try {
      const search = { search: { prefix: ["n"], limit: ITEMS, filter: { round: { $gte: 0 } } } };
      for (let i = 0; i < 12; i++) {
        const pages = (await storage.batchItems([search, search, search])) as { items: Item[] }[];
        const found = pages.flatMap(({ items }) => items.map(({ value }) => value.round));
        expect(found.length).toBe(3 * ITEMS);
        expect([...new Set(found)]).toHaveLength(1);
        seen.add(found[0]);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      isOver = true;
      await writing;
    }
    expect(rounds).toBeGreaterThan(1);
    expect(seen.size).toBeGreaterThan(1);
  });
});
