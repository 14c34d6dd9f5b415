// The list by `seq` against a plain array.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SeqList } from "../../../src/backends/memory/seq-list.js";

const seqs = (rows: readonly { readonly seq: number }[]): number[] => rows.map((row) => row.seq);
const listOf = (numbers: readonly number[]): SeqList<{ seq: number }> => {
  const list = new SeqList<{ seq: number }>();
  for (const seq of numbers) list.put({ seq });
  return list;
};

describe("a list by seq", () => {
  const bound = fc.option(fc.integer({ min: -1, max: 31 }), { nil: null });
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 30 }));

  it("gives the newest and the oldest of any range, oldest first", () => {
    fc.assert(
      fc.property(numbers, bound, bound, fc.integer({ min: 0, max: 12 }), (given, after, before, limit) => {
        const inRange = given
          .filter((seq) => (after === null || seq > after) && (before === null || seq < before))
          .sort((a, b) => a - b);
        const list = listOf(given);
        expect(seqs(list.oldestOf({ after, before }, limit))).toEqual(inRange.slice(0, limit));
        expect(seqs(list.newestOf({ after, before }, limit))).toEqual(
          inRange.slice(Math.max(0, inRange.length - limit)),
        );
      }),
    );
  });

  it("removes exactly a range, and gives back what it removed", () => {
    fc.assert(
      fc.property(numbers, bound, bound, (given, after, before) => {
        const goes = (seq: number): boolean => (after === null || seq > after) && (before === null || seq < before);
        const sorted = given.toSorted((a, b) => a - b);
        const list = listOf(given);
        expect(seqs(list.removeRange({ after, before }))).toEqual(sorted.filter(goes));
        expect(seqs(list.toArray())).toEqual(sorted.filter((seq) => !goes(seq)));
      }),
    );
  });

  it("replaces the row of a seq and finds rows by it", () => {
    const list = new SeqList<{ seq: number; note: string }>();
    for (const seq of [1, 2, 5]) list.put({ seq, note: "first" });
    list.put({ seq: 2, note: "second" });
    expect(list.length).toBe(3);
    expect(list.get(2)).toEqual({ seq: 2, note: "second" });
    expect(list.get(3)).toBeUndefined();
    expect(list.newest?.seq).toBe(5);
  });

  it("gives copies: what is done to them changes nothing", () => {
    const list = listOf([1, 2, 3]);
    list.toArray().pop();
    list.newestOf({ after: null, before: null }, 3).pop();
    expect(seqs(list.toArray())).toEqual([1, 2, 3]);
  });
});
