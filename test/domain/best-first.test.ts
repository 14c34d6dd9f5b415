import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BestFirst } from "../../src/domain/best-first.js";

describe("BestFirst", () => {
  it("gives all that was added, the best first and equal ones in their order, however few are wanted", () => {
    const score = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true }), fc.constant(-Infinity));
    const runs = fc.array(fc.array(score, { minLength: 1, maxLength: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 30 }), (given, wanted) => {
        const best = new BestFirst<number>(wanted, (a, b) => a - b);
        const scores: number[] = [];
        for (const run of given.map((each) => each.map((one) => Math.min(one, Number.MAX_VALUE) + 0))) {
          const first = scores.length;
          scores.push(...run);
          const owners = scores.map((_, i) => i);
          // The owners of a run stand somewhere in a list of them.
          if (run.length % 2 === 0) best.addRun(owners, first, run.length).set(run);
          else for (const [i, each] of run.entries()) best.add(first + i, each);
        }
        const taken: number[] = [];
        for (let next = best.next(); next !== undefined; next = best.next()) {
          expect(next.score).toBe(scores[next.owner]);
          taken.push(next.owner);
        }
        const expected = [...scores.keys()].sort((a, b) => {
          const [x, y] = [scores[a] as number, scores[b] as number];
          return x === y ? a - b : y - x;
        });
        expect(taken).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});
