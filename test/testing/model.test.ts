// Random programs beside the reference model, on every backend; `WAYSTONE_TEST_SCALE=full` runs many more.
import fc from "fast-check";
import { expect, it } from "vitest";
import { runPrograms } from "../../src/testing/model/run-programs.js";
import { memoryFactory } from "./faults/fault.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";

it("memory and the reference model agree on random programs", { timeout: 600_000 }, async () => {
  const programs = FULL ? 5_000 : 150;
  expect(await runPrograms(fc, memoryFactory(), { programs, commands: 60 })).toBeGreaterThan(0);
});
