// What a server may do to its callers: stop, crash, end connections, be full, take statements back, be read-only.
// WAYSTONE_TEST_SCALE=full runs more rounds.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { postgresStorage } from "../../../../src/backends/postgres/index.js";
import type { StorageBackend } from "../../../../src/contract/storage-backend.js";
import { startCuttingProxy } from "../../../support/cutting-proxy.js";
import { createDatabase, type PostgresServer, runSql, startPostgres } from "../../../support/postgres-server.js";
import { until } from "../../../support/redis-cluster.js";
import { startWorkload, summary, TIMEOUT_MS } from "./workload.js";

const FULL = process.env.WAYSTONE_TEST_SCALE === "full";
const RESTARTS = FULL ? 50 : 4;
const TERMINATIONS = FULL ? 200 : 20;
const ROUNDS = FULL ? 200 : 15;

/** Few connections, so that a storm is soon above them. */
const MAX_CONNECTIONS = 30;

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({
    inMemory: true,
    settings: { max_connections: MAX_CONNECTIONS, deadlock_timeout: "20ms" },
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Place extends AsyncDisposable {
  readonly url: string;
  readonly storages: readonly StorageBackend[];
  readonly admin: pg.Pool;
}

/** Two processes' worth of storages on a database of their own. */
async function newPlace(): Promise<Place> {
  const url = await createDatabase(server);
  const storages = [1, 2].map(() => postgresStorage({ url, pool: { max: 6 } }));
  const admin = new pg.Pool({ connectionString: url, max: 4 });
  admin.on("error", () => undefined);
  return {
    url,
    storages,
    admin,
    async [Symbol.asyncDispose]() {
      await Promise.all(storages.map((storage) => storage.close()));
      await admin.end();
    },
  };
}

it(`restarts, fast and immediate, ${RESTARTS} times under load`, { timeout: 900_000 }, async () => {
  await using place = await newPlace();
  const load = await startWorkload(place.storages);
  for (let round = 0; round < RESTARTS; round++) {
    const { acknowledged } = load.report;
    await sleep(FULL ? 1_000 + Math.random() * 2_000 : 300);
    await until(async () => load.report.acknowledged > acknowledged + 10);
    await server.stop(round % 2 === 0 ? "immediate" : "fast");
    await sleep(Math.random() * 200);
    await server.start();
  }
  await sleep(300);
  console.log(`${RESTARTS} restarts: ${summary(await load.verify())}`);
});

it(`ends of connections, ${TERMINATIONS} times under load`, { timeout: 300_000 }, async () => {
  await using place = await newPlace();
  const load = await startWorkload(place.storages);
  for (let round = 0; round < TERMINATIONS; round++) {
    await sleep(30);
    await place.admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'waystone' ORDER BY random() LIMIT ${1 + (round % 3)}`);
  }
  await sleep(200);
  console.log(`${TERMINATIONS} terminations: ${summary(await load.verify())}`);
  expect(load.report.acknowledged).toBeGreaterThan(TERMINATIONS * 3);
});

it(`answers that are lost, ${TERMINATIONS} times under load`, { timeout: 300_000 }, async () => {
  await using place = await newPlace();
  await using proxy = await startCuttingProxy(server.port);
  const url = new URL(place.url);
  url.port = String(proxy.port);
  await using storage = postgresStorage({ url: url.href, pool: { max: 6 } });
  const load = await startWorkload([storage]);
  for (let round = 0; round < TERMINATIONS; round++) {
    await sleep(40);
    proxy.cut(10);
  }
  await sleep(200);
  const report = await load.verify(place.storages[0]);
  console.log(`${TERMINATIONS} cuts: ${summary(report)}`);
  // What was told to be unknown was done now and then: it is there, and no more often than once.
  expect(report.failed.get("CONNECTION unknown")).toBeGreaterThan(TERMINATIONS / 4);
});

it("a storm of connections above max_connections", { timeout: 120_000 }, async () => {
  await using place = await newPlace();
  const load = await startWorkload(place.storages);
  for (let round = 0; round < (FULL ? 20 : 3); round++) {
    const storm = Array.from({ length: 2 * MAX_CONNECTIONS }, async () => {
      const client = new pg.Client(place.url);
      client.on("error", () => undefined);
      try {
        await client.connect();
        await sleep(300);
      } catch (error) {
        expect((error as { code?: unknown }).code).toBe("53300");
      } finally {
        await client.end();
      }
    });
    // Those who come only now find the server full.
    const late = postgresStorage({ url: place.url, pool: { max: 2 }, migrate: false });
    const asked = await late.getSession("shared", { timeoutMs: 2_000 }).catch((error: unknown) => error);
    if (asked instanceof Error)
      expect(asked).toMatchObject({ code: "CONNECTION", outcome: "not-applied", retryable: true });
    await Promise.all(storm);
    expect((await late.getSession("shared"))?.userId).toBe("ada");
    await late.close();
  }
  console.log(`storms: ${summary(await load.verify())}`);
});

it("deadlocks with transactions that lock in another order", { timeout: 120_000 }, async () => {
  await using place = await newPlace();
  const load = await startWorkload(place.storages);
  let deadlocks = 0;
  for (let round = 0; round < ROUNDS || (deadlocks === 0 && round < 20 * ROUNDS); round++) {
    const client = await place.admin.connect();
    try {
      await client.query("BEGIN");
      // Threads before sessions: the reverse of what the storage does.
      await client.query("SELECT 1 FROM waystone.threads ORDER BY thread_id DESC FOR UPDATE");
      await sleep(10);
      await client.query("SELECT 1 FROM waystone.sessions ORDER BY session_id DESC FOR UPDATE");
      await client.query("COMMIT");
    } catch (error) {
      expect((error as { code?: unknown }).code).toBe("40P01");
      deadlocks += 1;
      await client.query("ROLLBACK");
    } finally {
      client.release();
    }
    await Promise.all([
      (place.storages[0] as StorageBackend).shareTaskContext("caller-0", "caller-1"),
      (place.storages[1] as StorageBackend).shareTaskContext("caller-1", "caller-0"),
      (place.storages[0] as StorageBackend).storeCheckpoint("linked", `${round}`, { round }, { sessionId: "caller-2" }),
      (place.storages[1] as StorageBackend).storeTaskContext("caller-1", { round }),
    ]);
  }
  console.log(`${deadlocks} deadlocks: ${summary(await load.verify())}`);
  expect(deadlocks).toBeGreaterThan(0);
  expect([...load.report.failed]).toEqual([]);
});

it.each(["statement_timeout", "lock_timeout"])("the database's own %s", { timeout: 120_000 }, async (setting) => {
  await using place = await newPlace();
  await (place.storages[0] as StorageBackend).initialize();
  const database = new URL(place.url).pathname.slice(1);
  const admin = await place.admin.connect();
  await admin.query(`ALTER DATABASE ${database} SET ${setting} = '40ms'`);
  // Connections that are made from here on have it.
  const storages = [1, 2].map(() => postgresStorage({ url: place.url, pool: { max: 6 } }));
  const load = await startWorkload(storages);
  for (let round = 0; round < ROUNDS; round++) {
    await admin.query("BEGIN; SELECT 1 FROM waystone.sessions WHERE session_id IN ('caller-1', 'shared') FOR UPDATE");
    await sleep(80);
    await admin.query("COMMIT");
    await sleep(20);
  }
  await admin.query(`ALTER DATABASE ${database} RESET ${setting}`);
  admin.release();
  const report = await load.verify(place.storages[0]);
  console.log(`${setting}: ${summary(report)}`);
  // The server has said that it has done nothing.
  expect([...report.failed.keys()]).toEqual(["CONNECTION not-applied"]);
  await Promise.all(storages.map((storage) => storage.close()));
});

it("a database that takes no writes", { timeout: 60_000 }, async () => {
  await using place = await newPlace();
  const load = await startWorkload(place.storages);
  const database = new URL(place.url).pathname.slice(1);
  for (let round = 0; round < 3; round++) {
    for (const value of ["on", "off"]) {
      await runSql(server.url, `ALTER DATABASE ${database} SET default_transaction_read_only = ${value}`);
      await runSql(
        server.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waystone'",
      );
      await sleep(150);
    }
  }
  const report = await load.verify();
  console.log(`read-only: ${summary(report)}`);
  expect(report.longestMs).toBeLessThan(TIMEOUT_MS);
});
