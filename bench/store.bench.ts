// What does LangGraph's long-term memory cost: put, get, search and batches of 100, beside LangGraph's own stores in memory and in PostgreSQL.
// All stores hold the same items and take turns in one process. Options: --rounds N  --directory FOLDER
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BaseStore, InMemoryStore, type Operation } from "@langchain/langgraph-checkpoint";
import { WaystoneStore } from "#dist/adapters/langgraph/index.js";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import { postgresServer } from "./langgraph-growth/postgres-server.ts";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "300" }, directory: { type: "string", default: tmpdir() } },
});
const rounds = Number(options.rounds);

const USERS = 20;
const ITEMS_EACH = 100;
const BATCH = 100;
const WARM_UP = 20;

interface Subject {
  readonly name: string;
  readonly store: BaseStore;
  close(): Promise<void>;
}

/** One thing that is measured: what round `n` does. */
type Work = readonly [name: string, run: (store: BaseStore, n: number) => Promise<unknown>];

const WORKS: readonly Work[] = [
  ["put", (store, n) => store.put(memories(n), keyOf(n), memory(n))],
  ["get", (store, n) => store.get(memories(n), keyOf(n * 7))],
  ["search, 10 of 20 of 100", (store, n) => store.search(memories(n), { filter: { kind: `kind${n % 5}` } })],
  ["batch of 100 puts", (store, n) => store.batch(batch(n, (i) => ({ ...place(n + i), value: memory(n + i) })))],
  ["batch of 100 gets", (store, n) => store.batch(batch(n, (i) => place(n + i)))],
];

function memories(n: number): string[] {
  return ["users", `user${n % USERS}`, "memories"];
}

function keyOf(n: number): string {
  return `memory${n % ITEMS_EACH}`;
}

function place(n: number): { namespace: string[]; key: string } {
  return { namespace: memories(n), key: keyOf(Math.floor(n / USERS)) };
}

/** About 1 KB. */
function memory(n: number): Record<string, unknown> {
  const text = `The ${n}th thing that a user has said about trains. `.repeat(19);
  return { kind: `kind${Math.floor(n / USERS) % 5}`, importance: n % 10, text, tags: ["travel", "trains"] };
}

function batch(n: number, operation: (i: number) => Operation): Operation[] {
  return Array.from({ length: BATCH }, (_, i) => operation(n + i));
}

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${options.directory}\n`);
const subjects: Subject[] = [];
try {
  subjects.push({ name: "InMemoryStore", store: new InMemoryStore(), close: async () => undefined });
  subjects.push(own("Waystone, memory", memoryStorage()));
  subjects.push(own("Waystone, SQLite", sqliteStorage(join(directory, "store.db"))));
  const postgres = await postgresSubject();
  if (postgres instanceof Error) console.log(`PostgresStore is left out: ${postgres.message}\n`);
  else subjects.push(postgres);
  await measure();
} finally {
  for (const subject of subjects) await subject.close();
  rmSync(directory, { recursive: true });
}

function own(name: string, storage: ReturnType<typeof memoryStorage>): Subject {
  return { name, store: new WaystoneStore(storage), close: () => storage.close() };
}

async function postgresSubject(): Promise<Subject | Error> {
  const server = await postgresServer();
  if (server instanceof Error) return server;
  const { PostgresStore } = await import("@langchain/langgraph-checkpoint-postgres/store");
  const store = new PostgresStore({ connectionOptions: server.url, schema: `bench_store_${process.pid}` });
  await store.setup();
  return {
    name: "PostgresStore",
    store,
    async close() {
      await store.stop();
      await server.stop();
    },
  };
}

async function measure(): Promise<void> {
  for (const { store } of subjects) {
    for (let n = 0; n < USERS * ITEMS_EACH; n += BATCH) {
      await store.batch(
        batch(n, (i) => ({ ...place(i), value: memory(i) })).map((put, i) => ({ ...put, ...place(n + i) })),
      );
    }
  }
  console.log(
    `${USERS * ITEMS_EACH} items of 1 KB, ${rounds} rounds; medians, and medians of the ratios within a round\n`,
  );
  const peers = subjects.filter(({ name }) => !name.startsWith("Waystone")).map(({ name }) => name);
  console.log(`| operation | store | us | ${peers.map((name) => `x ${name}`).join(" | ")} |`);
  console.log(`| --- | --- | ---: | ${peers.map(() => "---:").join(" | ")} |`);
  for (const [work, run] of WORKS) {
    const times = new Map(subjects.map(({ name }) => [name, [] as number[]]));
    for (let n = -WARM_UP; n < rounds; n++) {
      for (const { name, store } of subjects) {
        const start = performance.now();
        await run(store, n + WARM_UP);
        if (n >= 0) times.get(name)?.push(performance.now() - start);
      }
    }
    for (const [name, own] of times) {
      const ratios = peers.map((peer) => ratio(own, times.get(peer) ?? []));
      console.log(`| ${work} | ${name} | ${Math.round(median(own) * 1_000)} | ${ratios.join(" | ")} |`);
    }
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function ratio(times: readonly number[], base: readonly number[]): string {
  return median(times.map((time, i) => time / (base[i] ?? Number.NaN))).toFixed(2);
}
