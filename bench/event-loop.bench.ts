// How long does each call hold the event loop, at the largest that it is about? A probe that runs whenever the loop is free
// tells the longest time between two of its turns: by the clock, and by the processor time of the thread, which does not count
// what other programs on the machine take. What cannot be cut is said in docs/backends.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { NewMessage } from "#dist/contract/conversation-storage.js";
import type { ItemOperation } from "#dist/contract/item-storage.js";
import type { JsonValue } from "#dist/contract/json.js";
import type { StorageRecord } from "#dist/contract/records.js";
import type { NewSession } from "#dist/contract/session-storage.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";

const { values: options } = parseArgs({
  options: {
    /** Divides how much each call is about, for a quick look. */
    divisor: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    backends: { type: "string", default: "memory,sqlite" },
    directory: { type: "string", default: tmpdir() },
  },
});
const rounds = Number(options.rounds);
const patient = { timeoutMs: 3_600_000 };

/** So many, or fewer when the whole is made smaller. */
const many = (count: number): number => Math.max(1, Math.round(count / Number(options.divisor)));

/** Calls about one store. */
interface Fixture {
  readonly fill: (storage: StorageBackend) => Promise<unknown>;
  readonly calls: readonly Row[];
}

interface Row {
  readonly name: string;
  readonly call: (storage: StorageBackend, given: unknown) => Promise<unknown>;
  /** What the call is given, made anew before each round: nobody waits for that. */
  readonly given?: (storage: StorageBackend) => unknown;
  /** What the call takes away, again; before each round but the first. */
  readonly refill?: (storage: StorageBackend) => Promise<unknown>;
}

const MB = 1_000_000;

const text = (bytes: number): string => "x".repeat(bytes);

const range = <T>(from: number, to: number, make: (i: number) => T): T[] =>
  Array.from({ length: to - from }, (_, i) => make(from + i));

async function inBatches(
  count: number,
  atOnce: number,
  add: (from: number, to: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < count; from += atOnce) await add(from, Math.min(count, from + atOnce));
}

const put = (i: number): ItemOperation => ({ put: { namespace: ["a", `n${i % 5_000}`], key: `k${i}`, value: { i } } });

const putItems = (storage: StorageBackend): Promise<void> =>
  inBatches(many(1_000_000), 1_000, (from, to) => storage.batchItems(range(from, to, put), patient));

const message = (bytes: number): NewMessage => ({ role: "user", content: text(bytes) });

async function converse(storage: StorageBackend, sessionId: string, count: number, bytes: number): Promise<void> {
  await storage.createSession(sessionId, "u", { ifExists: "return" });
  await inBatches(count, 500, (from, to) =>
    storage.addConversationMessages(
      sessionId,
      range(from, to, () => message(bytes)),
    ),
  );
}

const newSession = (i: number): NewSession => ({ sessionId: `s${i}`, userId: `u${i % 10}`, metadata: { i } });

const createSessions = (storage: StorageBackend, count: number): Promise<void> =>
  inBatches(count, 1_000, (from, to) => storage.batchCreateSessions(range(from, to, newSession)));

const storeCheckpoints = (storage: StorageBackend, count: number, state: (i: number) => unknown): Promise<void> =>
  inBatches(count, 200, (from, to) =>
    Promise.all(
      range(from, to, (i) => storage.storeCheckpoint("t", `c${String(i).padStart(7, "0")}`, state(i), patient)),
    ),
  );

/** Text that no two states share, and that does not compress to nothing. */
const unlike = (i: number, bytes: number): string =>
  range(0, bytes / 16, (k) =>
    Math.imul(i * 7_919 + k, 2_654_435_761)
      .toString(16)
      .padStart(16, "0"),
  ).join("");

async function linkThreads(storage: StorageBackend, count: number): Promise<void> {
  await storage.createSession("s", "u");
  await inBatches(count, 200, (from, to) =>
    Promise.all(range(from, to, (i) => storage.storeCheckpoint(`t${i}`, "c", i, { sessionId: "s", ...patient }))),
  );
}

const nothing = async (): Promise<void> => undefined;

