// What does the PostgreSQL backend cost beside the same statements through bare `pg`, and what does a LangGraph step cost beside the
// official PostgresSaver? All that is compared runs in one process on one server, in turns of a fraction of a second.
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { HumanMessage } from "@langchain/core/messages";
import { emptyCheckpoint } from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import pg from "pg";
import { WaystoneSaver } from "#dist/adapters/langgraph/index.js";
import { postgresStorage } from "#dist/backends/postgres/index.js";
import { createDatabase, startPostgres } from "../test/support/postgres-server.ts";
import { measureLarge } from "./postgres/large.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    messages: { type: "string", default: "200" },
    memory: { type: "boolean", default: false },
    // Sessions and messages of a large store, 1,000,000 for the size that the promises are measured at; 0 leaves that part out.
    rows: { type: "string", default: "0" },
  },
});
const rounds = Number(options.rounds);
const TURN_MS = 300;
const SESSIONS = 50;
const STATE = { text: "x".repeat(500), list: [1, 2, 3], step: 0 };
const content = JSON.stringify("x".repeat(1_022));

await using server = await startPostgres({ inMemory: options.memory });
const url = await createDatabase(server);
const storage = postgresStorage({ url, pool: { max: 10 } });
const pool = new pg.Pool({ connectionString: url, max: 10 });
for (let i = 0; i < SESSIONS; i++) {
  await storage.createSession(`s${i}`, "ada");
  await storage.addConversationMessages(
    `s${i}`,
    Array.from({ length: 100 }, () => ({ role: "user", content })),
  );
}
// The same tables and indexes, so that what is compared is the way to the server.
for (let i = 0; i < 20 * SESSIONS; i++) await storage.storeCheckpoint(`t${i % SESSIONS}`, `first-${i}`, STATE);
for (const table of ["sessions", "messages", "threads", "checkpoints"]) {
  await pool.query(`CREATE SCHEMA IF NOT EXISTS bare; CREATE TABLE bare.${table} (LIKE waystone.${table} INCLUDING ALL);
    INSERT INTO bare.${table} SELECT * FROM waystone.${table}`);
}

await pool.query("ANALYZE");

const HUNDRED = Array.from({ length: 100 }, () => ({ role: "user", content }));

type Work = (caller: number) => Promise<unknown>;
let ids = 0;

