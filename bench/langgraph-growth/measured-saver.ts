// Runs in a process of its own: takes one saver through the conversation as far as it is asked to, and says how long each turn took.
import { setImmediate } from "node:timers/promises";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { type GraphRun, startGraph } from "./graph.ts";
import { median } from "./measure.ts";
import type { Answer, Ask, SaverTask } from "./saver-process.ts";
import { type OpenSaver, type Subject, subject } from "./savers.ts";

const WARM_UP_TURNS = 100;
const GET_STATES = 9;

const { name, isCpu, ...place } = JSON.parse(process.argv[2] ?? "") as SaverTask;
const now = isCpu ? cpuMs : () => performance.now();
const measured = subject(name, place);
await warmUp(measured);
const open = await measured.open("measured");
const graph = startGraph(open.saver);
let turns = 0;
let heap = 0;
process.on("message", (ask: Ask) => void answer(ask));
process.send?.("ready");

async function answer(ask: Ask): Promise<void> {
  if (ask === "end") {
    await open.close();
    process.disconnect();
  } else process.send?.(await takeTurns(ask.until, open, graph));
}

async function takeTurns(until: number, { bytes }: OpenSaver, { turn, messages }: GraphRun): Promise<Answer> {
  const before = await heapBytes();
  const turnMs: number[] = [];
  for (; turns < until; turns++) {
    const start = now();
    await turn();
    turnMs.push(now() - start);
  }
  const getStateMs = await medianGetState(messages, 2 * until);
  heap += (await heapBytes()) - before;
  return { turnMs, getStateMs, bytes: (await bytes?.()) ?? heap };
}

async function warmUp({ open }: Subject): Promise<void> {
  const { saver, close } = await open("warm_up");
  const { turn, messages } = startGraph(saver);
  for (let i = 0; i < WARM_UP_TURNS; i++) await turn();
  for (let i = 0; i < GET_STATES; i++) await messages();
  await close();
}

async function medianGetState(messages: () => Promise<BaseMessage[]>, expected: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < GET_STATES; i++) {
    const start = now();
    const found = await messages();
    times.push(now() - start);
    if (found.length !== expected || !(found.at(-1) instanceof AIMessage)) {
      throw new Error(`getState gave ${found.length} messages of ${expected}`);
    }
  }
  return median(times);
}

/** Milliseconds that this process has computed, on all of its threads; other work on the machine hardly counts. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** What is in use, collected first: memory outside the heap is given back only after the event loop has gone round. */
async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
