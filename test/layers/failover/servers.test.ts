// From PostgreSQL to SQLite and from Redis to PostgreSQL, with the primary killed and started again under load.
// WAYSTONE_TEST_SCALE=full does so fifty times each; WAYSTONE_TEST_ROUNDS says how often instead.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresStorage } from "../../../src/backends/postgres/index.js";
import { redisStorage } from "../../../src/backends/redis/index.js";
import { sqliteStorage } from "../../../src/backends/sqlite/index.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type FailoverLayer, type FailoverMode, failover } from "../../../src/layers/index.js";
import { createDatabase, type PostgresServer, startPostgres } from "../../support/postgres-server.js";
import { startRedis } from "../../support/redis-server.js";
import { everyRecord, startLoad, summary } from "./workload.js";

const ROUNDS = Number(process.env.WAYSTONE_TEST_ROUNDS ?? (process.env.WAYSTONE_TEST_SCALE === "full" ? 50 : 3));

let folder: string;
let postgres: PostgresServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "waystone-failover-"));
  postgres = await startPostgres({ inMemory: true });
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Two stores, and how the first one is killed and started again. */
interface Place extends AsyncDisposable {
  readonly primary: StorageBackend;
  readonly fallback: StorageBackend;
  kill(): Promise<unknown>;
  start(): Promise<unknown>;
}

async function postgresToSqlite(): Promise<Place> {
  const url = await createDatabase(postgres);
  return {
    primary: postgresStorage({ url, pool: { max: 6 } }),
    fallback: sqliteStorage({ path: join(folder, `${crypto.randomUUID()}.db`) }),
    kill: () => postgres.stop("immediate"),
    start: () => postgres.start(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function redisToPostgres(): Promise<Place> {
  const redis = await startRedis({ inMemory: true });
  const url = await createDatabase(postgres);
  return {
    primary: redisStorage({ url: redis.url }),
    fallback: postgresStorage({ url, pool: { max: 6 } }),
    kill: () => redis.kill(),
    start: () => redis.start(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

describe(`the primary is killed and started again ${ROUNDS} times under load`, () => {
  it.each<[string, () => Promise<Place>, FailoverMode]>([
    ["PostgreSQL to SQLite, sync-both", postgresToSqlite, "sync-both"],
    ["PostgreSQL to SQLite, primary-then-fallback", postgresToSqlite, "primary-then-fallback"],
    ["Redis to PostgreSQL, sync-both", redisToPostgres, "sync-both"],
    ["Redis to PostgreSQL, primary-then-fallback", redisToPostgres, "primary-then-fallback"],
  ])("%s", { timeout: 60_000 + ROUNDS * 40_000 }, async (name, place, mode) => {
    await using stores = await place();
    const layer = failover({
      fallback: stores.fallback,
      mode,
      journal: join(folder, `${crypto.randomUUID()}.journal`),
      cooldownMs: 100,
      probeIntervalMs: 50,
      attemptTimeoutMs: 2_000,
    });
    // Making a schema may take longer than an attempt.
    await Promise.all([stores.primary.initialize(), stores.fallback.initialize()]);
    await using storage = layer(stores.primary);
    await storage.createSession("first", "ada");
    await layer.flush();
    const load = startLoad(storage);
    const recoveries: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { acknowledged } = load.report;
      await sleep(300 + Math.random() * 300);
      while (load.report.acknowledged < acknowledged + 10) await sleep(10);
      await stores.kill();
      await until(layer, "degraded");
      await sleep(Math.random() * 300);
      await stores.start();
      const back = performance.now();
      await until(layer, "primary");
      recoveries.push(performance.now() - back);
    }
    await sleep(200);
    await load.stop();
    expect(await layer.flush()).toBe(true);
    const { switches, diverged } = layer.stats();
    console.log(
      `${name}, ${ROUNDS} kills: ${summary(load.report)}; ${switches} switches; back ${median(recoveries)} ms after the primary was (median), ${Math.round(Math.max(...recoveries))} ms at most`,
    );
    expect(switches).toBe(2 * ROUNDS);
    expect(diverged).toBe(0);
    await load.verify(stores.primary);
    await load.verify(stores.fallback);
    expect(await everyRecord(stores.fallback)).toEqual(await everyRecord(stores.primary));
  });
});

async function until(layer: FailoverLayer, state: string): Promise<void> {
  for (const end = Date.now() + 35_000; layer.stats().state !== state; ) {
    if (Date.now() > end) throw new Error(`not ${state} in time: ${JSON.stringify(layer.stats())}`);
    await sleep(5);
  }
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}
