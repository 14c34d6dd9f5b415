// What does the Redis backend cost beside the same commands sent bare through `ioredis`, what does a message and a checkpoint take of
// the server's memory, and how much would the official RedisSaver send? All that is compared runs in one process on one server, in turns.
import { parseArgs } from "node:util";
import { HumanMessage } from "@langchain/core/messages";
import { emptyCheckpoint } from "@langchain/langgraph-checkpoint";
import { Redis } from "ioredis";
import { WaystoneSaver } from "#dist/adapters/langgraph/index.js";
import { redisStorage } from "#dist/backends/redis/index.js";
import { startRedis } from "../test/support/redis-server.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    messages: { type: "string", default: "1000" },
    sync: { type: "boolean", default: false },
    // Measures those calls alone whose name holds this.
    only: { type: "string", default: "" },
  },
});
const rounds = Number(options.rounds);
const TURN_MS = 300;
const WARM_UP_MS = 1_000;
const SESSIONS = 100;
const text = "x".repeat(1_022);
const content = JSON.stringify(text);

const settings = options.sync ? {} : { appendfsync: "no" };
await using server = await startRedis({ inMemory: true, settings });
const storage = redisStorage(server.url);
const bare = new Redis(server.url);
const state = { plan: ["search", "book"], notes: "n".repeat(800) };
for (let i = 0; i < SESSIONS; i++) {
  await storage.createSession(`s${i}`, `u${i}`, { metadata: { topic: "trains" } });
  await storage.addConversationMessages(
    `s${i}`,
    Array.from({ length: 100 }, () => ({ role: "user", content: text })),
  );
  await storage.storeCheckpoint(`t${i}`, "c0", state);
  await storage.putItem(["facts", `u${i}`], "k", { text });
}
// The same data under other names, so that what is compared is the way to the server.
for (const key of await bare.keys("waystone:{default}*")) await bare.copy(key, key.replace("waystone", "bare"));
const B = "bare:{default}:";
let ids = 0;
let seqs = 1_000_000;

type Work = (caller: number) => Promise<unknown>;

