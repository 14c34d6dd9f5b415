// A Cluster of six nodes under load: slots that move, and a master that dies. What is lost is counted. WAYSTONE_TEST_SCALE=full runs more rounds.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { moveSlot, ownerOf, QUICK_TO_NOTICE, slotOf, startCluster, until } from "../../support/redis-cluster.js";
import type { RedisServer } from "../../support/redis-server.js";
import { startLoad, summary } from "./load.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";
const ROUNDS = FULL ? 20 : 2;
const LOSSES = FULL ? 10 : 1;
const TIMEOUT_MS = 10_000;
const TENANTS = Array.from({ length: 9 }, (_, i) => `tenant ${i} {of} all`);

it(`slots that move under load, ${ROUNDS} times all of them: no call fails, no wrong answer, nothing lost`, {
  timeout: 900_000,
}, async () => {
  await using cluster = await startCluster();
  await using storage = redisStorage({ url: cluster.url });
  const load = await startLoad(
    TENANTS.map((tenant) => storage.tenant(tenant)),
    TIMEOUT_MS,
  );
  await sleep(300);
  let keys = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const tenant of TENANTS) {
      const slot = await slotOf(cluster, `waystone:{${tenant.replaceAll("{", "%7B").replaceAll("}", "%7D")}}`);
      const from = await ownerOf(cluster, slot);
      const to = cluster.masters[(cluster.masters.indexOf(from) + 1) % 3] as RedisServer;
      keys += await moveSlot(cluster, slot, from, to, 5);
    }
  }
  await sleep(200);
  await load.stop();
  const lost = await load.countLost();
  console.log(`${ROUNDS * TENANTS.length} slots with ${keys} keys moved: ${summary(load.report, lost)}`);
  expect([lost, load.report.wrong, [...load.report.failed]]).toEqual([0, [], []]);
  expect(keys).toBeGreaterThan(TENANTS.length);
  expect(load.report.late).toBe(0);
});

it(`a master that dies under load, ${LOSSES} times: no call beyond its deadline, no wrong answer`, {
  timeout: 900_000,
}, async () => {
  await using cluster = await startCluster(QUICK_TO_NOTICE);
  await using storage = redisStorage({ url: cluster.url });
  const load = await startLoad(
    TENANTS.map((tenant) => storage.tenant(tenant)),
    TIMEOUT_MS,
  );
  for (let round = 0; round < LOSSES; round++) {
    await sleep(300);
    const pair = [cluster.masters[round % 3], cluster.replicas[round % 3]] as [RedisServer, RedisServer];
    const [victim, heir] = (await isMaster(pair[0])) ? pair : [pair[1], pair[0]];
    await victim.kill();
    await until(() => isMaster(heir), 60_000);
    await sleep(1_000);
    await victim.start();
    await until(async () => (await victim.command("INFO", "replication")).includes("master_link_status:up"), 60_000);
  }
  await sleep(500);
  await load.stop();
  const lost = await load.countLost();
  console.log(`${LOSSES} masters died: ${summary(load.report, lost)}`);
  const isLoss = (sentence: string): boolean => /was \d+ and is \d+/.test(sentence);
  expect(load.report.wrong.filter((sentence) => lost === 0 || !isLoss(sentence))).toEqual([]);
  expect(load.report.late).toBe(0);
  expect([...load.report.failed.keys()].filter((name) => !/^(CONNECTION|TIMEOUT) /.test(name))).toEqual([]);
});

async function isMaster(node: RedisServer): Promise<boolean> {
  return (await node.command("ROLE")).includes("master");
}
