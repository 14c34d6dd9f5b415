import { expect, it } from "vitest";
import { runAtOnce } from "../../src/domain/slices.js";
import { sortInSteps } from "../../src/domain/sort-in-steps.js";

it.each([0, 1, 2, 4_095, 4_096, 4_097, 8_192, 8_193, 12_289, 40_000])("%i numbers", (count) => {
  const numbers = Array.from({ length: count }, (_, i) => Math.imul(i, 2_654_435_761) % 10_007);
  const expected = [...numbers].sort((a, b) => a - b);
  expect([...runAtOnce(sortInSteps(numbers))]).toEqual(expected);
});

it("pauses after some thousand of them", () => {
  const sorting = sortInSteps(Array.from({ length: 40_960 }, (_, i) => 40_960 - i));
  let pauses = 0;
  while (!sorting.next().done) pauses += 1;
  // Ten runs, and four times over all of them.
  expect(pauses).toBe(50);
});