const QUESTIONS: readonly { readonly name: string; readonly ours: Work; readonly bare: Work }[] = [
  {
    name: "append a message of 1 KiB",
    ours: (i) => storage.addConversationMessage(`s${i}`, "user", text),
    bare: (i) => {
      const seq = ++seqs;
      const id = `bare-${ids++}`;
      const now = Date.now();
      return bare
        .multi()
        .hmget(`${B}s:s${i}`, "a", "u", "t", "x", "l", "n")
        .xadd(`${B}m:s${i}`, `${seq}-0`, "i", id, "r", "user", "t", now, "d", "{}", "b", content)
        .hset(`${B}i:s${i}`, id, seq)
        .zadd(`${B}r:s${i}`, 0, `user\0${seq}`)
        .hset(`${B}s:s${i}`, "l", seq, "n", seq, "a", now)
        .hincrby("bare:{default}", "messages", 1)
        .zadd(`${B}su`, now, `s${i}`)
        .zadd(`${B}uu:u${i}`, now, `s${i}`)
        .exec();
    },
  },
  {
    name: "the newest 50 messages",
    ours: (i) => storage.getConversationHistory(`s${i}`, { limit: 50 }),
    bare: async (i) => {
      const replies = await bare
        .pipeline()
        .hget(`${B}s:s${i}`, "t")
        .xrevrange(`${B}m:s${i}`, "+", "-", "COUNT", 50)
        .exec();
      const entries = replyAt<[string, string[]][]>(replies, 1);
      return entries.reverse().map(([id, fields]) => toMessage(id, fields));
    },
  },
  {
    name: "get a session",
    ours: (i) => storage.getSession(`s${i}`),
    bare: async (i) => toSession(await bare.hgetall(`${B}s:s${i}`)),
  },
  {
    name: "update a session",
    ours: (i) => storage.updateSession(`s${i}`, { incrementRequests: true }),
    bare: (i) => {
      const now = Date.now();
      return bare
        .multi()
        .hmget(`${B}s:s${i}`, "a", "u", "t", "v", "s")
        .hincrby(`${B}s:s${i}`, "v", 1)
        .hincrby(`${B}s:s${i}`, "q", 1)
        .hincrby("bare:{default}", "requests", 1)
        .hset(`${B}s:s${i}`, "a", now)
        .zadd(`${B}su`, now, `s${i}`)
        .zadd(`${B}uu:u${i}`, now, `s${i}`)
        .hgetall(`${B}s:s${i}`)
        .exec();
    },
  },
  {
    name: "store a checkpoint of 1 KiB",
    ours: (i) => storage.storeCheckpoint(`t${i}`, `c${ids++}`, state),
    bare: (i) => {
      const seq = ++seqs;
      const now = Date.now();
      const place = `\0c${ids++}`;
      return bare
        .multi()
        .hmget(`${B}t:t${i}`, "s", "c", "a", "l", "k", "g")
        .hget(`${B}c:t${i}`, place)
        .hset(`${B}c:t${i}`, place, `${seq} ${now} 1024 0 -\n[null,null]\n{}\n${JSON.stringify(state)}`)
        .zadd(`${B}q:t${i}`, seq, place)
        .zadd(`${B}n:t${i}`, 0, `\0${String(seq).padStart(16, "0")}${place}`)
        .hset(`${B}t:t${i}`, "l", seq, "k", seq, "a", now, "g", seq)
        .hincrby("bare:{default}", "checkpoints", 1)
        .zadd(`${B}tu`, now, `t${i}`)
        .exec();
    },
  },
  {
    name: "get a checkpoint by its id",
    ours: (i) => storage.getCheckpoint(`t${i}`, { checkpointId: "c0" }),
    bare: async (i) => {
      const replies = await bare.pipeline().hmget(`${B}t:t${i}`, "s", "c").hget(`${B}c:t${i}`, "\0c0").exec();
      return toCheckpoint(replyAt(replies, 1));
    },
  },
  {
    name: "get the latest checkpoint",
    ours: (i) => storage.getCheckpoint(`t${i}`),
    // Which one it is has to be known before it can be asked for.
    bare: async (i) => {
      const replies = await bare
        .pipeline()
        .hmget(`${B}t:t${i}`, "s", "c")
        .zrevrangebylex(`${B}n:t${i}`, "(\x01", "[\0", "LIMIT", 0, 1)
        .exec();
      const [newest = ""] = replyAt<string[]>(replies, 1);
      return toCheckpoint((await bare.hget(`${B}c:t${i}`, `\0${newest.slice(18)}`)) as string);
    },
  },
  {
    name: "put an item of 1 KiB",
    ours: (i) => storage.putItem(["facts", `u${i}`], "k", { text }),
    bare: (i) =>
      bare
        .multi()
        .hget(`${B}it`, `facts\0u${i}\0\0k`)
        .hincrby("bare:{default}", "items", 1)
        .hset(`${B}it`, `facts\0u${i}\0\0k`, `1 1 1 - - 1\n${JSON.stringify({ text })}`)
        .zrem(`${B}ix`, "k")
        .exec(),
  },
  {
    name: "get an item",
    ours: (i) => storage.getItem(["facts", `u${i}`], "k"),
    bare: async (i) => toItem((await bare.hget(`${B}it`, `facts\0u${i}\0\0k`)) as string),
  },
];

