// Random programs beside the reference model, on every backend; `WAYSTONE_TEST_SCALE=full` runs many more.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RunProgramsOptions } from "../../src/testing/model/run-programs.js";
import { ProgramFailure, runPrograms } from "../../src/testing/model/run-programs.js";
import type { StorageFactory } from "../../src/testing/storage-factory.js";
import { CHECKPOINT_FAULTS } from "./faults/checkpoint-faults.js";
import { CONVERSATION_FAULTS } from "./faults/conversation-faults.js";
import type { Fault } from "./faults/fault.js";
import { SESSION_FAULTS } from "./faults/session-faults.js";
import { memoryFactory } from "./memory-factory.js";
import { postgresFactory } from "./postgres-factory.js";
import { redisClusterFactory, redisClusterShardsFactory } from "./redis-cluster-factory.js";
import { redisFactory, redisShardsFactory } from "./redis-factory.js";
import { sqliteFactory } from "./sqlite-factory.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";

/** Times are the store's own then, and nothing expires. */
const REAL_TIME: StorageFactory = { ...memoryFactory, supports: { ...memoryFactory.supports, clock: false } };

describe("stores agree with the reference model on random programs", () => {
  it.each<[string, StorageFactory, RunProgramsOptions]>([
    ["memory", memoryFactory, { programs: FULL ? 5_000 : 300, commands: 60 }],
    ["memory with the real time", REAL_TIME, { programs: 20, commands: 30 }],
    ["sqlite", sqliteFactory, { programs: FULL ? 1_500 : 60, commands: 60 }],
    ["postgres", postgresFactory, { programs: FULL ? 1_500 : 30, commands: 60 }],
    ["redis", redisFactory, { programs: FULL ? 1_500 : 60, commands: 60 }],
    ["redis in a Cluster", redisClusterFactory, { programs: FULL ? 500 : 15, commands: 60 }],
    ["redis over shards", redisShardsFactory, { programs: FULL ? 1_500 : 30, commands: 60 }],
    ["redis over shards in a Cluster", redisClusterShardsFactory, { programs: FULL ? 500 : 10, commands: 60 }],
  ])("%s", { timeout: 3_600_000 }, async (_name, factory, options) => {
    expect(await runPrograms(fc, factory, options)).toBeGreaterThan(0);
  });
});

describe("a program that fails", () => {
  const faults = [...SESSION_FAULTS, ...CONVERSATION_FAULTS, ...CHECKPOINT_FAULTS];
  const seed = 7;

  const failureOf = async ({ factory }: Fault, options: RunProgramsOptions): Promise<ProgramFailure> => {
    try {
      await runPrograms(fc, factory, { programs: 150, commands: 60, log: () => undefined, ...options });
    } catch (error) {
      if (error instanceof ProgramFailure) return error;
      throw error;
    }
    throw new Error("no program fails");
  };

  it.each(
    [
      "a repeated messageId is added again",
      "listSessions ignores the status filter",
      "a replaced checkpoint becomes the latest",
    ].flatMap((name) => faults.filter((fault) => fault.name === name)),
  )("is found, made short and told with its commands: $name", { timeout: 120_000 }, async (fault) => {
    const failure = await failureOf(fault, { seed });
    expect(failure.program.length).toBeLessThanOrEqual(12);
    for (const command of failure.program) expect(failure.message).toContain(command);
    expect(failure.message).toContain(`WAYSTONE_TEST_SEED=${seed} WAYSTONE_TEST_PATH=${failure.path}`);
    expect(failure.message).toMatch(/model: .*\n.*store: /);
  });

  it("is the same again from its seed and path", { timeout: 120_000 }, async () => {
    const fault = faults.find(({ name }) => name === "a repeated messageId is added again") as Fault;
    const first = await failureOf(fault, { seed });
    const again = await failureOf(fault, { seed, path: first.path });
    expect(again.program).toEqual(first.program);
  });

  it("tells its seed before it runs, also when none was given", async () => {
    const lines: string[] = [];
    await runPrograms(fc, memoryFactory, { programs: 1, commands: 1, log: (line) => lines.push(line) });
    expect(lines).toEqual([expect.stringMatching(/WAYSTONE_TEST_SEED=\d+$/)]);
  });
});
