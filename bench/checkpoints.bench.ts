// How do checkpoints grow: bytes stored, and time of a put and a get, turn by turn, for states stored whole and for shared blocks.
// A turn adds a question of 0.5 KB and an answer of 1 KB to a state of the usual shape of an agent graph. Both take turns in one
// process on one disk. "In parts": the messages are prepared once, so that each state is known in the parts that the one before had.
// "Whole" is the least that can be done: one row with the encoded state, in the same kind of transaction.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";
import { decodeValue, encodeValue, prepareValue } from "#dist/domain/codec/codec.js";

const { values: options } = parseArgs({
  options: { turns: { type: "string", default: "1000" }, directory: { type: "string", default: tmpdir() } },
});
const turns = Number(options.turns);

/** Puts around a turn whose median is told, and gets at it. */
const SAMPLES = 9;
const TURN_BYTES = 1_536;
const REPORTED = [10, 100, 300, 1_000].filter((turn) => turn <= turns);

const WORDS = (
  "the agent asks what was found in a report about trains to Lyon and which of them leave after noon on Friday it reads each " +
  "page that the search has named writes down what seems to matter compares prices with those of last week checks whether " +
  "seats are left for two people because one ticket alone would not help answers questions again when somebody changes"
).split(" ");

let state = 1;
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function prose(length: number): string {
  let text = "";
  while (text.length < length) text += random(9) === 0 ? `${random(100_000)} ` : `${WORDS[random(WORDS.length)]} `;
  return text.slice(0, length);
}

interface Store {
  readonly name: string;
  /** Whether it is given prepared messages. */
  readonly inParts: boolean;
  put(turn: number, data: unknown): Promise<void>;
  get(): Promise<unknown>;
  /** A read by one who has the state. */
  getAgain?(): Promise<unknown>;
  bytes(): number | null;
  close(): Promise<void>;
  readonly puts: number[];
  readonly rows: Map<number, { put: number; get: number; again: number | null; bytes: number | null }>;
}

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${options.directory}\n`);
try {
  const stores = [
    wholeStore(),
    storeOf("SQLite, blocks", sqliteStorage(join(directory, "blocks.db")), "blocks.db"),
    storeOf("SQLite, in parts", sqliteStorage(join(directory, "parts.db")), "parts.db", true),
    storeOf("memory, blocks", memoryStorage()),
    storeOf("memory, in parts", memoryStorage(), undefined, true),
  ];
  await run(stores);
  report(stores);
  for (const store of stores) await store.close();
} finally {
  rmSync(directory, { recursive: true });
}

async function run(stores: readonly Store[]): Promise<void> {
  const messages: unknown[] = [];
  const prepared: unknown[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    const added = [
      { type: "human", id: `q${turn}`, content: prose(512) },
      { type: "ai", id: `a${turn}`, content: prose(1_024) },
    ];
    messages.push(...added);
    prepared.push(...added.map((message) => prepareValue(message)));
    const stateOf = (list: unknown[]): unknown => ({
      v: 4,
      id: `checkpoint-${turn}`,
      ts: new Date(1_900_000_000_000 + turn * 60_000).toISOString(),
      channel_values: { messages: list, step: turn },
      channel_versions: { messages: turn, step: turn },
      versions_seen: { agent: { messages: turn } },
    });
    for (const store of stores) {
      const data = stateOf(store.inParts ? prepared : messages);
      const start = performance.now();
      await store.put(turn, data);
      store.puts.push(performance.now() - start);
      if (!REPORTED.includes(turn)) continue;
      const { getAgain } = store;
      store.rows.set(turn, {
        put: median(store.puts.slice(-SAMPLES)),
        get: await timed(store.get),
        again: getAgain === undefined ? null : await timed(getAgain),
        bytes: store.bytes(),
      });
    }
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
}

function report(stores: readonly Store[]): void {
  const [whole] = stores;
  console.log("| turn | store | put ms | get ms | get again ms | bytes stored | x text | whole / this |");
  console.log("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const turn of REPORTED) {
    for (const store of stores) {
      const row = store.rows.get(turn);
      const base = whole?.rows.get(turn);
      if (row === undefined) continue;
      const ratio = row.bytes === null ? "" : (row.bytes / (turn * TURN_BYTES)).toFixed(1);
      const saved = row.bytes === null ? "" : ((base?.bytes ?? 0) / row.bytes).toFixed(1);
      console.log(
        `| ${turn} | ${store.name} | ${row.put.toFixed(2)} | ${row.get.toFixed(2)} | ${row.again?.toFixed(2) ?? ""} | ${row.bytes ?? ""} | ${ratio} | ${saved} |`,
      );
    }
  }
}

/** One row a checkpoint with the whole state, synced to the disk at each. */
function wholeStore(): Store {
  const path = join(directory, "whole.db");
  const db = new DatabaseSync(path);
  db.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE states (turn INTEGER PRIMARY KEY, data TEXT)",
  );
  const insert = db.prepare("INSERT INTO states VALUES (?, ?)");
  const latest = db.prepare("SELECT data FROM states ORDER BY turn DESC LIMIT 1");
  return {
    name: "SQLite, whole",
    inParts: false,
    put: async (turn, data) => void insert.run(turn, encodeValue(data)),
    get: async () => decodeValue(latest.get()?.data as string),
    bytes: () => {
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return statSync(path).size;
    },
    close: async () => db.close(),
    puts: [],
    rows: new Map(),
  };
}

function storeOf(name: string, storage: StorageBackend, file?: string, inParts = false): Store {
  return {
    name,
    inParts,
    put: async (turn, data) => void (await storage.storeCheckpoint("t", `c${turn}`, data)),
    get: async () => (await storage.getCheckpoint("t"))?.data,
    getAgain: async () => {
      const [head] = await storage.listCheckpoints("t", { limit: 1 });
      return storage.getCheckpoint("t", { ifNoneMatch: head?.etag });
    },
    bytes: () => {
      if (file === undefined) return null;
      const db = new DatabaseSync(join(directory, file));
      const { bytes } = db
        .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
        .get() as {
        bytes: number;
      };
      db.close();
      return bytes;
    },
    close: () => storage.close(),
    puts: [],
    rows: new Map(),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