/** One value each, of which no two rounds are given the same: with its name, how it is made, and how many MB it has as text. */
const LARGE_VALUES: readonly (readonly [name: string, given: () => unknown, mb: number])[] = [
  [
    "16 MB of messages of 1 KB",
    () => range(0, many(15_000), (i) => ({ role: "user", content: unlike(i + seed(), 1_024) })),
    16,
  ],
  ["4 MB of small objects", () => range(0, many(39_000), (i) => smallObject(i + seed())), 4],
  ["one object of 68,000 keys", () => Object.fromEntries(range(0, many(68_000), (i) => [`key ${i}`, i + seed()])), 2],
  ["1,490,000 numbers", () => range(0, many(1_490_000), (i) => i + seed() / 3), 26],
  ["16 MB in one string", () => unlike(seed(), many(16 * MB)), 16],
  ["16 MB of bytes", () => bytesUnlike(seed(), many(12 * MB)), 16],
  ["64 MB in one string", () => unlike(seed(), many(64 * MB)), 64],
  ["64 MB of bytes", () => bytesUnlike(seed(), many(48 * MB)), 64],
];

const seed = (): number => Math.round(Math.random() * 1e6);

const smallObject = (i: number): unknown => ({
  id: i,
  name: `n${i}`,
  on: i % 2 === 0,
  tags: ["a", `b${i}`],
  at: { x: i / 3 },
});

function bytesUnlike(from: number, bytes: number): Uint8Array {
  const numbers = new Uint32Array(bytes / 4);
  for (let i = 0; i < numbers.length; i++) numbers[i] = Math.imul(from * 7_919 + i, 2_654_435_761);
  return new Uint8Array(numbers.buffer);
}

type Place = "checkpoint" | "context" | "message" | "write" | "item";

/** Storing a value in a place, and reading it. */
function placeRows(place: Place, name: string, given: () => unknown): Row[] {
  const part = (value: unknown) => [{ type: "data", value }];
  const puts: { readonly [Name in Place]: Row["call"] } = {
    checkpoint: (storage, value) => storage.storeCheckpoint("t", "c", value, patient),
    context: (storage, value) => storage.storeTaskContext("s", value, patient),
    message: (storage, value) => storage.addConversationMessage("s", "user", part(value), patient),
    write: (storage, value) => storage.putWrites("t", "c", "task", [["c", value]], { overwrite: true, ...patient }),
    item: (storage, value) => storage.putItem(["large"], "k", { value: value as JsonValue }, patient),
  };
  const gets: { readonly [Name in Place]: Row["call"] } = {
    checkpoint: (storage) => storage.getCheckpoint("t", patient),
    context: (storage) => storage.getTaskContext("s", patient),
    message: (storage) => storage.getConversationHistory("s", { limit: 1, ...patient }),
    write: (storage) => storage.getWrites("t", "c", patient),
    item: (storage) => storage.getItem(["large"], "k", patient),
  };
  return [
    { name: `store a ${place}: ${name}`, given, call: puts[place] },
    { name: `read a ${place}: ${name}`, call: gets[place] },
  ];
}

/** What else looks at the value of an item. */
function itemRows(name: string): Row[] {
  return [
    {
      name: `search items by a filter: ${name}`,
      call: (storage) => storage.searchItems(["large"], { filter: { value: { $exists: true } }, ...patient }),
    },
    {
      name: `update an item: ${name}`,
      call: (storage) => storage.updateItem(["large"], "k", { merge: { seen: seed() } }, patient),
    },
    {
      name: `batchItems of a get and a put: ${name}`,
      call: (storage) =>
        storage.batchItems(
          [{ get: { namespace: ["large"], key: "k" } }, { put: { namespace: ["large"], key: "l", value: { a: 1 } } }],
          patient,
        ),
    },
  ];
}

/** All that the rows before have stored, as records. */
function recordRows(name: string): Row[] {
  const records = async (storage: StorageBackend): Promise<StorageRecord[]> => {
    const all: StorageRecord[] = [];
    for await (const record of storage.exportRecords()) all.push(record);
    return all;
  };
  return [
    { name: `export: ${name}`, call: records },
    {
      name: `import: ${name}`,
      given: records,
      call: (storage, given) => storage.importRecords(given as StorageRecord[], { onConflict: "replace" }),
    },
  ];
}

