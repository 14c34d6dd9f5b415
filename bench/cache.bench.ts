// What the cache saves: a skewed load of reads, some appends among them, on a SQLite file with the cache and without, in turns.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";
import { cache } from "#dist/layers/index.js";

const ROUNDS = 7;
const SESSIONS = 300;
const READS = 1_500;
const WRITES_IN_100 = 5;

let state = 1;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** Few sessions are asked for often: the share of one falls with its rank. */
const skewed = (): string => `s${Math.floor(SESSIONS ** random()) - 1}`;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

interface Load {
  readonly name: string;
  read(storage: StorageBackend, id: string): Promise<unknown>;
}

const LOADS: readonly Load[] = [
  { name: "a session", read: (storage, id) => storage.getSession(id) },
  { name: "the newest 50 messages", read: (storage, id) => storage.getConversationHistory(id) },
  { name: "the latest checkpoint (60 KB)", read: (storage, id) => storage.getCheckpoint(id) },
];

async function milliseconds(storage: StorageBackend, { read }: Load, seed: number): Promise<number> {
  state = seed;
  const start = performance.now();
  for (let i = 0; i < READS; i++) {
    const id = skewed();
    if (i % 100 < WRITES_IN_100) await storage.addConversationMessage(id, "user", "one more message");
    else await read(storage, id);
  }
  return performance.now() - start;
}

const directory = mkdtempSync(join(tmpdir(), "waystone-bench-"));
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}`);
console.log(`${READS} calls over ${SESSIONS} sessions, ${WRITES_IN_100} in 100 are appends\n`);
try {
  const store = sqliteStorage({ path: join(directory, "store.db"), durability: "process" });
  for (let i = 0; i < SESSIONS; i++) {
    await store.createSession(`s${i}`, "u");
    const content = "what was said in this message, some words of it ".repeat(8);
    await store.addConversationMessages(
      `s${i}`,
      Array.from({ length: 60 }, () => ({ role: "user", content })),
    );
    const messages = Array.from({ length: 150 }, (_, n) => ({ n, content }));
    await store.storeCheckpoint(`s${i}`, "c", { messages });
  }
  for (const load of LOADS) {
    const layers = { never: cache(), always: cache({ validate: "always" }) };
    const stores = { plain: store, never: layers.never(store), always: layers.always(store) };
    const times = { plain: [] as number[], never: [] as number[], always: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of ["plain", "never", "always"] as const) {
        times[name].push(await milliseconds(stores[name], load, round + 1));
      }
    }
    const plain = median(times.plain);
    const line = (name: "never" | "always"): string =>
      `${(plain / median(times[name])).toFixed(1)} x (hit rate ${layers[name].stats().hitRate.toFixed(2)})`;
    console.log(
      `${load.name}: ${((plain * 1_000) / READS).toFixed(0)} µs a call; cached ${line("never")}; validated ${line("always")}`,
    );
  }
  await store.close();
} finally {
  rmSync(directory, { recursive: true });
}
