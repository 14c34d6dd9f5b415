// Turns of the event loop: who waits goes on in the order of the waiting, however much others do.
import { expect, it } from "vitest";
import { nextTurn, spendTurn, turnIsSpent } from "../../src/domain/turns.js";

it("whoever waits goes on soon, though others spend every turn before it is asked", async () => {
  let turns = 0;
  let isOver = false;
  const busy = (): void => {
    turns += 1;
    spendTurn();
    if (!isOver && turns < 1_000) setImmediate(busy);
  };
  // The turn has begun: its end comes before the others, and they come before whoever waits.
  turnIsSpent();
  setImmediate(busy);
  await nextTurn();
  await nextTurn();
  isOver = true;
  expect(turns).toBeLessThan(10);
});

it("they go on in the order in which they came, one in a turn that each of them spends", async () => {
  const order: number[] = [];
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (order.length < 300) setImmediate(count);
  };
  setImmediate(count);
  const wait = async (i: number): Promise<void> => {
    await nextTurn();
    order.push(i);
    spendTurn();
  };
  await Promise.all(Array.from({ length: 300 }, (_, i) => wait(i)));
  expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i));
  expect(turns).toBeGreaterThan(290);
});

it("a turn that is spent is over with the next one", async () => {
  spendTurn();
  expect(turnIsSpent()).toBe(true);
  await nextTurn();
  expect(turnIsSpent()).toBe(false);
});
