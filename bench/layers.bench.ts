// What does each layer cost a call: on the memory backend, beside the same storage without it, in turns of one process.
// Options: --rounds N
import { randomUUID } from "node:crypto";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { memoryStorage } from "#dist/backends/memory/index.js";
import type { StorageBackend } from "#dist/contract/storage-backend.js";
import {
  circuitBreaker,
  concurrencyLimit,
  failover,
  intercept,
  type Layer,
  layer,
  logging,
  monitor,
  retry,
  timeout,
  tracing,
  withLayers,
} from "#dist/layers/index.js";

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "150" } } });
const rounds = Number(options.rounds);

/** Calls in a turn: long enough for the clock, short enough that a slow moment of the machine meets both sides. */
const CALLS = 100;
const WARM_UP = 40;

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** What an application that wants all of them would write. */
const wholeStack = (): Layer[] => [
  tracing(),
  logging({ logger: silent }),
  monitor(),
  retry(),
  circuitBreaker(),
  concurrencyLimit(),
  timeout(),
];

const STACKS: readonly (readonly [name: string, layers: () => Layer[]])[] = [
  ["nothing, beside itself", () => []],
  [
    "an interceptor that does nothing",
    () => [layer({ kind: "pass", place: "monitor" }, (backend) => intercept(backend, (_call, next) => next()))],
  ],
  ["monitor", () => [monitor()]],
  ["logging, to a logger that does nothing", () => [logging({ logger: silent })]],
  ["tracing, without an SDK", () => [tracing()]],
  ["retry", () => [retry()]],
  ["circuitBreaker", () => [circuitBreaker()]],
  ["concurrencyLimit", () => [concurrencyLimit()]],
  ["timeout", () => [timeout()]],
  ["all seven", wholeStack],
  [
    "failover to memory, primary-then-fallback",
    () => [failover({ fallback: memoryStorage(), mode: "primary-then-fallback", journal: ":memory:" })],
  ],
  [
    "failover to memory, sync-both",
    () => [failover({ fallback: memoryStorage(), mode: "sync-both", journal: ":memory:" })],
  ],
];

type Work = readonly [name: string, run: (storage: StorageBackend, n: number) => Promise<unknown>];

const messages = Array.from({ length: 200 }, (_, i) => ({
  id: randomUUID(),
  role: i % 2 === 0 ? "user" : "assistant",
  content: `The ${i}th message about trains to Lyon. `.repeat(12),
}));

const WORKS: readonly Work[] = [
  ["getSession", (storage) => storage.getSession("s")],
  [
    "addConversationMessage, 40 bytes",
    (storage, n) => storage.addConversationMessage("s", "user", `message number ${n}, of about forty bytes.`),
  ],
  ["storeCheckpoint, 200 messages", (storage) => storage.storeCheckpoint("t", "c", { messages })],
];

console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}`);
console.log(
  `${rounds} rounds of ${CALLS} calls, one after another; medians of what a call costs more than without the layer, and of the ratio\n`,
);
for (const [work, run] of WORKS) {
  console.log(`**${work}**\n`);
  console.log("| layer | us more a call | x |");
  console.log("| --- | ---: | ---: |");
  const calls = work.startsWith("storeCheckpoint") ? CALLS / 5 : CALLS;
  for (const [name, layers] of STACKS) console.log(await row(name, layers, run, calls));
  console.log();
}

console.log("**addConversationMessage to a conversation that is there, failover to memory, sync-both**\n");
console.log("| messages before | us a call |");
console.log("| ---: | ---: |");
for (const length of [10, 1_000, 10_000]) console.log(`| ${length} | ${(await appendCost(length)).toFixed(0)} |`);

/** Median of single appends: what is copied for each must not grow with what was there before. */
async function appendCost(length: number): Promise<number> {
  const pair = failover({ fallback: memoryStorage(), mode: "sync-both", journal: ":memory:" });
  const storage = withLayers(await prepared(memoryStorage()), [pair]);
  const earlier = Array.from({ length }, (_, i) => ({ role: "user", content: `message ${i}, of about forty bytes.` }));
  for (let at = 0; at < length; at += 1_000) await storage.addConversationMessages("s", earlier.slice(at, at + 1_000));
  const costs: number[] = [];
  for (let n = -WARM_UP; n < rounds; n++) {
    const begun = performance.now();
    await storage.addConversationMessage("s", "user", `message number ${n}, of about forty bytes.`);
    if (n >= 0) costs.push((performance.now() - begun) * 1_000);
  }
  await storage.close();
  return median(costs);
}

async function row(name: string, layers: () => Layer[], run: Work[1], calls: number): Promise<string> {
  const bare = await prepared(memoryStorage());
  const layered = withLayers(await prepared(memoryStorage()), layers());
  const more: number[] = [];
  const ratios: number[] = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    // Each is first in every other round.
    const bareFirst = round % 2 === 0;
    const first = await turn(bareFirst ? bare : layered, run, calls);
    const second = await turn(bareFirst ? layered : bare, run, calls);
    const [without, within] = bareFirst ? [first, second] : [second, first];
    if (round < 0) continue;
    more.push(((within - without) / calls) * 1_000);
    ratios.push(within / without);
  }
  await bare.close();
  await layered.close();
  return `| ${name} | ${median(more).toFixed(2)} | ${median(ratios).toFixed(2)} |`;
}

async function prepared(storage: StorageBackend): Promise<StorageBackend> {
  await storage.createSession("s", "u");
  return storage;
}

async function turn(storage: StorageBackend, run: Work[1], calls: number): Promise<number> {
  const begun = performance.now();
  for (let n = 0; n < calls; n++) await run(storage, n);
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
