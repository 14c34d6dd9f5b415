// The lazy index gives what an index that moves every row at once would give.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LazyIndex } from "../../../src/backends/memory/lazy-index.js";

interface Row {
  readonly id: string;
  readonly at: number;
}

const byTime = (a: Row, b: Row): number => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

describe("a lazy index", () => {
  it("agrees with sorting over any changes and scans between them", () => {
    const id = fc.integer({ min: 0, max: 9 }).map(String);
    const change = fc.record({
      kind: fc.constantFrom("set" as const, "set" as const, "delete" as const, "scan" as const),
      id,
      at: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
        const index = new LazyIndex<Row, Row>(byTime);
        const model = new Map<string, Row>();
        for (const { kind, id, at } of changes) {
          const stored = model.get(id);
          const row = { id, at };
          if (kind === "scan") expect([...index.scan()]).toEqual([...model.values()].sort(byTime));
          if (kind === "set") {
            if (stored === undefined) index.add(row);
            else index.replace(id, stored, row);
            model.set(id, row);
          }
          if (kind === "delete" && stored !== undefined) {
            index.delete(id, stored);
            model.delete(id);
          }
        }
        expect([...index.scan("desc")]).toEqual([...model.values()].sort(byTime).reverse());
      }),
    );
  });

  it("does not let rows wait without end", () => {
    let compared = 0;
    const index = new LazyIndex<Row, Row>((a, b) => {
      compared += 1;
      return byTime(a, b);
    });
    const rows = Array.from({ length: 2000 }, (_, i) => ({ id: String(i), at: i }));
    for (const row of rows) index.add(row);
    for (const row of rows) index.replace(row.id, row, { ...row, at: row.at + 5000 });
    compared = 0;
    expect(index.scan("desc").next().value?.at).toBe(6999);
    // 256 rows of at most 2,000, each a search for its old place and one for its new place.
    expect(compared).toBeLessThan(256 * 40);
  });
});
