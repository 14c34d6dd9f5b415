// Layers that cannot change what a call means do not: the whole kit and random programs, through stacks of them, on stores that fail.
import { randomInt } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runPrograms } from "../../src/testing/model/run-programs.js";
import { runClauses } from "../../src/testing/run-clauses.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { memoryFactory } from "../testing/memory-factory.js";
import { KINDS, randomStack, withFaultsBelow, withStack } from "./stacks.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";
const SEED = Number(process.env.WAYSTONE_TEST_SEED ?? randomInt(2 ** 31));
const SCALE = { messages: 1_000, racers: 12 };

/** Numbers from 0 to 1, again the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function passes(factory: StorageFactory): Promise<void> {
  const { failed, passed } = await runClauses(factory, { scale: SCALE });
  expect(failed.map(({ name, error }) => `${name}: ${String(error)}`)).toEqual([]);
  expect(passed.length).toBeGreaterThan(500);
}

/** Each alone, and each pair in its order, where there is time for it. */
const pairs = KINDS.flatMap((outer, i) => KINDS.slice(i + 1).map((inner) => [outer, inner]));
const stacks: readonly (readonly string[])[] = FULL ? [...KINDS.map((kind) => [kind]), ...pairs, KINDS] : [KINDS];
/** A store that fails says as much as one that does not, and more. */
const plainStacks = FULL ? stacks : [];

describe(`the contract is kept (WAYSTONE_TEST_SEED=${SEED})`, () => {
  it.each(plainStacks.map((kinds) => [kinds.join(" > "), kinds] as const))(
    "through %s",
    { timeout: 300_000 },
    (_name, kinds) => passes(withStack(memoryFactory, kinds)),
  );

  it.each(stacks.filter((kinds) => kinds.includes("retry")).map((kinds) => [kinds.join(" > "), kinds] as const))(
    "through %s, around a store that fails",
    { timeout: 600_000 },
    (_name, kinds) => passes(withFaultsBelow(memoryFactory, kinds, SEED)),
  );

  it("by random stacks around stores that fail, on random programs", { timeout: 3_600_000 }, async () => {
    const random = randomOf(SEED);
    for (let i = 0; i < (FULL ? 100 : 6); i++) {
      const kinds = randomStack(random);
      const factory = withFaultsBelow(memoryFactory, kinds, SEED + i);
      const log = (line: string): void => console.log(`${kinds.join(" > ")}: ${line}`);
      expect(await runPrograms(fc, factory, { programs: FULL ? 50 : 8, commands: 40, seed: SEED + i, log })).toBe(
        FULL ? 50 : 8,
      );
    }
  });
});