const FIXTURES: readonly Fixture[] = [
  {
    fill: putItems,
    calls: [
      {
        name: "searchItems among 1,000,000 items, by a filter that nothing matches",
        call: (storage) => storage.searchItems(["a"], { filter: { i: -1 }, ...patient }),
      },
      {
        name: "listNamespaces of 1,000,000 items",
        call: (storage) => storage.listNamespaces({ suffix: ["none"], ...patient }),
      },
      {
        name: "batchItems of a put and a search among 1,000,000 items",
        call: (storage) => storage.batchItems([put(1), { search: { prefix: ["a"], filter: { i: -1 } } }], patient),
      },
      { name: "getMetrics of 1,000,000 items", call: (storage) => storage.getMetrics(patient) },
      {
        name: "deleteItems of 1,000,000 items",
        call: (storage) => storage.deleteItems(["a"], patient),
        refill: putItems,
      },
    ],
  },
  {
    fill: (storage) =>
      inBatches(many(1_000), 50, (from, to) =>
        storage.batchItems(
          range(from, to, (i) => ({ put: { namespace: ["b"], key: `${i}`, value: { v: text(65_536) } } })),
        ),
      ),
    calls: [
      {
        name: "searchItems of 1,000 values of 64 KiB",
        call: (storage) => storage.searchItems(["b"], { limit: 1_000, ...patient }),
      },
      { name: "batchItems of 2,000 puts", call: (storage) => storage.batchItems(range(0, many(2_000), put), patient) },
    ],
  },
  {
    fill: (storage) => converse(storage, "s", many(200_000), 1_000),
    calls: [
      {
        name: "getConversationHistory of 10,000 messages of 1 KB",
        call: (storage) => storage.getConversationHistory("s", { limit: 10_000, ...patient }),
      },
      {
        name: "addConversationMessages of 5,000 messages of 1 KB",
        call: (storage) =>
          storage.addConversationMessages(
            "s",
            range(0, many(5_000), () => message(1_000)),
            patient,
          ),
      },
      {
        name: "deleteConversationMessages of 200,000 messages",
        call: (storage) => storage.deleteConversationMessages("s", "all", patient),
        refill: (storage) => converse(storage, "s", many(200_000), 1_000),
      },
    ],
  },
  {
    fill: (storage) => converse(storage, "s", many(200_000), 1_000),
    calls: [
      {
        name: "deleteSession with 200,000 messages",
        call: (storage) => storage.deleteSession("s", patient),
        refill: (storage) => converse(storage, "s", many(200_000), 1_000),
      },
    ],
  },
  {
    fill: (storage) => linkThreads(storage, many(50_000)),
    calls: [
      {
        name: "listThreads of a session with 50,000 threads",
        call: (storage) => storage.listThreads({ sessionId: "s", limit: 1_000, ...patient }),
      },
      {
        name: "deleteSession with 50,000 threads",
        call: (storage) => storage.deleteSession("s", patient),
        refill: (storage) => linkThreads(storage, many(50_000)),
      },
    ],
  },
  {
    fill: (storage) => createSessions(storage, many(1_000_000)),
    calls: [
      {
        name: "listSessions among 1,000,000 sessions, by a filter that nothing matches",
        call: (storage) => storage.listSessions({ metadata: { i: -1 }, ...patient }),
      },
      { name: "getMetrics of 1,000,000 sessions", call: (storage) => storage.getMetrics(patient) },
      {
        name: "batchGetSessions of 10,000 sessions",
        call: (storage) =>
          storage.batchGetSessions(
            range(0, 10_000, (i) => `s${i}`),
            patient,
          ),
      },
      {
        name: "cleanupExpiredSessions of 1,000,000 sessions, counted",
        call: (storage) => storage.cleanupExpiredSessions({ maxIdleHours: 0, dryRun: true, ...patient }),
      },
      { name: "healthCheck of 1,000,000 sessions", call: (storage) => storage.healthCheck(patient) },
    ],
  },
  {
    fill: (storage) => createSessions(storage, many(100_000)),
    calls: [
      {
        name: "cleanupExpiredSessions of 100,000 sessions",
        call: (storage) => storage.cleanupExpiredSessions({ maxIdleHours: 0, ...patient }),
        refill: (storage) => createSessions(storage, many(100_000)),
      },
      {
        name: "batchCreateSessions of 5,000 sessions",
        call: (storage) =>
          storage.batchCreateSessions(
            range(0, many(5_000), (i) => ({ sessionId: `${Math.random()}-${i}`, userId: "u" })),
            patient,
          ),
      },
    ],
  },
  {
    fill: (storage) => storeCheckpoints(storage, many(100_000), (i) => ({ i })),
    calls: [
      {
        name: "copyThread of 100,000 checkpoints",
        call: async (storage) => storage.copyThread("t", `copy-${Math.random()}`, patient),
      },
      {
        name: "deleteCheckpoints of 1,000 among 100,000",
        call: (storage) =>
          storage.deleteCheckpoints(
            "t",
            range(0, 1_000, (i) => `c${String(i).padStart(7, "0")}`),
            patient,
          ),
      },
      {
        name: "pruneCheckpoints of 100,000 checkpoints, counted",
        call: (storage) => storage.pruneCheckpoints({ keepLast: 1, threadId: "t" }, { dryRun: true, ...patient }),
      },
      {
        name: "pruneCheckpoints of 100,000 checkpoints",
        call: (storage) => storage.pruneCheckpoints({ keepLast: 1, threadId: "t" }, patient),
        refill: (storage) => storeCheckpoints(storage, many(100_000), (i) => ({ i })),
      },
      {
        name: "deleteThread of 100,000 checkpoints",
        call: (storage) => storage.deleteThread("t", patient),
        refill: (storage) => storeCheckpoints(storage, many(100_000), (i) => ({ i })),
      },
    ],
  },
  {
    fill: (storage) => storeCheckpoints(storage, many(10_000), (i) => unlike(i, 16_384)),
    calls: [
      {
        name: "listCheckpoints of 10,000 checkpoints with 16 KB of data",
        call: (storage) => storage.listCheckpoints("t", { limit: 10_000, data: true, ...patient }),
      },
      {
        name: "copyThread of 160 MB",
        call: async (storage) => storage.copyThread("t", `copy-${Math.random()}`, patient),
      },
      {
        name: "exportRecords of 10,000 checkpoints with 16 KB of data",
        call: async (storage) => {
          for await (const _record of storage.exportRecords());
        },
      },
      {
        name: "importRecords of 100,000 items",
        call: (storage) => storage.importRecords(itemRecords(many(100_000)), { onConflict: "replace" }),
      },
      {
        name: "storeCheckpoint of one id, 300 times, beside 10,000 checkpoints with 16 KB of data",
        call: async (storage) => {
          for (let i = 0; i < 300; i++) await storage.storeCheckpoint("t", "again", unlike(seed(), 16_384), patient);
        },
      },
      {
        name: "pruneCheckpoints of 10,000 checkpoints with 16 KB of data",
        call: (storage) => storage.pruneCheckpoints({ keepLast: 1, threadId: "t" }, patient),
        refill: (storage) => storeCheckpoints(storage, many(10_000), (i) => unlike(i, 16_384)),
      },
    ],
  },
  {
    fill: nothing,
    calls: [
      {
        name: "putWrites of 10,000 writes",
        call: (storage) =>
          storage.putWrites(
            "t",
            "c",
            `task-${Math.random()}`,
            range(0, many(10_000), (i) => ["c", i] as const),
            patient,
          ),
      },
      { name: "getWrites of 30,000 writes", call: (storage) => storage.getWrites("t", "c", patient) },
    ],
  },
  {
    fill: (storage) => storage.createSession("s", "u"),
    calls: [
      {
        name: "addConversationMessages of 90 messages of 700 KB",
        given: () => range(0, many(90), (i) => ({ role: "user", content: unlike(i, 700_000) })),
        call: (storage, given) => storage.addConversationMessages("s", given as NewMessage[], patient),
      },
      {
        name: "putWrites of 90 writes of 700 KB",
        given: () => range(0, many(90), (i) => ["c", unlike(i, 700_000)]),
        call: (storage, given) =>
          storage.putWrites("t", "c", "task", given as [string, string][], { overwrite: true, ...patient }),
      },
      { name: "getWrites of 90 writes of 700 KB", call: (storage) => storage.getWrites("t", "c", patient) },
    ],
  },
  {
    fill: (storage) =>
      inBatches(many(100), 4, (from, to) =>
        storage.batchCreateSessions(
          range(from, to, (i) => ({ sessionId: `s${i}`, userId: "u", metadata: { text: unlike(i, MB) } })),
        ),
      ),
    calls: [
      {
        name: "listSessions of 100 sessions with 1 MB of metadata",
        call: (storage) => storage.listSessions({ limit: 100, ...patient }),
      },
      {
        name: "listSessions of 100 sessions with 1 MB of metadata, by a filter",
        call: (storage) => storage.listSessions({ metadata: { i: -1 }, ...patient }),
      },
    ],
  },
  {
    fill: (storage) =>
      inBatches(many(150), 20, (from, to) =>
        storage.batchItems(
          range(from, to, (i) => ({ put: { namespace: ["d"], key: `${i}`, value: { text: unlike(i, 500_000) } } })),
          patient,
        ),
      ),
    calls: [
      {
        name: "batchItems of 120 updates of values of 500 KB",
        call: (storage) =>
          storage.batchItems(
            range(0, many(120), (i) => ({ update: { namespace: ["d"], key: `${i}`, merge: { i } } })),
            patient,
          ),
      },
      {
        name: "batchItems of a put and of 150 gets of 500 KB",
        call: (storage) =>
          storage.batchItems(
            [put(1), ...range(0, many(150), (i) => ({ get: { namespace: ["d"], key: `${i}` } }))],
            patient,
          ),
      },
      {
        name: "getItem of 500 KB, 150 calls at once",
        call: (storage) => Promise.all(range(0, many(150), (i) => storage.getItem(["d"], `${i}`, patient))),
      },
      {
        name: "getItem of 500 KB, 150 calls one after another",
        call: async (storage) => {
          for (let i = 0; i < many(150); i++) await storage.getItem(["d"], `${i}`, patient);
        },
      },
    ],
  },
  ...LARGE_VALUES.map(([name, given, mb]) => ({
    fill: (storage: StorageBackend) => storage.createSession("s", "u"),
    calls: [
      ...(["checkpoint", "context", "message", "write", "item"] as const).flatMap((place) =>
        // An item is plain JSON of at most 16 MiB.
        place === "item" && (mb > 16 || name.includes("bytes")) ? [] : placeRows(place, name, given),
      ),
      ...(mb > 16 || name.includes("bytes") ? [] : itemRows(name)),
      ...recordRows(name),
    ],
  })),
];

