// What does a search by similarity cost among many vectors, and for how long does it hold the event loop? Beside it, in the same
// process: LangGraph's InMemoryStore on the same items, and a bare loop over one Float32Array, which shows what the comparisons
// alone take. A time is that of this process's processor, which other work of the machine does not lengthen.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { Embeddings } from "@langchain/core/embeddings";
import { InMemoryStore } from "@langchain/langgraph-checkpoint";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { ItemQuery, VectorDistance } from "#dist/contract/item-storage.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";

const { values: options } = parseArgs({
  options: {
    items: { type: "string", default: "100000" },
    dimensions: { type: "string", default: "384" },
    rounds: { type: "string", default: "15" },
    peer: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const itemCount = Number(options.items);
const dimensions = Number(options.dimensions);
const rounds = Number(options.rounds);

/** Users whose memories these are: a search for one user is about one in so many. */
const USERS = 100;

const { version, versions } = process;
console.log(`Node.js ${version}, SQLite ${versions.sqlite}, ${cpus().length} x ${cpus()[0]?.model}`);
console.log(`${itemCount} items, each a vector of ${dimensions} dimensions`);

/** The same numbers in every run. */
let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32 - 0.5;
}
const vectors = Array.from({ length: itemCount }, () => Float32Array.from({ length: dimensions }, random));
const query = Float32Array.from({ length: dimensions }, random);

const directory = mkdtempSync(join(tmpdir(), "waystone-bench-"));
const memory = memoryStorage();
const sqlite = sqliteStorage({ path: join(directory, "vectors.db"), durability: "process", timeoutMs: 600_000 });
try {
  for (const storage of [memory, sqlite]) await fill(storage);
  const cold = await timed(() => search(sqlite, []));
  console.log(
    `the first search in the file, which reads all vectors: ${cold.processor.toFixed(0)} ms of the processor`,
  );
  await compare();
} finally {
  await memory.close();
  await sqlite.close();
  rmSync(directory, { recursive: true });
}

async function fill(storage: StorageBackend): Promise<void> {
  const start = performance.now();
  for (let from = 0; from < itemCount; from += 500) {
    await storage.batchItems(
      vectors.slice(from, from + 500).map((vector, i) => ({
        put: {
          namespace: ["memories", `user${(from + i) % USERS}`],
          key: `k${from + i}`,
          value: { text: `memory ${from + i}`, kind: `kind${(from + i) % 10}` },
          vectors: [vector],
        },
      })),
      { timeoutMs: 600_000 },
    );
  }
  console.log(
    `${storage.kind}: ${(itemCount / ((performance.now() - start) / 1000)).toFixed(0)} puts a second, 500 in a batch`,
  );
}

function search(
  storage: StorageBackend,
  labels: readonly string[],
  query_: Omit<ItemQuery, "similarTo"> = {},
  distance: VectorDistance = "cosine",
): Promise<unknown> {
  return storage.searchItems(["memories", ...labels], { limit: 10, ...query_, similarTo: { vector: query, distance } });
}

interface Candidate {
  readonly name: string;
  readonly search: () => unknown;
  readonly processor: number[];
  readonly wall: number[];
  longestTurn: number;
}

async function compare(): Promise<void> {
  const of = (name: string, work: () => unknown): Candidate => ({
    name,
    search: work,
    processor: [],
    wall: [],
    longestTurn: 0,
  });
  const filter = { kind: "kind3" };
  const candidates = [of("bare loop, no ranking", bareLoop())];
  for (const storage of [memory, sqlite]) {
    candidates.push(
      of(`${storage.kind}: cosine`, () => search(storage, [])),
      of(`${storage.kind}: dot`, () => search(storage, [], {}, "dot")),
      of(`${storage.kind}: Euclidean`, () => search(storage, [], {}, "euclidean")),
      of(`${storage.kind}: cosine, a filter that one in ten meets`, () => search(storage, [], { filter })),
      of(`${storage.kind}: cosine, the hundredth page`, () => search(storage, [], { offset: 1_000 })),
      of(`${storage.kind}: cosine, one user of ${USERS}`, () => search(storage, ["user7"])),
    );
  }
  if (options.peer) candidates.push(of("InMemoryStore of LangGraph: cosine", await peer()));
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) {
      // The peer takes seconds; a few of them tell enough.
      if (candidate.name.startsWith("InMemoryStore") && round >= 3) continue;
      const { processor, wall, longestTurn } = await timed(candidate.search);
      candidate.processor.push(processor);
      candidate.wall.push(wall);
      candidate.longestTurn = Math.max(candidate.longestTurn, longestTurn);
    }
  }
  console.log("\n| search, limit 10 | processor, median | least | wall, median | longest turn of the event loop |");
  console.log("| --- | ---: | ---: | ---: | ---: |");
  for (const { name, processor, wall, longestTurn } of candidates) {
    const cells = [median(processor), Math.min(...processor), median(wall), longestTurn].map(
      (ms) => `${ms.toFixed(1)} ms`,
    );
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

/** Dot products alone, one after the other. */
function bareLoop(): () => number {
  const all = new Float32Array(itemCount * dimensions);
  for (const [i, vector] of vectors.entries()) all.set(vector, i * dimensions);
  return () => {
    let best = 0;
    for (let from = 0; from < all.length; from += dimensions) {
      let sum = 0;
      for (let i = 0; i < dimensions; i++) sum += (query[i] as number) * (all[from + i] as number);
      best = Math.max(best, sum);
    }
    return best;
  };
}

async function peer(): Promise<() => Promise<unknown>> {
  class Prepared extends Embeddings {
    constructor() {
      super({});
    }
    override async embedDocuments(texts: string[]): Promise<number[][]> {
      return texts.map((text) => Array.from(vectors[Number(text.slice(7))] as Float32Array));
    }
    override async embedQuery(): Promise<number[]> {
      return Array.from(query);
    }
  }
  const store = new InMemoryStore({ index: { dims: dimensions, embeddings: new Prepared(), fields: ["text"] } });
  for (let from = 0; from < itemCount; from += 500) {
    await store.batch(
      vectors.slice(from, from + 500).map((_, i) => ({
        namespace: ["memories", `user${(from + i) % USERS}`],
        key: `k${from + i}`,
        value: { text: `memory ${from + i}`, kind: `kind${(from + i) % 10}` },
      })),
    );
  }
  return () => store.search(["memories"], { query: "query", limit: 10 });
}

async function timed(
  work: () => unknown,
): Promise<{ readonly processor: number; readonly wall: number; readonly longestTurn: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.enable();
  const start = performance.now();
  const before = process.cpuUsage();
  await work();
  const used = process.cpuUsage(before);
  const wall = performance.now() - start;
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return { processor: (used.user + used.system) / 1000, wall, longestTurn: delay.max / 1e6 };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >>> 1] as number;
}
