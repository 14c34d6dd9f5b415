// What batches save: 1,000 concurrent appends, to few or many conversations, on a SQLite file with the layer and without, in turns.
// "One by one" awaits each append before the next: what a program has that does not run them together.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { postgresStorage } from "#dist/backends/postgres/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";
import { batch, bufferedWriter } from "#dist/layers/index.js";
import { createDatabase, startPostgres } from "../test/support/postgres-server.ts";

const { values: options } = parseArgs({
  // A server of its own is started for PostgreSQL.
  options: { postgres: { type: "boolean", default: false }, directory: { type: "string", default: tmpdir() } },
});

const APPENDS = 1_000;
const ROUNDS = 9;
/** Rounds that are not counted: connections are opened in them, and a server plans a statement anew the first five times on each. */
const WARM_UP = 6;
const CONTENT = "what was said in this message, some words of it ".repeat(8);

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

async function perSecond(run: () => Promise<unknown>, appends = APPENDS): Promise<number> {
  const start = performance.now();
  await run();
  return (appends * 1_000) / (performance.now() - start);
}

async function measure(name: string, store: StorageBackend): Promise<void> {
  const layer = batch();
  const storage = layer(store);
  console.log(`${name}: appends a second, medians of ${ROUNDS} rounds`);
  for (const sessions of [1, 10, 100]) {
    for (let i = 0; i < sessions; i++) await store.createSession(`${sessions}-${i}`, "u", { ifExists: "return" });
    const together = (on: StorageBackend): Promise<unknown> =>
      Promise.all(
        Array.from({ length: APPENDS }, (_, i) =>
          on.addConversationMessage(`${sessions}-${i % sessions}`, "user", CONTENT),
        ),
      );
    const rates = {
      oneByOne: [] as number[],
      plain: [] as number[],
      batched: [] as number[],
      buffered: [] as number[],
    };
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      rates.oneByOne.push(
        await perSecond(async () => {
          for (let i = 0; i < 100; i++)
            await store.addConversationMessage(`${sessions}-${i % sessions}`, "user", CONTENT);
        }, 100),
      );
      rates.plain.push(await perSecond(() => together(store)));
      rates.batched.push(await perSecond(() => together(storage)));
      rates.buffered.push(
        await perSecond(async () => {
          const writer = bufferedWriter(store);
          for (let i = 0; i < APPENDS; i++) await writer.append(`${sessions}-${i % sessions}`, "user", CONTENT);
          await writer.close({ timeoutMs: 60_000 });
        }),
      );
    }
    const [oneByOne, plain, batched, buffered] = [rates.oneByOne, rates.plain, rates.batched, rates.buffered].map(
      (all) => median(all.slice(WARM_UP)),
    );
    const times = (rate = 0): string => `${rate.toFixed(0)} (${(rate / (oneByOne ?? 1)).toFixed(1)} x)`;
    console.log(
      `  ${sessions} conversations: one by one ${oneByOne?.toFixed(0)}; ${APPENDS} together ${times(plain)}, in batches ${times(batched)}; buffered, one by one ${times(buffered)}`,
    );
  }
  console.log(`  messages a batch: ${layer.stats().messagesPerBatch.toFixed(0)}`);
  const counting = batch({ counters: true })(store);
  const counted = (on: StorageBackend): Promise<unknown> =>
    Promise.all(
      Array.from({ length: APPENDS }, (_, i) => on.updateSession(`10-${i % 10}`, { incrementRequests: true })),
    );
  const [plain, gathered] = [[] as number[], [] as number[]];
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await perSecond(() => counted(store)));
    gathered.push(await perSecond(() => counted(counting)));
  }
  const ratio = median(gathered) / median(plain);
  console.log(
    `  ${APPENDS} updates that count, of 10 sessions: together ${median(plain).toFixed(0)} a second, gathered ${median(gathered).toFixed(0)} (${ratio.toFixed(1)} x)`,
  );
  await store.close();
}

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}\n`);
try {
  await measure("SQLite", sqliteStorage(join(directory, "store.db")));
  if (options.postgres) {
    await using server = await startPostgres();
    await measure("PostgreSQL", postgresStorage({ url: await createDatabase(server) }));
  }
} finally {
  rmSync(directory, { recursive: true });
}