console.log(`Node.js ${process.version}, appendfsync ${options.sync ? "always" : "no"}, ${rounds} rounds\n`);
console.log("| what | callers | ours /s | bare ioredis /s | ours : bare | processor time, bare : ours |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
for (const { name, ours, bare: theirs } of QUESTIONS) {
  if (!name.includes(options.only)) continue;
  await warmUp(ours);
  await warmUp(theirs);
  for (const callers of [1, 10, 100]) {
    const [a, b] = await compare(callers, ours, theirs);
    const rates = `${rate(median(a.rates))} | ${rate(median(b.rates))} | ${ratio(a.rates, b.rates)}`;
    console.log(`| ${name} | ${callers} | ${rates} | ${ratio(b.times, a.times)} |`);
  }
}
if (options.only === "") {
  await memory();
  await steps();
}
await storage.close();
bare.disconnect();

/** One reply of a pipeline. */
function replyAt<Reply>(replies: [Error | null, unknown][] | null, at: number): Reply {
  return replies?.[at]?.[1] as Reply;
}

// What the bare side makes of a reply: the numbers, dates and values of JSON that ours gives too.

function toMessage(id: string, [, messageId, , role, , timestamp, , metadata, , text]: string[]): object {
  return {
    seq: Number.parseInt(id, 10),
    messageId,
    role,
    content: JSON.parse(text as string),
    metadata: JSON.parse(metadata as string),
    timestamp: new Date(Number(timestamp)),
  };
}

function toSession(row: { readonly [field: string]: string }): object {
  return {
    userId: row.u,
    status: row.s,
    metadata: { topic: JSON.parse(row["m:topic"] as string) },
    version: Number(row.v),
    messageCount: Number(row.n),
    createdAt: new Date(Number(row.c)),
    updatedAt: new Date(Number(row.a)),
  };
}

function toCheckpoint(row: string): object {
  const [header, links, metadata, ...rest] = row.split("\n");
  const [seq, createdAt, sizeBytes, needsParent] = (header as string).split(" ");
  const [parentId, sessionId] = JSON.parse(links as string);
  return {
    parentId,
    sessionId,
    metadata: JSON.parse(metadata as string),
    seq: Number(seq),
    createdAt: new Date(Number(createdAt)),
    sizeBytes: Number(sizeBytes),
    needsParent: needsParent === "1",
    data: JSON.parse(rest.join("\n")),
  };
}

function toItem(row: string): object {
  const line = row.indexOf("\n");
  const [version, createdAt, updatedAt] = row.slice(0, line).split(" ");
  return {
    value: JSON.parse(row.slice(line + 1)),
    version: Number(version),
    createdAt: new Date(Number(createdAt)),
    updatedAt: new Date(Number(updatedAt)),
  };
}

/** What is measured is code that the engine has compiled, on both sides. */
async function warmUp(work: Work): Promise<void> {
  const end = performance.now() + WARM_UP_MS;
  const caller = async (_: unknown, i: number): Promise<void> => {
    while (performance.now() < end) await work(i);
  };
  await Promise.all(Array.from({ length: 10 }, caller));
}

/** Of each round: calls a second, and milliseconds of the processor that client and server took for one. */
interface Measured {
  readonly rates: number[];
  readonly times: number[];
}

/** Two works, turn by turn. */
async function compare(callers: number, ...works: readonly [Work, Work]): Promise<[Measured, Measured]> {
  const measured: [Measured, Measured] = [
    { rates: [], times: [] },
    { rates: [], times: [] },
  ];
  for (let round = -1; round < rounds; round++) {
    for (const [which, work] of works.entries()) {
      const timeBefore = await processorTime();
      const start = performance.now();
      const end = start + TURN_MS;
      let done = 0;
      await Promise.all(
        Array.from({ length: callers }, async (_, i) => {
          while (performance.now() < end) {
            await work(i % SESSIONS);
            done += 1;
          }
        }),
      );
      if (round < 0) continue;
      const { rates, times } = measured[which as 0 | 1];
      rates.push((done / (performance.now() - start)) * 1_000);
      times.push(((await processorTime()) - timeBefore) / done);
    }
  }
  return measured;
}

/** Of this process and the server, in milliseconds. */
async function processorTime(): Promise<number> {
  const server = [...(await bare.info("cpu")).matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)];
  const { user, system } = process.cpuUsage();
  return server.reduce((sum, [, seconds]) => sum + 1_000 * Number(seconds), 0) + (user + system) / 1_000;
}

