// What encryption costs: the same work on the same store in memory, and in a SQLite file, with the layer and without, in turns.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";
import { prepareValue } from "#dist/domain/codec/codec.js";
import { encryption, keyRing } from "#dist/layers/index.js";

const ROUNDS = 9;
const layer = encryption({ keys: keyRing({ current: "k1", keys: { k1: randomBytes(32) } }) });
const WORDS = "the agent asks what was found in a report about trains to Lyon and which of them leave after noon".split(
  " ",
);

let state = 1;
function prose(length: number): string {
  let text = "";
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += `${state % 9 === 0 ? state % 100_000 : WORDS[state % WORDS.length]} `;
  }
  return text.slice(0, length);
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Microseconds of one call, of many one after the other. */
async function timed(times: number, call: (i: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await call(i);
  return ((performance.now() - start) * 1_000) / times;
}

interface Work {
  readonly name: string;
  readonly times: number;
  prepare(storage: StorageBackend): Promise<(i: number) => Promise<unknown>>;
}

const conversation = (turns: number): unknown[] =>
  Array.from({ length: turns * 2 }, (_, i) => prepareValue({ id: `m${i}`, content: prose(i % 2 === 0 ? 512 : 1_024) }));

const WORKS: readonly Work[] = [
  {
    name: "append a message of 0.5 KB",
    times: 300,
    prepare: async (storage) => {
      const id = randomBytes(8).toString("hex");
      await storage.createSession(id, "u");
      const text = prose(512);
      return () => storage.addConversationMessage(id, "user", text);
    },
  },
  {
    name: "read the newest 50 messages",
    times: 60,
    prepare: async (storage) => {
      const id = randomBytes(8).toString("hex");
      await storage.createSession(id, "u");
      const messages = Array.from({ length: 60 }, () => ({ role: "user", content: prose(512) }));
      await storage.addConversationMessages(id, messages);
      return () => storage.getConversationHistory(id);
    },
  },
  {
    name: "store a state of 1,000 turns, one turn more each time",
    times: 10,
    prepare: async (storage) => {
      const id = randomBytes(8).toString("hex");
      const messages = conversation(1_000);
      await storage.storeCheckpoint(id, "first", { messages });
      return (i) => {
        messages.push(...conversation(1));
        return storage.storeCheckpoint(id, `c${i}`, { messages: [...messages] });
      };
    },
  },
  {
    name: "read a state of 1,000 turns",
    times: 5,
    prepare: async (storage) => {
      const id = randomBytes(8).toString("hex");
      await storage.storeCheckpoint(id, "only", { messages: conversation(1_000) });
      return () => storage.getCheckpoint(id);
    },
  },
];

const directory = mkdtempSync(join(tmpdir(), "waystone-bench-"));
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}\n`);
try {
  const stores: readonly [string, () => StorageBackend][] = [
    ["memory", () => memoryStorage()],
    [
      "SQLite",
      () => sqliteStorage({ path: join(directory, `${randomBytes(4).toString("hex")}.db`), durability: "process" }),
    ],
  ];
  for (const [name, open] of stores) {
    const [plain, encrypted] = [open(), layer(open())];
    for (const work of WORKS) {
      const [callPlain, callEncrypted] = [await work.prepare(plain), await work.prepare(encrypted)];
      const times: { plain: number; encrypted: number }[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const first = await timed(work.times, (i) => callPlain(round * work.times + i));
        times.push({ plain: first, encrypted: await timed(work.times, (i) => callEncrypted(round * work.times + i)) });
      }
      const [a, b] = [median(times.map((each) => each.plain)), median(times.map((each) => each.encrypted))];
      console.log(`${name}: ${work.name}: ${a.toFixed(0)} µs, encrypted ${b.toFixed(0)} µs (${(b / a).toFixed(2)} x)`);
    }
    await plain.close();
    await encrypted.close();
  }
  console.log();
  for (const whole of [false, true]) {
    const sizes: number[] = [];
    for (const around of [(storage: StorageBackend) => storage, layer]) {
      const path = join(directory, `${randomBytes(4).toString("hex")}.db`);
      const storage = around(sqliteStorage({ path, durability: "process" }));
      state = 1;
      const messages: unknown[] = [];
      for (let turn = 0; turn < 300; turn++) {
        for (const length of [512, 1_024]) {
          const message = { id: `${turn}-${length}`, content: prose(length) };
          messages.push(whole ? message : prepareValue(message));
        }
        await storage.storeCheckpoint("t", `c${turn}`, { messages: [...messages], turn });
      }
      await storage.close();
      sizes.push(statSync(path).size);
    }
    const [plain = 1, encrypted = 0] = sizes;
    const how = whole ? "states that come whole" : "prepared messages";
    console.log(
      `bytes after 300 turns, ${how}: ${(plain / 1024).toFixed(0)} KiB, encrypted ${(encrypted / 1024).toFixed(0)} KiB (${(encrypted / plain).toFixed(2)} x)`,
    );
  }
} finally {
  rmSync(directory, { recursive: true });
}