function* itemRecords(count: number): Generator<StorageRecord> {
  const instant = "2026-01-01T00:00:00.000Z";
  for (let i = 0; i < count; i++) {
    yield {
      kind: "item",
      namespace: ["i"],
      key: `${i}`,
      value: { i },
      version: 1,
      created_at: instant,
      updated_at: instant,
    };
  }
}

interface Delay {
  readonly wall: number;
  readonly cpu: number;
  readonly took: number;
}

/** Runs a call; the longest time between two turns of the probe, in milliseconds. */
async function longestDelay(call: () => Promise<unknown>): Promise<Delay> {
  let [wall, cpu, over] = [0, 0, false];
  const used = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let [at, spent] = [performance.now(), used()];
  const probe = (): void => {
    const [now, cpuNow] = [performance.now(), used()];
    wall = Math.max(wall, now - at);
    cpu = Math.max(cpu, cpuNow - spent);
    [at, spent] = [now, cpuNow];
    if (!over) setImmediate(probe);
  };
  setImmediate(probe);
  const start = performance.now();
  await call();
  over = true;
  const took = performance.now() - start;
  await new Promise((resolve) => setImmediate(resolve));
  return { wall, cpu, took };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function measure(fixture: Fixture, backend: string, storage: StorageBackend): Promise<void> {
  const rows = fixture.calls.filter(({ name }) => name.includes(options.only));
  if (rows.length === 0) return;
  await fixture.fill(storage);
  for (const { name, call, given, refill } of rows) {
    const found: Delay[] = [];
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await refill?.(storage);
      const value = await given?.(storage);
      globalThis.gc?.();
      found.push(await longestDelay(() => call(storage, value)));
    }
    const cell = (of: "wall" | "cpu"): string => {
      const all = found.map((each) => each[of]);
      return `${Math.min(...all).toFixed(1)} / ${median(all).toFixed(1)}`;
    };
    const seconds = (median(found.map(({ took }) => took)) / 1_000).toFixed(2);
    console.log(`| ${[name, backend, seconds, cell("wall"), cell("cpu")].join(" | ")} |`);
  }
}

const directory = mkdtempSync(join(options.directory, "waystone-bench-"));
const { version, versions } = process;
console.log(`Node.js ${version}, SQLite ${versions.sqlite}, ${cpus().length} x ${cpus()[0]?.model}`);
console.log(
  `\nOf ${rounds} rounds: seconds (median), and the longest delay in milliseconds by the clock and by processor time (least / median)\n`,
);
console.log("| call | store | s | clock | processor |\n| --- | --- | ---: | ---: | ---: |");
try {
  for (const [i, fixture] of FIXTURES.entries()) {
    for (const backend of options.backends.split(",")) {
      const path = join(directory, `${i}.db`);
      await using storage = backend === "memory" ? memoryStorage() : sqliteStorage({ path });
      await measure(fixture, backend, storage);
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}
