// How a failing program is made shorter.
import { describe, expect, it } from "vitest";
import { type Choices, shrink } from "../../src/testing/model/shrink.js";

/** Fails at the first list from which on all of these have been seen, in this order. */
function failingAfter(...needed: readonly number[]): (choices: Choices) => Promise<number | undefined> {
  return async (choices) => {
    let met = 0;
    for (const [i, [first]] of choices.entries()) {
      if (first !== undefined && first === needed[met]) met += 1;
      if (met === needed.length) return i + 1;
    }
    return undefined;
  };
}

/** The cast, and `count` commands whose first choice is their number. */
function program(count: number): Choices {
  return [[200, 200], ...Array.from({ length: count }, (_, i) => [i + 1, 100, 100, 100])];
}

describe("shrink", () => {
  it("keeps the commands that the failure needs and no other, in their order", async () => {
    expect(await shrink(program(100), failingAfter(7, 8, 93))).toEqual([[], [7], [8], [93]]);
  });

  it("keeps the cast as the first list", async () => {
    expect(await shrink(program(30), failingAfter(200, 20))).toEqual([[200], [20]]);
  });

  it("makes a choice as small as it may be, and leaves out those that do not matter", async () => {
    const failsAt = async (choices: Choices): Promise<number | undefined> => {
      const at = choices.findIndex((list) => (list[2] ?? 0) >= 37);
      return at === -1 ? undefined : at + 1;
    };
    expect(await shrink(program(50), failsAt)).toEqual([[], [0, 0, 37]]);
  });

  it("ends with the program that it was given when nothing shorter fails", async () => {
    const all = [[1], [2], [3]];
    expect(await shrink(all, failingAfter(1, 2, 3))).toEqual(all);
  });

  it("tries a bounded number of programs", async () => {
    let tried = 0;
    const long = Array.from({ length: 300 }, () => Array.from({ length: 40 }, () => 255));
    const sum = (choices: Choices): number => choices.flat().reduce((total, each) => total + each, 0);
    const least = sum(long) - 10;
    await shrink(long, async (choices) => {
      tried += 1;
      return sum(choices) >= least ? choices.length : undefined;
    });
    expect(tried).toBeLessThanOrEqual(3_000);
  });
});
