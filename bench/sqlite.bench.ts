// What does the SQLite backend cost beside a bare INSERT, and what does it give for it: group commit, reads whose time does not
// depend on the length of a conversation, deletions that leave the event loop alone.
// All that is compared runs in one process, in turns of a fraction of a second, so that a slow moment of the disk meets them all.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    messages: { type: "string", default: "1000000" },
    deleted: { type: "string", default: "200000" },
    directory: { type: "string", default: tmpdir() },
  },
});
const rounds = Number(options.rounds);
const longLength = Number(options.messages);
const deletedLength = Number(options.deleted);

/** Milliseconds of work in a turn. */
const TURN_MS = 300;

/** Callers at once, and the length of a content: 1 KiB as encoded text. */
const CALLERS = 50;
const content = "x".repeat(1_022);

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
const { version, versions } = process;
console.log(
  `Node.js ${version}, SQLite ${versions.sqlite}, ${cpus().length} x ${cpus()[0]?.model}, ${options.directory}`,
);
try {
  await writing();
  await reading();
  await deleting();
} finally {
  rmSync(directory, { recursive: true });
}

interface Writer {
  readonly name: string;
  /** Writes for about a turn and returns how many rows. */
  readonly turn: () => Promise<number>;
  readonly rates: number[];
}

async function writing(): Promise<void> {
  const bare = bareInsert();
  const stores = await Promise.all(["one", "same", "own"].map((name) => openStore(name)));
  const [one, same, own] = stores as [StorageBackend, StorageBackend, StorageBackend];
  const writers: Writer[] = [
    { name: "bare prepared INSERT", turn: bare.turn, rates: [] },
    { name: "one caller", turn: () => appending(one, 1, () => "session-0"), rates: [] },
    { name: `${CALLERS} callers, one session`, turn: () => appending(same, CALLERS, () => "session-0"), rates: [] },
    {
      name: `${CALLERS} callers, a session each`,
      turn: () => appending(own, CALLERS, (i) => `session-${i}`),
      rates: [],
    },
  ];
  for (let round = -2; round < rounds; round++) {
    for (const { turn, rates } of writers) {
      const start = performance.now();
      const rows = await turn();
      if (round >= 0) rates.push((rows / (performance.now() - start)) * 1_000);
    }
  }
  bare.close();
  for (const store of stores) await store.close();

  const [base, single] = writers as [Writer, Writer];
  console.log(
    `\n1 KiB rows, durable to power loss, ${rounds} rounds; medians, and medians of the ratios within a round\n`,
  );
  console.log("| writer | rows/s | x bare INSERT | x one caller |");
  console.log("| --- | ---: | ---: | ---: |");
  for (const { name, rates } of writers) {
    const cells = [name, Math.round(median(rates)), ratio(rates, base.rates), ratio(rates, single.rates)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** The peer: what a program without this library would do at least. */
function bareInsert(): { turn: () => Promise<number>; close: () => void } {
  const db = new DatabaseSync(join(directory, "bare.db"));
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE messages (id INTEGER PRIMARY KEY, session INTEGER, seq INTEGER, body TEXT, UNIQUE (session, seq))`);
  const insert = db.prepare("INSERT INTO messages (session, seq, body) VALUES (?, ?, ?)");
  let seq = 0;
  return {
    turn: async () => {
      const first = seq;
      for (const end = performance.now() + TURN_MS; performance.now() < end; ) insert.run(1, ++seq, content);
      return seq - first;
    },
    close: () => db.close(),
  };
}

async function openStore(name: string): Promise<StorageBackend> {
  const store = sqliteStorage(join(directory, `${name}.db`));
  for (let i = 0; i < CALLERS; i++) await store.createSession(`session-${i}`, `user-${i % 7}`);
  return store;
}

/** Each caller appends as soon as its last append is acknowledged. */
async function appending(store: StorageBackend, callers: number, session: (caller: number) => string): Promise<number> {
  const end = performance.now() + TURN_MS;
  let rows = 0;
  const caller = async (id: string): Promise<void> => {
    while (performance.now() < end) {
      await store.addConversationMessage(id, "user", content);
      rows += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(session(i))));
  return rows;
}

async function reading(): Promise<void> {
  const store = await openStore("history");
  await fill(store, "session-0", 1_000);
  await fill(store, "session-1", longLength);
  const sessions = { short: "session-0", long: "session-1" };
  const times: { short: number[]; long: number[]; shortRole: number[]; longRole: number[] } = {
    short: [],
    long: [],
    shortRole: [],
    longRole: [],
  };
  for (let round = -200; round < 1_000; round++) {
    for (const length of ["short", "long"] as const) {
      const plain = await time(() => store.getConversationHistory(sessions[length], { limit: 50 }));
      const role = await time(() => store.getConversationHistory(sessions[length], { limit: 50, roles: ["tool"] }));
      if (round < 0) continue;
      times[length].push(plain);
      times[`${length}Role`].push(role);
    }
  }
  await store.close();
  console.log(`\nThe newest 50 messages of 1 KiB; medians of 1,000 reads in turns, in microseconds\n`);
  console.log(`| read | of 1,000 | of ${longLength.toLocaleString("en")} | ratio |`);
  console.log("| --- | ---: | ---: | ---: |");
  for (const [name, short, long] of [
    ["of all roles", times.short, times.long],
    ["of one role, one message in 20", times.shortRole, times.longRole],
  ] as const) {
    const cells = [name, micros(short), micros(long), (median(long) / median(short)).toFixed(2)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

async function deleting(): Promise<void> {
  console.log(`\nWhile ${deletedLength.toLocaleString("en")} messages of 1 KiB are deleted\n`);
  console.log("| call | seconds | longest delay of the event loop, ms |");
  console.log("| --- | ---: | ---: |");
  const store = await openStore("deleting");
  for (const [name, call] of [
    ["deleteSession", () => store.deleteSession("session-0", { timeoutMs: 600_000 })],
    ["deleteConversationMessages", () => store.deleteConversationMessages("session-1", "all", { timeoutMs: 600_000 })],
  ] as const) {
    await fill(store, name === "deleteSession" ? "session-0" : "session-1", deletedLength);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    delay.enable();
    const elapsed = await time(call);
    await new Promise((resolve) => setTimeout(resolve, 5));
    delay.disable();
    console.log(`| ${name} | ${(elapsed / 1_000).toFixed(1)} | ${(delay.max / 1e6).toFixed(1)} |`);
  }
  await store.close();
}

async function fill(store: StorageBackend, sessionId: string, count: number): Promise<void> {
  for (let added = 0; added < count; added += 500) {
    const messages = Array.from({ length: Math.min(500, count - added) }, (_, i) => ({
      role: i % 20 === 0 ? "tool" : i % 2 === 0 ? "user" : "assistant",
      content,
    }));
    await store.addConversationMessages(sessionId, messages);
  }
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The median of the ratios of each round. */
function ratio(rates: readonly number[], base: readonly number[]): string {
  return median(rates.map((rate, round) => rate / (base[round] ?? Number.NaN))).toFixed(2);
}

function micros(times: readonly number[]): string {
  return (median(times) * 1_000).toFixed(0);
}
