// The ordered index against a plain sorted array, and what its scans see while it changes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderedIndex } from "../../../src/backends/memory/ordered-index.js";

interface Row {
  readonly at: number;
  readonly note: string;
}

const byTime = (a: { readonly at: number }, b: { readonly at: number }): number => a.at - b.at;

const indexOf = (times: Iterable<number>): OrderedIndex<{ readonly at: number }, Row> => {
  const index = new OrderedIndex<{ readonly at: number }, Row>(byTime);
  for (const at of times) index.add({ at, note: "first" });
  return index;
};

const times = (rows: Iterable<Row>): number[] => Array.from(rows, (row) => row.at);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** All of 0 to `count - 1`, each once, far from order. */
const shuffled = (count: number): number[] => upTo(count).map((i) => (i * 7919) % count);

describe("an ordered index", () => {
  it("agrees with a sorted array over any changes", () => {
    const time = fc.integer({ min: 0, max: 60 });
    const change = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), at: time }),
      fc.record({ kind: fc.constant("delete" as const), at: time }),
      fc.record({ kind: fc.constant("replace" as const), at: time, to: time }),
      fc.record({ kind: fc.constant("removeRun" as const), at: time, to: time }),
    );
    const start = fc.integer({ min: 0, max: 3000 });
    fc.assert(
      fc.property(start, fc.array(change, { maxLength: 60 }), (count, changes) => {
        // In steps of 50, so that changes fall upon several blocks and beyond the end.
        const index = indexOf(shuffled(count));
        const model = new Set(upTo(count));
        for (const each of changes) {
          const at = each.at * 50;
          if (each.kind === "add" && !model.has(at)) {
            index.add({ at, note: "added" });
            model.add(at);
          }
          if (each.kind === "delete") expect(index.delete({ at })).toBe(model.delete(at));
          if (each.kind === "replace" && model.has(at) && (each.to === each.at || !model.has(each.to * 50))) {
            index.replace({ at }, { at: each.to * 50, note: "replaced" });
            model.delete(at);
            model.add(each.to * 50);
          }
          if (each.kind === "removeRun") {
            const end = each.to * 50;
            const removed = [...model].filter((t) => t >= at && t < end).sort((a, b) => a - b);
            expect(times(index.removeRun({ at }, (row) => row.at < end).flat())).toEqual(removed);
            for (const t of removed) model.delete(t);
          }
        }
        expect(times(index.scan())).toEqual([...model].sort((a, b) => a - b));
      }),
      { numRuns: 200 },
    );
  });

  it("finds a row by its key, and nothing for another", () => {
    const index = indexOf(shuffled(5000).map((at) => at * 2));
    expect(index.get({ at: 4998 })).toEqual({ at: 4998, note: "first" });
    expect(index.get({ at: 4999 })).toBeUndefined();
    expect(index.get({ at: 10_000 })).toBeUndefined();
    expect(indexOf([]).get({ at: 1 })).toBeUndefined();
  });

  it("scans both ways from beyond a key, stored or not", () => {
    const index = indexOf(shuffled(2000).map((at) => at * 2));
    expect(times(index.scan("asc", { at: 3990 }))).toEqual([3992, 3994, 3996, 3998]);
    expect(times(index.scan("asc", { at: 3993 }))).toEqual([3994, 3996, 3998]);
    expect(times(index.scan("asc", { at: 4000 }))).toEqual([]);
    expect(times(index.scan("desc", { at: 6 }))).toEqual([4, 2, 0]);
    expect(times(index.scan("desc", { at: 5 }))).toEqual([4, 2, 0]);
    expect(times(index.scan("desc", { at: -1 }))).toEqual([]);
    expect(times(index.scan("desc", { at: 9999 }))).toEqual(times(index.scan("asc")).reverse());
    expect(times(index.scan("desc"))).toEqual(times(index.scan("asc")).reverse());
  });

  it("begins every scan right at the ends of its blocks", () => {
    const index = indexOf(upTo(2000));
    for (const at of upTo(2000)) {
      expect(index.scan("asc", { at }).next().value?.at).toBe(at === 1999 ? undefined : at + 1);
      expect(index.scan("desc", { at }).next().value?.at).toBe(at === 0 ? undefined : at - 1);
    }
  });

  it("shows a scan the rows as they were when it began", () => {
    const index = indexOf(shuffled(1500));
    const scan = index.scan();
    const seen = [scan.next().value];
    for (const at of upTo(1500)) {
      if (at % 3 === 0) index.delete({ at });
      if (at % 3 === 1) index.replace({ at }, { at, note: "second" });
      if (at % 3 === 2) index.replace({ at }, { at: at + 5000, note: "moved" });
    }
    index.removeRun({ at: 0 }, (row) => row.at < 700);
    seen.push(...scan);
    expect(seen).toEqual(upTo(1500).map((at) => ({ at, note: "first" })));
    expect(times(index.scan())).not.toEqual(times(seen.filter((row) => row !== undefined)));
  });

  it("moves a row to the end again and again, as the newest of a store does", () => {
    const index = indexOf(upTo(3000));
    let clock = 3000;
    for (let round = 0; round < 5; round++) {
      for (const { at } of [...index.scan()].filter((_, i) => i % 7 !== 0)) {
        index.replace({ at }, { at: clock, note: "touched" });
        clock += 1;
      }
    }
    const rows = times(index.scan());
    expect(rows).toHaveLength(3000);
    expect(rows).toEqual([...rows].sort((a, b) => a - b));
  });
});
