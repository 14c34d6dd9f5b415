// A master, a replica and three Sentinels: the storage follows failovers. What they lose is counted. WAYSTONE_TEST_SCALE=full runs more of them.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { until } from "../../support/redis-cluster.js";
import { startWatched } from "../../support/redis-sentinel.js";
import { startLoad, summary } from "./load.js";

const FAILOVERS = process.env.WAYSTONE_TEST_SCALE === "full" ? 20 : 1;
const TIMEOUT_MS = 10_000;

it(`follows failovers (${FAILOVERS}): no call beyond its deadline, no wrong answer`, { timeout: 900_000 }, async () => {
  await using watched = await startWatched();
  await using storage = redisStorage({ url: watched.url, connectTimeoutMs: TIMEOUT_MS });
  expect((await storage.healthCheck()).checks).toContainEqual(
    expect.objectContaining({ name: "replication", message: expect.stringMatching(/^1 replicas/) }),
  );
  const load = await startLoad(
    Array.from({ length: 8 }, () => storage),
    TIMEOUT_MS,
  );
  for (let round = 0; round < FAILOVERS; round++) {
    await sleep(300);
    const before = await watched.master();
    const acknowledged = load.report.acknowledged;
    await before.kill();
    await until(async () => (await watched.master()) !== before, 60_000);
    // Writes go on before the old master is back.
    await until(async () => load.report.acknowledged > acknowledged + 20, 60_000);
    await before.start();
    await watched.untilWhole();
  }
  await load.stop();
  const lost = await load.countLost();
  console.log(`failovers ${FAILOVERS}: ${summary(load.report, lost)}`);
  // A replica may lack what was acknowledged: that is counted and told, and each message that is there is right.
  const isLoss = (sentence: string): boolean => /was \d+ and is \d+/.test(sentence);
  expect(load.report.wrong.filter((sentence) => lost === 0 || !isLoss(sentence))).toEqual([]);
  expect(load.report.late).toBe(0);
  expect([...load.report.failed.keys()].filter((name) => !/^(CONNECTION|TIMEOUT) /.test(name))).toEqual([]);
});
