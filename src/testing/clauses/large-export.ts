/** Export and import of many messages in constant memory (P1). */
import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { StorageRecord } from "../../contract/records.js";
import { equal, ok } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

/** How much resident memory a stream may take beyond what was there before it, in bytes. */
const MAX_GROWTH = 100 * 1024 * 1024;

/** Messages of one session. */
const SESSION_LENGTH = 5_000;

/** Least records between two looks at the memory, and how many looks there are about when there are more. */
const SAMPLES = { every: 5_000, most: 50 };

export const largeExportClauses: ClauseGroup = clauseGroup("large exports", (clause) => {
  clause(
    "P1 export and import of many messages take constant memory: resident growth is at most 100 MB",
    { timeoutMs: 1_800_000, alone: true },
    async ({ storage, openOther, scale, support }) => {
      const every = Math.max(SAMPLES.every, Math.ceil(scale.messages / SAMPLES.most));
      const seeded = await measured(messagesOf(scale.messages), every, (records) => storage.importRecords(records));
      const exported = await measured(storage.exportRecords(), every, drained);
      equal(
        [exported.records, exported.digest],
        [seeded.records, seeded.digest],
        "what was exported is what was imported",
      );
      equal(seeded.messages, scale.messages);
      ok(exported.growth <= MAX_GROWTH, `an export grows the process by ${megabytes(exported.growth)}`);
      // A store in the memory of this very process must grow it by what it imports: only its exports can be constant.
      if (support.durability === "memory" || !support.reopen) return;
      ok(
        seeded.growth <= MAX_GROWTH,
        `an import of generated records grows the process by ${megabytes(seeded.growth)}`,
      );
      const other = await openOther();
      const copied = await measured(storage.exportRecords(), every, (records) => other.importRecords(records));
      equal([copied.records, copied.digest], [seeded.records, seeded.digest], "what went from one store to the other");
      ok(copied.growth <= MAX_GROWTH, `an export into an import grows the process by ${megabytes(copied.growth)}`);
      equal(
        (await measured(other.exportRecords(), every, drained)).digest,
        seeded.digest,
        "what the other store exports",
      );
    },
  );
});

interface Measured {
  readonly records: number;
  readonly messages: number;
  readonly digest: string;
  readonly growth: number;
}

/** Lets a consumer read a stream, while counting, digesting and watching the resident memory. */
async function measured(
  records: AsyncIterable<StorageRecord>,
  every: number,
  consume: (records: AsyncIterable<StorageRecord>) => Promise<unknown>,
): Promise<Measured> {
  const collect = garbageCollector();
  const hash = createHash("sha256");
  let count = 0;
  let messages = 0;
  collect();
  const before = process.memoryUsage.rss();
  let peak = before;
  const sample = (): void => {
    // What the collector has not come to yet is no growth of the stream.
    collect();
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const watched = async function* (): AsyncGenerator<StorageRecord> {
    for await (const record of records) {
      hash.update(JSON.stringify(record));
      count += 1;
      if (record.kind === "message") messages += 1;
      if (count % every === 0) sample();
      yield record;
    }
  };
  await consume(watched());
  sample();
  return { records: count, messages, digest: hash.digest("hex"), growth: peak - before };
}

async function drained(records: AsyncIterable<StorageRecord>): Promise<void> {
  const iterator = records[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

/** Sessions of some thousand messages each, as records in the order of an export. */
async function* messagesOf(total: number): AsyncGenerator<StorageRecord> {
  for (let first = 0, session = 0; first < total; first += SESSION_LENGTH, session++) {
    const length = Math.min(SESSION_LENGTH, total - first);
    const sessionId = `session-${String(session).padStart(8, "0")}`;
    // Times that grow with the ids: whichever orders an export, this is its order.
    const at = new Date(Date.UTC(2024, 0, 1) + session * 1_000).toISOString();
    yield {
      kind: "session",
      session_id: sessionId,
      user_id: "u",
      created_at: at,
      updated_at: at,
      status: "active",
      metadata: {},
      metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
      version: 1,
      last_seq: length,
    };
    for (let seq = 1; seq <= length; seq++) {
      yield {
        kind: "message",
        session_id: sessionId,
        seq,
        message_id: `${sessionId}-${seq}`,
        role: seq % 2 === 0 ? "assistant" : "user",
        content: `message ${seq} of ${sessionId}: ${"some words of a conversation ".repeat(4)}`,
        timestamp: at,
        metadata: {},
      };
    }
  }
}

/** The engine's collector, which needs no flag of the command line; nothing where the engine has none to offer. */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  return typeof collect === "function" ? () => void collect() : () => undefined;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
