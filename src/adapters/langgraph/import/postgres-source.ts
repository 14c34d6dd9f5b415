/** The tables of the official PostgresSaver, read through `pg`. */
import { InvalidArgumentError, isError, StorageConnectionError, UnsupportedError } from "../../../contract/errors.js";
import { isOfPython, writtenByPython } from "./python-savers.js";
import type {
  CheckpointKey,
  LangGraphSource,
  SourceSize,
  TheirChannel,
  TheirCheckpoint,
  TheirWrite,
} from "./source.js";

/** What is used of a client of `pg`. */
interface Client {
  connect(): Promise<unknown>;
  query(text: string, values?: readonly unknown[]): Promise<{ readonly rows: unknown[] }>;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const COLUMNS = {
  checkpoints: ["thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "checkpoint", "metadata"],
  checkpoint_blobs: ["thread_id", "checkpoint_ns", "channel", "version", "type", "blob"],
  checkpoint_writes: ["thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx", "channel", "type", "blob"],
} as const;

/** Rows that a cursor hands over at once: keys only. */
const FETCHED = 500;

/**
 * Connects, and holds one snapshot of the database until `close`.
 * @throws StorageConnectionError; InvalidArgumentError when the schema is not of a PostgresSaver; UnsupportedError for the one of
 *   Python, and without the package `pg`
 */
export async function openPostgresSource(url: string, schema: string): Promise<LangGraphSource> {
  const client = await makeClient(url);
  const sql = new Sql(client);
  try {
    await sql.connect();
    await sql.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    // An import may take longer than what the server allows to requests.
    await sql.run("SET LOCAL statement_timeout = 0");
    await sql.run("SET LOCAL idle_in_transaction_session_timeout = 0");
    return new PostgresSource(sql, schema, await checkTables(sql, schema));
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function makeClient(connectionString: string): Promise<Client> {
  let pg: { readonly default: { readonly Client: new (options: object) => Client } };
  try {
    pg = (await import("pg")) as unknown as typeof pg;
  } catch (cause) {
    const missing = isError(cause) && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    if (!missing) throw cause;
    throw new UnsupportedError("reading PostgreSQL needs the package pg: npm install pg", { cause });
  }
  try {
    return new pg.default.Client({ connectionString, application_name: "waystone import-langgraph" });
  } catch (cause) {
    throw new InvalidArgumentError("the PostgreSQL URL of the database to import cannot be read", {
      operation: "openLangGraph",
      cause,
    });
  }
}

/** Queries with the failures of this package. */
class Sql {
  readonly #client: Client;
  #cursors = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: Client) {
    this.#client = client;
    // A connection that breaks is told by the next query; without a listener it would end the process.
    client.on("error", () => undefined);
  }

  async connect(): Promise<void> {
    await this.#told(this.#client.connect());
  }

  async run<Row = unknown>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const before = this.#last;
    const answer = before.then(() => this.#client.query(text, values));
    // One after another: a client has one request at a time. A failed one fails its own caller only.
    this.#last = answer.catch(() => undefined);
    return (await this.#told(answer)).rows as Row[];
  }

  async one<Row>(text: string, values?: readonly unknown[]): Promise<Row | undefined> {
    return (await this.run<Row>(text, values))[0];
  }

  /** The rows one after another, a few of them in memory. */
  async *stream<Row>(text: string, values: readonly unknown[] = []): AsyncGenerator<Row> {
    this.#cursors += 1;
    const cursor = `waystone_${this.#cursors}`;
    await this.run(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${text}`, values);
    for (;;) {
      const rows = await this.run<Row>(`FETCH ${FETCHED} FROM ${cursor}`);
      yield* rows;
      if (rows.length < FETCHED) break;
    }
    await this.run(`CLOSE ${cursor}`);
  }

  async end(): Promise<void> {
    await this.#told(this.#client.end());
  }

  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw new StorageConnectionError("the PostgreSQL database to import cannot be read", {
        operation: "openLangGraph",
        cause,
      });
    }
  }
}

class PostgresSource implements LangGraphSource {
  readonly kind = "postgres";
  readonly #sql: Sql;
  readonly #schema: string;
  readonly #taskPath: string;

  constructor(sql: Sql, schema: string, taskPath: string) {
    this.#sql = sql;
    this.#schema = quoted(schema);
    this.#taskPath = taskPath;
  }

  async measure(threadIds?: readonly string[]): Promise<SourceSize> {
    const where = threadIds === undefined ? "" : "WHERE thread_id = ANY ($1)";
    const rows = async (table: string): Promise<number> => {
      const sql = `SELECT count(*)::float8 AS number FROM ${this.#schema}.${table} ${where}`;
      return (await this.#sql.one<{ number: number }>(sql, threadIds === undefined ? [] : [threadIds]))?.number ?? 0;
    };
    const sizes = Object.keys(COLUMNS).map((table) => `pg_total_relation_size('${literal(this.#schema)}.${table}')`);
    const size = await this.#sql.one<{ bytes: number }>(`SELECT (${sizes.join(" + ")})::float8 AS bytes`);
    return {
      bytes: size?.bytes ?? 0,
      checkpoints: await rows("checkpoints"),
      writes: await rows("checkpoint_writes"),
    };
  }

  async *threadIds(): AsyncGenerator<string> {
    const all = `SELECT thread_id AS id FROM ${this.#schema}.checkpoints
      UNION SELECT thread_id FROM ${this.#schema}.checkpoint_writes ORDER BY 1`;
    for await (const { id } of this.#sql.stream<{ id: string }>(all)) yield id;
  }

  async hasThread(threadId: string): Promise<boolean> {
    const sql = `SELECT EXISTS (SELECT FROM ${this.#schema}.checkpoints WHERE thread_id = $1)
      OR EXISTS (SELECT FROM ${this.#schema}.checkpoint_writes WHERE thread_id = $1) AS found`;
    return (await this.#sql.one<{ found: boolean }>(sql, [threadId]))?.found === true;
  }

  /** By the order of strings of their database, in which the saver looks for the latest. */
  keys(threadId: string): AsyncIterable<CheckpointKey> {
    const sql = `SELECT checkpoint_ns AS namespace, checkpoint_id AS "checkpointId" FROM ${this.#schema}.checkpoints
      WHERE thread_id = $1 ORDER BY checkpoint_id, checkpoint_ns`;
    return this.#sql.stream(sql, [threadId]);
  }

  orphanKeys(threadId: string): AsyncIterable<CheckpointKey> {
    const sql = `SELECT DISTINCT checkpoint_ns AS namespace, checkpoint_id AS "checkpointId"
      FROM ${this.#schema}.checkpoint_writes AS own WHERE thread_id = $1 AND NOT EXISTS (
        SELECT FROM ${this.#schema}.checkpoints AS its WHERE its.thread_id = own.thread_id
        AND its.checkpoint_ns = own.checkpoint_ns AND its.checkpoint_id = own.checkpoint_id)
      ORDER BY 2, 1`;
    return this.#sql.stream(sql, [threadId]);
  }

  async has(threadId: string, { namespace, checkpointId }: CheckpointKey): Promise<boolean> {
    const sql = `SELECT FROM ${this.#schema}.checkpoints WHERE ${PLACE}`;
    return (await this.#sql.one(sql, [threadId, namespace, checkpointId])) !== undefined;
  }

  async read(threadId: string, key: CheckpointKey): Promise<TheirCheckpoint | undefined> {
    const sql = `SELECT parent_checkpoint_id AS "parentId", checkpoint::text, metadata::text, EXISTS (
        SELECT FROM ${this.#schema}.checkpoints AS parent WHERE parent.thread_id = own.thread_id
        AND parent.checkpoint_ns = own.checkpoint_ns AND parent.checkpoint_id = own.parent_checkpoint_id) AS "hasParent"
      FROM ${this.#schema}.checkpoints AS own WHERE ${PLACE}`;
    const row = await this.#sql.one<CheckpointRow>(sql, [threadId, key.namespace, key.checkpointId]);
    if (row === undefined) return undefined;
    return {
      ...key,
      // Like their reader: no parent is NULL, and also the empty text.
      parentId: row.parentId || undefined,
      hasParent: !row.parentId || row.hasParent,
      checkpoint: { type: "json", data: row.checkpoint },
      channels: await this.#channels(threadId, key.namespace, row.checkpoint),
      metadata: { type: "json", data: row.metadata },
      writes: await this.writes(threadId, key),
    };
  }

  async writes(threadId: string, { namespace, checkpointId }: CheckpointKey): Promise<readonly TheirWrite[]> {
    const sql = `SELECT task_id AS "taskId", ${this.#taskPath} AS "taskPath", idx AS "index", channel, type, blob AS data
      FROM ${this.#schema}.checkpoint_writes WHERE ${PLACE} ORDER BY ${this.#taskPath} COLLATE "C", task_id COLLATE "C", idx`;
    const rows = await this.#sql.run<WriteRow>(sql, [threadId, namespace, checkpointId]);
    return rows.map(({ type, data, ...write }) => ({ ...write, payload: { type, data } }));
  }

  async close(): Promise<void> {
    await this.#sql.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The values of the versions that the checkpoint names; a row of the form `empty` says that the channel has none. */
  async #channels(threadId: string, namespace: string, checkpoint: string): Promise<TheirChannel[]> {
    const versions = versionsOf(checkpoint);
    if (versions.length === 0) return [];
    const sql = `SELECT named.channel AS name, stored.thread_id IS NOT NULL AS present, type, blob AS data
      FROM unnest($3::text[], $4::text[]) AS named(channel, version)
      LEFT JOIN ${this.#schema}.checkpoint_blobs AS stored ON stored.thread_id = $1 AND stored.checkpoint_ns = $2
        AND stored.channel = named.channel AND stored.version = named.version`;
    const names = versions.map(([name]) => name);
    const numbers = versions.map(([, version]) => version);
    const rows = await this.#sql.run<BlobRow>(sql, [threadId, namespace, names, numbers]);
    return rows
      .filter(({ type }) => type !== "empty")
      .map(({ name, present, type, data }) => ({ name, payload: present ? { type, data } : undefined }));
  }
}

const PLACE = "thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = $3";

interface CheckpointRow {
  readonly parentId: string | null;
  readonly checkpoint: string;
  readonly metadata: string;
  readonly hasParent: boolean;
}

interface BlobRow {
  readonly name: string;
  readonly present: boolean;
  readonly type: string | null;
  readonly data: Uint8Array | null;
}

type WriteRow = Omit<TheirWrite, "payload"> & TheirWrite["payload"];

/** Channels and their versions as the rows of values name them; none when it is no checkpoint, which is told later. */
function versionsOf(checkpoint: string): [name: string, version: string][] {
  const parsed: unknown = JSON.parse(checkpoint);
  const versions = (parsed as { readonly channel_versions?: unknown } | null)?.channel_versions;
  if (typeof versions !== "object" || versions === null) return [];
  return Object.entries(versions).map(([name, version]) => [name, String(version)]);
}

/** @returns what gives the path of a task. @throws InvalidArgumentError, UnsupportedError when the schema is not of a PostgresSaver */
async function checkTables(sql: Sql, schema: string): Promise<string> {
  const columns = await sql.run<{ table: string; name: string }>(
    `SELECT table_name AS table, column_name AS name FROM information_schema.columns
      WHERE table_schema = $1 AND table_name = ANY ($2)`,
    [schema, Object.keys(COLUMNS)],
  );
  const has = (table: string, name: string): boolean =>
    columns.some((each) => each.table === table && each.name === name);
  const complete = Object.entries(COLUMNS).every(([table, names]) => names.every((name) => has(table, name)));
  if (!complete) {
    throw new InvalidArgumentError(
      "the database to import has no tables of LangGraph's PostgresSaver in that schema, or they may not be read",
    );
  }
  for (const table of ["checkpoint_blobs", "checkpoint_writes"]) {
    const any = `SELECT type FROM ${quoted(schema)}.${table} WHERE type NOT IN ('empty', 'null') LIMIT 1`;
    if (isOfPython((await sql.one<{ type: unknown }>(any))?.type)) throw writtenByPython();
  }
  return has("checkpoint_writes", "task_path") ? "coalesce(task_path, '')" : "''::text";
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return text.replaceAll("'", "''");
}