/** Bytes of the server's memory beside those of what is stored. */
async function memory(): Promise<void> {
  const used = async (): Promise<number> => Number(/used_memory_dataset:(\d+)/.exec(await bare.info("memory"))?.[1]);
  const cost = async (count: number, work: (i: number) => Promise<unknown>): Promise<number> => {
    const before = await used();
    for (let i = 0; i < count; i++) await work(i);
    return ((await used()) - before) / count;
  };
  await storage.createSession("memory", "ada");
  const message = await cost(5_000, () => storage.addConversationMessage("memory", "user", text));
  const session = await cost(2_000, (i) =>
    storage.createSession(`memory-${i}`, "ada", { metadata: { topic: "trains" } }),
  );
  const checkpoint = await cost(2_000, (i) => storage.storeCheckpoint("memory", `c${i}`, state));
  const item = await cost(2_000, (i) => storage.putItem(["memory"], `k${i}`, { text }));
  console.log("\n| one | bytes of content | bytes of the server's memory |");
  console.log("| --- | ---: | ---: |");
  const rows: [string, number, number][] = [
    ["session", 0, session],
    ["message", content.length, message],
    ["checkpoint", JSON.stringify(state).length, checkpoint],
    ["item", JSON.stringify({ text }).length, item],
  ];
  for (const [name, bytes, taken] of rows) console.log(`| ${name} | ${rate(bytes)} | ${rate(taken)} |`);
}

/**
 * A conversation: a checkpoint a step, with one message more. The official RedisSaver needs modules: what it would send is counted as its
 * source says: a JSON.SET of the whole checkpoint, a JSON.SET of each channel that is new in it, and a ZADD, without its searches.
 */
async function steps(): Promise<void> {
  const saver = new WaystoneSaver(storage);
  const length = Number(options.messages);
  const messages: HumanMessage[] = [];
  let parent: string | undefined;
  let theirs = 0;
  const spent: number[] = [];
  const counted = async (): Promise<{ readonly bytes: number; readonly commands: number }> => {
    const info = await bare.info("stats");
    const commands = await bare.info("commandstats");
    const calls = [...commands.matchAll(/cmdstat_(?:evalsha|eval):calls=(\d+)/g)];
    return {
      bytes: Number(/total_net_input_bytes:(\d+)/.exec(info)?.[1]),
      commands: calls.reduce((sum, [, count]) => sum + Number(count), 0),
    };
  };
  const memoryBefore = Number(/used_memory_dataset:(\d+)/.exec(await bare.info("memory"))?.[1]);
  const before = await counted();
  for (let step = 0; step < length; step++) {
    messages.push(new HumanMessage({ id: `m${step}`, content: `${step} ${Math.random()} `.repeat(20) }));
    const checkpoint = {
      ...emptyCheckpoint(),
      channel_values: { messages: [...messages] },
      channel_versions: { messages: step + 1 },
    };
    theirs += 2 * Buffer.byteLength(JSON.stringify(checkpoint));
    const configurable = { thread_id: "bench", checkpoint_ns: "", ...(parent ? { checkpoint_id: parent } : {}) };
    const start = performance.now();
    const config = await saver.put(
      { configurable },
      checkpoint,
      { source: "loop", step, parents: {} },
      { messages: step + 1 },
    );
    spent.push(performance.now() - start);
    parent = config.configurable?.checkpoint_id;
  }
  const after = await counted();
  const taken = Number(/used_memory_dataset:(\d+)/.exec(await bare.info("memory"))?.[1]) - memoryBefore;
  const words = Buffer.byteLength(JSON.stringify(messages.map(({ content: each }) => each)));
  console.log(
    `\n| a conversation of ${length} messages, ${(words / 1e6).toFixed(2)} MB | waystone | RedisSaver, counted |`,
  );
  console.log("| --- | ---: | ---: |");
  console.log(`| commands a step | ${((after.commands - before.commands) / length).toFixed(2)} | 3 |`);
  console.log(`| MB sent | ${((after.bytes - before.bytes) / 1e6).toFixed(1)} | ${(theirs / 1e6).toFixed(1)} |`);
  console.log(`| MB of the server's memory | ${(taken / 1e6).toFixed(1)} | ${(theirs / 1e6).toFixed(1)} and more |`);
  console.log(
    `| ms a step: all, last quarter | ${median(spent).toFixed(2)}, ${median(spent.slice(-length / 4)).toFixed(2)} | |`,
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** The median of the ratios within a round. */
function ratio(a: readonly number[], b: readonly number[]): string {
  return median(a.map((each, i) => each / (b[i] ?? 1))).toFixed(2);
}

function rate(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
