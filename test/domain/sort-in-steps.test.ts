import { expect, it } from "vitest";
import { runAtOnce } from "../../src/domain/slices.js";
import { sortInSteps } from "../../src/domain/sort-in-steps.js";

it.each([0, 1, 2, 4_095, 4_096, 4_097, 8_192, 8_193, 12_289, 40_000])("%i rows, equal ones as they were", (count) => {
  const rows = Array.from({ length: count }, (_, i) => ({ by: Math.imul(i, 2_654_435_761) % 10_007, i }));
  const compare = (a: (typeof rows)[number], b: (typeof rows)[number]): number => a.by - b.by;
  expect(runAtOnce(sortInSteps(rows, compare))).toEqual([...rows].sort(compare));
});

it("pauses after some thousand of them", () => {
  const numbers = Array.from({ length: 40_960 }, (_, i) => 40_960 - i);
  const sorting = sortInSteps(numbers, (a, b) => a - b);
  let pauses = 0;
  while (!sorting.next().done) pauses += 1;
  // Ten runs, and four times over all of them.
  expect(pauses).toBe(50);
});
