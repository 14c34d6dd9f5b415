// The loss of a primary whose standby confirms each commit: nothing that was acknowledged is lost (F5, level `replicated`).
// WAYSTONE_TEST_SCALE=full runs more rounds.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { postgresStorage } from "../../../../src/backends/postgres/index.js";
import { type PostgresServer, runSql, startPostgres } from "../../../support/postgres-server.js";
import { promote, startStandby, untilCaughtUp } from "../../../support/postgres-standby.js";
import { until } from "../../../support/redis-cluster.js";
import { startWorkload, summary } from "./workload.js";

const ROUNDS = process.env.WAYSTONE_TEST_SCALE === "full" ? 5 : 1;

it(`a synchronous primary is killed and its standby promoted, ${ROUNDS} times`, { timeout: 300_000 }, async () => {
  const silences: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const primary = await startPostgres({ inMemory: true });
    let standby: PostgresServer | undefined;
    try {
      standby = await startStandby(primary);
      await untilCaughtUp(primary, standby);
      await runSql(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
      await runSql(primary.url, "SELECT pg_reload_conf()");
      const url = `postgresql://postgres@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/postgres?target_session_attrs=read-write`;
      await using storage = postgresStorage({ url, pool: { max: 8 } });
      await storage.initialize();
      for (let i = 0; i < 500 && (await storage.healthCheck()).durability !== "replicated"; i++) await sleep(20);
      expect((await storage.healthCheck()).durability).toBe("replicated");
      const load = await startWorkload([storage]);
      await sleep(500);
      await until(async () => load.report.acknowledged > 20);
      const before = load.report.acknowledged;
      load.report.longestSilenceMs = 0;
      await primary.stop("immediate");
      const killed = performance.now();
      await sleep(100);
      await promote(standby);
      const promotedMs = performance.now() - killed;
      await sleep(700);
      await until(async () => load.report.acknowledged > before + 20);
      const report = await load.verify();
      silences.push(report.longestSilenceMs);
      // The rest of the time without service is the storage's.
      expect(report.longestSilenceMs).toBeLessThan(promotedMs + 5_000);
      console.log(`promoted after ${Math.round(promotedMs)} ms: ${summary(report)}`);
    } finally {
      await standby?.[Symbol.asyncDispose]();
      await primary[Symbol.asyncDispose]();
    }
  }
  console.log(`time without service: ${silences.map((ms) => `${Math.round(ms)} ms`).join(", ")}`);
});

it("a standby answers reads, refuses writes as not applied, and says so in its health", {
  timeout: 120_000,
}, async () => {
  await using primary = await startPostgres({ inMemory: true });
  await using writer = postgresStorage(primary.url);
  await writer.createSession("s", "ada");
  await writer.addConversationMessage("s", "user", "there");
  await writer.storeCheckpoint("t", "c", { a: 1 });
  await using standby = await startStandby(primary);
  await untilCaughtUp(primary, standby);
  await using reader = postgresStorage(standby.url);
  expect((await reader.getConversationHistory("s")).map(({ content }) => content)).toEqual(["there"]);
  expect((await reader.getCheckpoint("t"))?.data).toEqual({ a: 1 });
  const writes = [
    () => reader.addConversationMessage("s", "user", "x"),
    () => reader.updateSession("s", { incrementRequests: true }),
    () => reader.storeCheckpoint("t", "d", { a: 2 }),
    () => reader.createSession("new", "ada"),
    () => reader.acquireLease({ session: "s" }, { owner: "o", ttlMs: 1_000 }),
    () => reader.deleteSession("s"),
  ];
  // One by one, and at the same moment.
  for (const write of writes)
    await expect(write()).rejects.toMatchObject({ code: "CONNECTION", outcome: "not-applied" });
  for (const result of await Promise.allSettled(Array.from({ length: 10 }, (_, i) => writes[i % 3]?.()))) {
    expect(result).toMatchObject({ status: "rejected", reason: { code: "CONNECTION", outcome: "not-applied" } });
  }
  const health = await reader.healthCheck();
  expect(health.status).toBe("unhealthy");
  expect(health.checks.find(({ name }) => name === "role")?.message).toContain("standby");
});