const QUESTIONS: readonly { readonly name: string; readonly ours: Work; readonly bare: Work }[] = [
  {
    name: "append a message of 1 KiB",
    ours: (i) => storage.addConversationMessage(`s${i}`, "user", content),
    bare: (i) =>
      pool.query({
        name: "append",
        text: `WITH owner AS (UPDATE bare.sessions SET last_seq = last_seq + 1, message_count = message_count + 1,
            updated_at = $3 WHERE tenant = 'default' AND session_id = $1 RETURNING last_seq)
          INSERT INTO bare.messages SELECT 'default', $1, last_seq, $2, 'user', $3, '{}', $4 FROM owner RETURNING seq`,
        values: [`s${i}`, randomUUID(), Date.now(), JSON.stringify(content)],
      }),
  },
  {
    name: "the newest 50 messages",
    ours: (i) => storage.getConversationHistory(`s${i}`, { limit: 50 }),
    bare: async (i) => {
      const { rows } = await pool.query({
        name: "history",
        text: `SELECT seq, message_id, role, timestamp, metadata, content FROM bare.messages
          WHERE tenant = 'default' AND session_id = $1 AND EXISTS (SELECT 1 FROM bare.sessions s
            WHERE s.tenant = 'default' AND s.session_id = $1 AND (s.ttl_ms IS NULL OR s.updated_at + s.ttl_ms > $2))
          ORDER BY seq DESC LIMIT 50`,
        values: [`s${i}`, Date.now()],
      });
      return rows.map(toMessage).reverse();
    },
  },
  {
    name: "update a session",
    ours: (i) => storage.updateSession(`s${i}`, { incrementRequests: true }),
    bare: (i) =>
      pool.query({
        name: "update",
        text: `UPDATE bare.sessions SET request_count = request_count + 1, version = version + 1, updated_at = $2
          WHERE tenant = 'default' AND session_id = $1 RETURNING *`,
        values: [`s${i}`, Date.now()],
      }),
  },
  {
    name: "append 100 messages of 1 KiB",
    ours: (i) => storage.addConversationMessages(`s${i}`, HUNDRED),
    bare: (i) =>
      pool.query({
        name: "batch",
        text: `WITH owner AS (UPDATE bare.sessions SET last_seq = last_seq + 100, message_count = message_count + 100,
            updated_at = $3 WHERE tenant = 'default' AND session_id = $1 RETURNING last_seq)
          INSERT INTO bare.messages SELECT 'default', $1, last_seq - 100 + n, id, 'user', $3, '{}', content
          FROM owner, unnest($2::text[], $4::text[]) WITH ORDINALITY AS new (id, content, n)`,
        values: [`s${i}`, HUNDRED.map(() => randomUUID()), Date.now(), HUNDRED.map(() => JSON.stringify(content))],
      }),
  },
  {
    name: "store a checkpoint of 500 bytes",
    ours: (i) => storage.storeCheckpoint(`t${i}`, `c${ids++}`, STATE),
    bare: (i) =>
      pool.query({
        name: "store",
        text: `WITH owner AS (UPDATE bare.threads SET last_seq = last_seq + 1, checkpoint_count = checkpoint_count + 1,
            updated_at = $3 WHERE tenant = 'default' AND thread_id = $1 RETURNING last_seq)
          INSERT INTO bare.checkpoints (tenant, thread_id, namespace, checkpoint_id, seq, needs_parent, size_bytes,
            created_at, blocks, metadata, manifest)
          SELECT 'default', $1, '', $2, last_seq, false, length($4), $3, 0, '{}', $4 FROM owner RETURNING seq`,
        values: [`t${i}`, `c${ids++}`, Date.now(), JSON.stringify(STATE)],
      }),
  },
  {
    name: "the latest checkpoint",
    ours: (i) => storage.getCheckpoint(`t${i}`),
    bare: async (i) => {
      const { rows } = await pool.query({
        name: "latest",
        text: `SELECT checkpoint_id, parent_id, metadata, seq, created_at, size_bytes, manifest FROM bare.checkpoints
          WHERE tenant = 'default' AND thread_id = $1 AND namespace = '' AND EXISTS (SELECT 1 FROM bare.threads t
            LEFT JOIN bare.sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id
            WHERE t.tenant = 'default' AND t.thread_id = $1 AND (t.session_id IS NULL
              OR (s.session_id IS NOT NULL AND (s.ttl_ms IS NULL OR s.updated_at + s.ttl_ms > $2))))
          ORDER BY seq DESC LIMIT 1`,
        values: [`t${i}`, Date.now()],
      });
      return rows.map(toCheckpoint)[0];
    },
  },
];

console.log(
  `Node.js ${process.version}, ${options.memory ? "cluster in memory" : "cluster on the disk"}, ${rounds} rounds\n`,
);
console.log("| what | callers | ours /s | bare pg /s | ours : bare |");
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const { name, ours, bare } of QUESTIONS) {
  for (const callers of [1, 10, 50]) {
    const [a, b] = await compare(callers, ours, bare);
    console.log(`| ${name} | ${callers} | ${rate(median(a))} | ${rate(median(b))} | ${ratio(a, b)} |`);
  }
}
await steps();
if (Number(options.rows) > 0) await measureLarge(server, Number(options.rows));
await storage.close();
await pool.end();

