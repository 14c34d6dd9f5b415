// What a page, a window, counting and cleaning up take in a large store, beside the same in a small one (C3, S7, S8).
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { postgresStorage } from "#dist/backends/postgres/index.js";
import { createDatabase, type PostgresServer } from "../../test/support/postgres-server.ts";

const SMALL = 1_000;
const READS = 101;
const DAY_MS = 86_400_000;

/** Loads one store with `SMALL` sessions and messages and one with `rows`, and prints what reads of both take. */
export async function measureLarge(server: PostgresServer, rows: number): Promise<void> {
  const small = await loaded(server, SMALL);
  const large = await loaded(server, rows);
  const monthAgo = new Date(Date.now() - 30 * DAY_MS);
  const reads: { readonly name: string; readonly read: (store: Loaded) => Promise<unknown> }[] = [
    { name: "S7 first page of 50, by createdAt", read: ({ storage }) => storage.listSessions({ limit: 50 }) },
    {
      name: "S7 first page of 50, by updatedAt",
      read: ({ storage }) => storage.listSessions({ orderBy: "updatedAt", limit: 50 }),
    },
    { name: "S7 a page of 50 of one user", read: ({ storage }) => storage.listSessions({ userId: "u7", limit: 50 }) },
    {
      name: "S7 a page of 50 in the middle",
      read: ({ storage }) => storage.listSessions({ created: { to: monthAgo }, limit: 50 }),
    },
    {
      name: "S7 a page of 50 by metadata",
      read: ({ storage }) => storage.listSessions({ metadata: { shard: 7 }, limit: 50 }),
    },
    { name: "C3 the newest 50 messages", read: ({ storage }) => storage.getConversationHistory("long", { limit: 50 }) },
    {
      name: "C3 50 messages after the first",
      read: ({ storage }) => storage.getConversationHistory("long", { after: 1, limit: 50 }),
    },
    { name: "getMetrics", read: ({ storage }) => storage.getMetrics() },
  ];
  console.log(`\n| ms a read, median of ${READS} | ${count(SMALL)} rows | ${count(rows)} rows | large : small |`);
  console.log("| --- | ---: | ---: | ---: |");
  for (const { name, read } of reads) {
    const times: { small: number[]; large: number[] } = { small: [], large: [] };
    for (let i = -5; i < READS; i++) {
      for (const which of ["small", "large"] as const) {
        const start = performance.now();
        await read(which === "small" ? small : large);
        if (i >= 0) times[which].push(performance.now() - start);
      }
    }
    const [a, b] = [median(times.small), median(times.large)];
    console.log(`| ${name} | ${a.toFixed(2)} | ${b.toFixed(2)} | ${(b / a).toFixed(2)} |`);
  }
  const { sessions, messages, threads } = await large.storage.getMetrics();
  for (const [name, { value, exact }] of Object.entries({ sessions, messages, threads })) {
    console.log(`getMetrics: ${count(value)} ${name}, ${exact ? "counted" : "estimated"}`);
  }
  await cleanUp(large, rows);
  for (const { storage, pool } of [small, large]) {
    await storage.close();
    await pool.end();
  }
}

/** Removes all sessions, and all but one checkpoint of each thread, while a writer goes on. */
async function cleanUp({ storage, pool }: Loaded, rows: number): Promise<void> {
  await storage.createSession("writer", "ada");
  const works: { readonly name: string; readonly work: () => Promise<unknown> }[] = [
    {
      name: "pruneCheckpoints, one kept of three",
      work: () => storage.pruneCheckpoints({ keepLast: 1 }, { timeoutMs: 3_600_000 }),
    },
    {
      name: "cleanupExpiredSessions",
      work: () => storage.cleanupExpiredSessions({ maxIdleHours: 24, timeoutMs: 3_600_000 }),
    },
  ];
  console.log("\n| work | seconds | rows /s | resident growth | a writer's append: median | longest |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
  for (const { name, work } of works) {
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    let [most, working] = [before, true];
    const waits: number[] = [];
    const writer = (async () => {
      while (working) {
        const start = performance.now();
        await storage.addConversationMessage("writer", "user", "x");
        waits.push(performance.now() - start);
        most = Math.max(most, process.memoryUsage.rss());
        await sleep(20);
      }
    })();
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1_000;
    working = false;
    await writer;
    console.log(
      `| ${name} | ${seconds.toFixed(0)} | ${count(Math.round(rows / seconds))} | ${((most - before) / 1e6).toFixed(0)} MB | ${median(waits).toFixed(1)} ms | ${Math.max(...waits).toFixed(0)} ms |`,
    );
    console.log(`<!-- ${JSON.stringify(result)} -->`);
  }
  const { rows: left } = await pool.query("SELECT count(*)::int AS count FROM waystone.sessions");
  console.log(`\nleft: ${left[0].count} sessions`);
}

interface Loaded {
  readonly storage: ReturnType<typeof postgresStorage>;
  readonly pool: pg.Pool;
}

/** Sessions of two months, a message each, with a thread for one in ten; and one conversation with as many messages. */
async function loaded(server: PostgresServer, rows: number): Promise<Loaded> {
  const url = await createDatabase(server);
  const storage = postgresStorage({ url, pool: { max: 4 } });
  await storage.createSession("long", "ada");
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const step = Math.floor((59 * DAY_MS) / rows);
  const newest = Date.now() - 25 * 3_600_000;
  for (let from = 0; from < rows; from += 50_000) {
    const range = `generate_series(${from}, ${Math.min(rows, from + 50_000) - 1}) i`;
    const at = `${newest}::bigint - i * ${step}::bigint`;
    await pool.query(`
      INSERT INTO waystone.sessions (tenant, session_id, user_id, status, created_at, updated_at, version, request_count,
          total_processing_time, error_count, message_count, last_seq, metadata)
        SELECT 'default', 's' || i, 'u' || i % ${Math.max(10, rows / 100)}, 'active', ${at}, ${at}, 1, 0, 0, 0, 1, 1,
          CASE WHEN i % 10 = 0 THEN jsonb_build_object('shard', i % 1000) ELSE '{}' END FROM ${range};
      INSERT INTO waystone.messages SELECT 'default', 's' || i, 1, 'm' || i, 'user', ${at}, '{}', '"hello"' FROM ${range};
      INSERT INTO waystone.messages SELECT 'default', 'long', i + 1, 'm' || i, 'user', ${at}, '{}', '"hello"' FROM ${range};
      INSERT INTO waystone.threads (tenant, thread_id, session_id, created_at, updated_at, last_seq, checkpoint_count, loose_blocks, kept_blocks)
        SELECT 'default', 't' || i, 's' || i, ${at}, ${at}, 3, 3, 0, 0 FROM ${range} WHERE i % 10 = 0;
      INSERT INTO waystone.checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, needs_parent, size_bytes, created_at, blocks, metadata, manifest)
        SELECT 'default', 't' || i, '', 'c' || n, n, false, 2, ${at}, 0, '{}', '{}' FROM ${range}, generate_series(1, 3) n WHERE i % 10 = 0`);
  }
  await pool.query(
    `UPDATE waystone.sessions SET last_seq = ${rows}, message_count = ${rows} WHERE session_id = 'long'`,
  );
  await pool.query("VACUUM ANALYZE");
  return { storage, pool };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

const count = (value: number): string => value.toLocaleString("en-US");
