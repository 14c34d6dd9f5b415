// How long does the codec take beside JSON, superjson, devalue and v8.serialize, and what does each lose?
// All run in one process. Each is measured in turns of a millisecond with JSON, so that a slow moment of the machine meets both.
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { deserialize, serialize } from "node:v8";
import { decodeValue, encodeValue } from "#dist/domain/codec/codec.js";

interface Codec {
  readonly name: string;
  readonly encode: (value: unknown) => unknown;
  readonly decode: (encoded: unknown) => unknown;
}

interface TextFormat {
  readonly stringify: (value: unknown) => string;
  readonly parse: (text: string) => unknown;
}

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "200" } } });
const rounds = Number(options.rounds);

/** Milliseconds of work between two looks at the clock: less than a slice that another program may take in between. */
const TURN_MS = 1;

/** Milliseconds of work before the first turn that counts. */
const WARM_UP_MS = 100;

const codecs: Codec[] = [
  { name: "JSON", encode: (value) => JSON.stringify(value), decode: (text) => JSON.parse(text as string) },
  { name: "waystone", encode: (value) => encodeValue(value), decode: (text) => decodeValue(text as string) },
  ...peers(),
  { name: "v8.serialize", encode: (value) => serialize(value), decode: (bytes) => deserialize(bytes as Buffer) },
];

console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${rounds} rounds; medians\n`);
for (const [name, value] of inputs()) report(name, value);

function report(name: string, value: unknown): void {
  console.log(`${name}, ${JSON.stringify(value).length} characters as JSON\n`);
  console.log("| codec | encode | x JSON | decode | x JSON | bytes | comes back equal |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
  const text = JSON.stringify(value);
  for (const { name: codec, encode, decode } of codecs) {
    const encoded = encode(value);
    const cells = [
      codec,
      ...beside(
        () => encode(value),
        () => JSON.stringify(value),
      ),
      ...beside(
        () => decode(encoded),
        () => JSON.parse(text),
      ),
      typeof encoded === "string" ? Buffer.byteLength(encoded) : (encoded as Buffer).byteLength,
      isDeepStrictEqual(decode(encoded), value) ? "yes" : "no",
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  console.log();
}

/** The median time of some work, and the median of its ratio to other work in the same round. */
function beside(work: () => unknown, other: () => unknown): [time: string, ratio: string] {
  const workCalls = callsInTurn(work);
  const otherCalls = callsInTurn(other);
  const times: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const otherTime = turn(other, otherCalls);
    const time = turn(work, workCalls);
    times.push(time);
    ratios.push(time / otherTime);
  }
  return [`${median(times).toFixed(2)} us`, median(ratios).toFixed(2)];
}

/** Warms up, then says how many calls fill a turn. */
function callsInTurn(work: () => unknown): number {
  let calls = 1;
  for (let warm = 0; warm < WARM_UP_MS; ) {
    const time = elapsed(work, calls);
    warm += time;
    if (time < TURN_MS) calls *= 2;
  }
  return calls;
}

/** Microseconds a call. */
function turn(work: () => unknown, calls: number): number {
  // No one pays for the garbage of the one before.
  globalThis.gc?.({ type: "minor", execution: "sync" });
  return (elapsed(work, calls) * 1000) / calls;
}

function elapsed(work: () => unknown, calls: number): number {
  const start = performance.now();
  for (let i = 0; i < calls; i++) work();
  return performance.now() - start;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function peers(): Codec[] {
  const require = createRequire(new URL("./peers/package.json", import.meta.url));
  return ["superjson", "devalue"].flatMap((name) => {
    let format: TextFormat;
    try {
      format = require(name) as TextFormat;
    } catch {
      console.log(`${name} is not installed: npm ci --prefix bench/peers\n`);
      return [];
    }
    return [{ name, encode: (value) => format.stringify(value), decode: (text) => format.parse(text as string) }];
  });
}

function inputs(): [name: string, value: unknown][] {
  const messages = Array.from({ length: 200 }, (_, i) => message(i, 440));
  const state = {
    messages,
    step: 12,
    next: ["agent"],
    scratch: { plan: ["a", "b"], done: false, score: 0.25 },
    versions: { messages: 201, step: 12 },
  };
  return [
    ["A message, plain JSON", message(1, 1500)],
    ["A state with 200 messages, plain JSON", state],
    [
      "The same with a key that is `undefined` in every message",
      { ...state, messages: messages.map((m) => ({ ...m, name: undefined })) },
    ],
    [
      "The same with a Date in every message, a Map, a Set and 4 KiB of bytes",
      {
        ...state,
        messages: messages.map((m, i) => ({ ...m, at: new Date(1_769_817_600_000 + i * 1000) })),
        seen: new Set(messages.map((m) => m.id)),
        usageById: new Map(messages.map((m, i) => [m.id, { tokens: i }])),
        image: new Uint8Array(4096).fill(7),
      },
    ],
  ];
}

/** Messages of the four kinds that a turn with a tool call has. */
function message(i: number, length: number): Record<string, unknown> & { readonly id: string } {
  const id = `msg_${i}`;
  const text = (share: number): string => words(i, Math.floor(length * share));
  switch (i % 4) {
    case 0:
      return { id, role: "user", content: text(1), createdAt: "2026-01-31T08:00:00.000Z" };
    case 1:
      return {
        id,
        role: "assistant",
        content: [
          { type: "text", text: text(0.5) },
          {
            type: "tool_call",
            id: `call_${i}`,
            name: "search_flights",
            arguments: { origin: "JFK", destination: "SEA", date: "2026-05-20", passengers: 2, flexible: false },
          },
        ],
        usage: { input: 1234 + i, output: 87, total: 1321 + i },
      };
    case 2:
      return {
        id,
        role: "tool",
        toolCallId: `call_${i - 1}`,
        content: [
          {
            type: "tool_result",
            ok: true,
            result: {
              flights: [
                { number: "HAT123", price: 312.5, seats: 4 },
                { number: "HAT205", price: 287.25, seats: 1 },
              ],
              note: text(0.33),
            },
          },
        ],
      };
    default:
      return {
        id,
        role: "assistant",
        content: text(1),
        finishReason: "stop",
        usage: { input: 1500 + i, output: 120, total: 1620 + i },
      };
  }
}

/** Text of a length, the same in every run. */
function words(seed: number, length: number): string {
  const vocabulary =
    "the order was booked for two passengers and the refund goes back to the original card after review".split(" ");
  let state = seed + 1;
  let text = "";
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    text += `${vocabulary[state % vocabulary.length]} `;
  }
  return text.slice(0, length);
}
