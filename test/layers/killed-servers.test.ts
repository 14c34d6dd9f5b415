// The recommended stack over real servers that are killed and started again under load: what was acknowledged is there once and in order,
// what was not applied is not, every call settles in its time, and the cache gives nothing older than the process's own writes.
import { setTimeout as wait } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { postgresStorage } from "../../src/backends/postgres/index.js";
import { redisStorage } from "../../src/backends/redis/index.js";
import { isStorageError } from "../../src/contract/errors.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { batch } from "../../src/layers/batch/batch.js";
import { cache } from "../../src/layers/cache/cache.js";
import { circuitBreaker } from "../../src/layers/circuit-breaker.js";
import { concurrencyLimit } from "../../src/layers/concurrency-limit.js";
import { withLayers } from "../../src/layers/layer.js";
import { retry } from "../../src/layers/retry.js";
import { timeout } from "../../src/layers/timeout.js";
import { settlesWithin } from "../../src/testing/in-time.js";
import { createDatabase, startPostgres } from "../support/postgres-server.js";
import { startRedis } from "../support/redis-server.js";

/** WAYSTONE_TEST_SCALE=full kills more often. */
const ROUNDS = process.env.WAYSTONE_TEST_SCALE === "full" ? 25 : 4;
const WORKERS = 8;
const CALL_MS = 3_000;
/** F2 says 250 ms; the rest is what a busy machine may take to run a timer. */
const SLACK_MS = 250 + 500;

interface Server {
  readonly storage: () => StorageBackend;
  kill(): Promise<void>;
  start(): Promise<void>;
}

async function postgres(): Promise<Server> {
  const server = await startPostgres({ inMemory: true });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const url = await createDatabase(server);
  return {
    storage: () => postgresStorage({ url, pool: { max: 10, connectTimeoutMs: 1_000 } }),
    kill: () => server.stop("immediate"),
    start: () => server.start(),
  };
}

async function redis(): Promise<Server> {
  const server = await startRedis({ inMemory: true });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return {
    storage: () => redisStorage({ url: server.url, connectTimeoutMs: 200 }),
    kill: () => server.kill(),
    start: () => server.start(),
  };
}

/** What became of the writes of one worker. */
interface Account {
  readonly acknowledged: string[];
  readonly refused: string[];
  readonly unknown: string[];
  readonly checkpoints: string[];
}

it.each([
  ["PostgreSQL", postgres],
  ["Redis", redis],
])("the recommended stack over %s, killed and started again under load", { timeout: 300_000 }, async (name, begin) => {
  const server = await begin();
  const states: string[] = [];
  const breaker = circuitBreaker({ openMs: 150, minCalls: 4, onStateChange: (state) => states.push(String(state)) });
  const kept = cache({ ttlMs: 60_000 });
  const layers = [
    kept,
    retry({ maxAttempts: 20, maxDelayMs: 300, budgetRatio: 1, budgetReserve: 1_000 }),
    batch(),
    breaker,
    concurrencyLimit({ maxConcurrent: 20 }),
    timeout({ timeoutMs: 1_500 }),
  ];
  const storage = withLayers(server.storage(), layers);
  let longest = 0;
  let late = 0;
  let written = 0;
  let stale = 0;
  let running = true;
  const timed = async <T>(call: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const calling = call();
    void settlesWithin(CALL_MS + SLACK_MS, [calling]).then((isInTime) => {
      if (!isInTime) late += 1;
    });
    try {
      return await calling;
    } finally {
      longest = Math.max(longest, performance.now() - start);
    }
  };

  const work = async (worker: number): Promise<Account> => {
    const account: Account = { acknowledged: [], refused: [], unknown: [], checkpoints: [] };
    const sessionId = `s${worker % 4}`;
    let newest = 0;
    for (let i = 0; running; i++) {
      const messageId = `${worker}-${i}`;
      try {
        const { seq } = await timed(() =>
          storage.addConversationMessage(sessionId, "user", `message ${i}`, { messageId, timeoutMs: CALL_MS }),
        );
        newest = seq;
        account.acknowledged.push(messageId);
        written += 1;
      } catch (error) {
        if (!isStorageError(error)) throw error;
        (error.outcome === "unknown" ? account.unknown : account.refused).push(messageId);
      }
      try {
        const history = await timed(() => storage.getConversationHistory(sessionId, { limit: 50, timeoutMs: CALL_MS }));
        if ((history.at(-1)?.seq ?? 0) < newest) stale += 1;
      } catch (error) {
        if (!isStorageError(error)) throw error;
      }
      if (i % 5 === 0) {
        try {
          await timed(() => storage.storeCheckpoint(`t${worker}`, `c${i}`, { i }, { timeoutMs: CALL_MS }));
          account.checkpoints.push(`c${i}`);
          const data = (await storage.getCheckpoint(`t${worker}`))?.data as { i: number } | undefined;
          if ((data?.i ?? -1) < i) stale += 1;
        } catch (error) {
          if (!isStorageError(error)) throw error;
        }
      }
      await wait(5);
    }
    return account;
  };

  for (let i = 0; i < 4; i++) await storage.createSession(`s${i}`, "u");
  const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));
  for (let round = 0; round < ROUNDS; round++) {
    const before = written;
    await wait(400);
    while (written < before + 30) await wait(5);
    await server.kill();
    await wait(round % 2 === 0 ? 300 : 1_200);
    await server.start();
    await wait(500);
  }
  running = false;
  const accounts = await Promise.all(workers);
  await storage.close();

  const store = server.storage();
  onTestFinished(() => store.close());
  const histories = await Promise.all(
    [0, 1, 2, 3].map((i) => store.getConversationHistory(`s${i}`, { limit: 10_000 })),
  );
  const ids = histories.flat().map(({ messageId }) => messageId);
  const there = new Set(ids);
  expect(there.size, "nothing is there twice").toBe(ids.length);
  const lost = accounts.flatMap(({ acknowledged }) => acknowledged.filter((id) => !there.has(id)));
  expect(lost, "nothing that was acknowledged is lost").toEqual([]);
  const applied = accounts.flatMap(({ refused }) => refused.filter((id) => there.has(id)));
  expect(applied, "what was not applied is not there").toEqual([]);
  for (const [worker, { acknowledged, checkpoints }] of accounts.entries()) {
    const order = histories[worker % 4]?.map(({ messageId }) => messageId) ?? [];
    const known = new Set(acknowledged);
    expect(order.filter((id) => known.has(id))).toEqual(acknowledged);
    const stored = await store.listCheckpoints(`t${worker}`, { limit: 10_000 });
    const names = new Set(stored.map(({ checkpointId }) => checkpointId));
    expect(checkpoints.filter((id) => !names.has(id))).toEqual([]);
  }
  expect(stale, "no read was older than the process's own writes").toBe(0);
  expect(late, "every call settles in its time").toBe(0);
  expect(states).toContain("open");
  expect(states).toContain("closed");
  const count = (of: (account: Account) => readonly string[]): number =>
    accounts.reduce((sum, account) => sum + of(account).length, 0);
  const acknowledged = count((account) => account.acknowledged);
  console.log(
    `${name}: ${ROUNDS} kills, ${acknowledged} acknowledged, ${count((a) => a.unknown)} unknown, ${count((a) => a.refused)} not applied; ` +
      `longest call ${Math.round(longest)} ms, hit rate ${kept.stats().hitRate.toFixed(2)}, breaker opened ${states.filter((state) => state === "open").length} times`,
  );
});