/** What an application makes of a row: numbers, a date, and values of JSON. `pg` itself makes an object of jsonb. */
function toMessage({ seq, timestamp, metadata, content, ...row }: Record<string, string>): unknown {
  return {
    ...row,
    seq: Number(seq),
    timestamp: new Date(Number(timestamp)),
    metadata: JSON.parse(metadata ?? ""),
    content: JSON.parse(content ?? ""),
  };
}

function toCheckpoint({ seq, created_at, size_bytes, manifest, ...row }: Record<string, string>): unknown {
  return {
    ...row,
    seq: Number(seq),
    createdAt: new Date(Number(created_at)),
    sizeBytes: Number(size_bytes),
    data: JSON.parse(manifest ?? ""),
  };
}

/** Rates of two works, turn by turn. */
async function compare(callers: number, ...works: readonly [Work, Work]): Promise<[number[], number[]]> {
  const rates: [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    for (const [which, work] of works.entries()) {
      const end = performance.now() + TURN_MS;
      const start = performance.now();
      let done = 0;
      await Promise.all(
        Array.from({ length: callers }, async (_, i) => {
          while (performance.now() < end) {
            await work(i % SESSIONS);
            done += 1;
          }
        }),
      );
      if (round >= 0) rates[which as 0 | 1].push((done / (performance.now() - start)) * 1_000);
    }
  }
  return rates;
}

/** Steps of a conversation: a checkpoint each, with one message more. */
async function steps(): Promise<void> {
  const theirs = PostgresSaver.fromConnString(url);
  await theirs.setup();
  const savers = { ours: new WaystoneSaver(storage), theirs };
  const spent: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  const sizes = { ours: 0, theirs: 0 };
  const size = async (like: string): Promise<number> => {
    const sql = `SELECT sum(pg_total_relation_size(oid))::int8 AS size FROM pg_class WHERE relkind = 'r' AND oid::regclass::text LIKE '${like}'`;
    return Number((await pool.query(sql)).rows[0].size);
  };
  const before = await size("waystone.checkpoint%");
  const length = Number(options.messages);
  const messages: HumanMessage[] = [];
  const parents: { ours?: string; theirs?: string } = {};
  for (let step = 0; step < length; step++) {
    messages.push(new HumanMessage({ id: `m${step}`, content: `${step} ${Math.random()} `.repeat(20) }));
    for (const name of step % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const)) {
      const checkpoint = {
        ...emptyCheckpoint(),
        channel_values: { messages: [...messages] },
        channel_versions: { messages: step + 1 },
      };
      const parent = parents[name];
      const configurable = { thread_id: "bench", checkpoint_ns: "", ...(parent ? { checkpoint_id: parent } : {}) };
      const start = performance.now();
      const config = await savers[name].put(
        { configurable },
        checkpoint,
        { source: "loop", step, parents: {} },
        { messages: step + 1 },
      );
      spent[name].push(performance.now() - start);
      parents[name] = config.configurable?.checkpoint_id;
    }
  }
  sizes.ours = (await size("waystone.checkpoint%")) - before;
  sizes.theirs = await size("checkpoint%");
  const late = (times: number[]): number => median(times.slice(-Math.ceil(length / 4)));
  console.log(`\n| put, a conversation of ${length} messages | waystone | PostgresSaver | theirs : ours |`);
  console.log("| --- | ---: | ---: | ---: |");
  console.log(
    `| ms a step, all | ${median(spent.ours).toFixed(2)} | ${median(spent.theirs).toFixed(2)} | ${(median(spent.theirs) / median(spent.ours)).toFixed(2)} |`,
  );
  console.log(
    `| ms a step, last quarter | ${late(spent.ours).toFixed(2)} | ${late(spent.theirs).toFixed(2)} | ${(late(spent.theirs) / late(spent.ours)).toFixed(2)} |`,
  );
  console.log(
    `| MB on the server | ${(sizes.ours / 1e6).toFixed(1)} | ${(sizes.theirs / 1e6).toFixed(1)} | ${(sizes.theirs / sizes.ours).toFixed(1)} |`,
  );
  await theirs.end();
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
