/** The file of the official SqliteSaver, read through `node:sqlite`. */
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { CorruptionError, InvalidArgumentError, isError, StorageConnectionError } from "../../../contract/errors.js";
import { loadSqlite } from "../../../node-sqlite.js";
import { isOfPython, writtenByPython } from "./python-savers.js";
import type { CheckpointKey, LangGraphSource, SourceSize, TheirCheckpoint, TheirWrite } from "./source.js";

const COLUMNS = {
  checkpoints: [
    "thread_id",
    "checkpoint_ns",
    "checkpoint_id",
    "parent_checkpoint_id",
    "type",
    "checkpoint",
    "metadata",
  ],
  writes: ["thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx", "channel", "type", "value"],
} as const;

/** Beginning of every SQLite file; behind it stand page size and, at 18, the form of the journal. */
const MAGIC = "SQLite format 3\0";
const JOURNAL_FORM = 18;
const WRITE_AHEAD_LOG = 2;

/**
 * Opens the file for reading, and holds one state of it until `close`.
 * @throws InvalidArgumentError when it is not there, or not of a SqliteSaver; UnsupportedError for the one of Python;
 *   StorageConnectionError when SQLite cannot read it
 */
export function openSqliteSource(path: string): LangGraphSource {
  const file = resolve(path);
  const guard = guardFor(file);
  let db: DatabaseSync | undefined;
  try {
    db = guard === undefined ? openFile(file) : openFileAtRest(file);
    db.exec("BEGIN");
    return new SqliteSource(db, checkTables(db), file, guard);
  } catch (error) {
    db?.close();
    throw failureOf(error);
  }
}

function openFile(file: string | URL): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  return new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
}

function openFileAtRest(file: string): DatabaseSync {
  const url = pathToFileURL(file);
  url.searchParams.set("immutable", "1");
  try {
    return openFile(url);
  } catch (error) {
    // Node.js before 22.15 takes no URLs: the two files appear there.
    const code = isError(error) && "code" in error ? error.code : undefined;
    if (code === "ERR_INVALID_ARG_TYPE") return openFile(file);
    throw error;
  }
}

class SqliteSource implements LangGraphSource {
  readonly kind = "sqlite";
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #guard: Guard | undefined;
  readonly #checkpoint: StatementSync;
  readonly #writes: StatementSync;
  readonly #has: StatementSync;
  readonly #iterated = new Set<StatementSync>();

  constructor(db: DatabaseSync, taskPath: string, file: string, guard: Guard | undefined) {
    this.#db = db;
    this.#file = file;
    this.#guard = guard;
    const place = "thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?";
    this.#checkpoint = db.prepare(
      `SELECT parent_checkpoint_id AS parentId, type, checkpoint, metadata, EXISTS (SELECT 1 FROM checkpoints AS parent
        WHERE parent.thread_id = own.thread_id AND parent.checkpoint_ns = own.checkpoint_ns
        AND parent.checkpoint_id = own.parent_checkpoint_id) AS hasParent FROM checkpoints AS own WHERE ${place}`,
    );
    this.#writes = db.prepare(
      `SELECT task_id AS taskId, ${taskPath} AS taskPath, idx AS "index", channel, type, value AS data FROM writes
        WHERE ${place} ORDER BY 2, 1, 3`,
    );
    this.#has = db.prepare(`SELECT 1 FROM checkpoints WHERE ${place}`);
  }

  async measure(threadIds?: readonly string[]): Promise<SourceSize> {
    const bytes = this.#number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
    if (threadIds === undefined) {
      const rows = (table: string): number => this.#number(`SELECT count(*) FROM ${table}`);
      return { bytes, checkpoints: rows("checkpoints"), writes: rows("writes") };
    }
    const rows = (table: string): number =>
      threadIds.reduce((sum, id) => sum + this.#number(`SELECT count(*) FROM ${table} WHERE thread_id = ?`, id), 0);
    return { bytes, checkpoints: rows("checkpoints"), writes: rows("writes") };
  }

  async *threadIds(): AsyncGenerator<string> {
    const all = "SELECT thread_id AS id FROM checkpoints UNION SELECT thread_id FROM writes ORDER BY 1";
    for (const { id } of this.#rows(all)) yield String(id);
  }

  async hasThread(threadId: string): Promise<boolean> {
    const sql = `SELECT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = ?1)
      OR EXISTS (SELECT 1 FROM writes WHERE thread_id = ?1)`;
    return this.#number(sql, threadId) === 1;
  }

  async *keys(threadId: string): AsyncGenerator<CheckpointKey> {
    const sql = `SELECT checkpoint_ns AS namespace, checkpoint_id AS checkpointId FROM checkpoints WHERE thread_id = ?
      ORDER BY checkpoint_id, checkpoint_ns`;
    for (const row of this.#rows(sql, threadId)) yield keyOf(row);
  }

  async *orphanKeys(threadId: string): AsyncGenerator<CheckpointKey> {
    const sql = `SELECT DISTINCT checkpoint_ns AS namespace, checkpoint_id AS checkpointId FROM writes AS own
      WHERE thread_id = ? AND NOT EXISTS (SELECT 1 FROM checkpoints AS its WHERE its.thread_id = own.thread_id
        AND its.checkpoint_ns = own.checkpoint_ns AND its.checkpoint_id = own.checkpoint_id)
      ORDER BY checkpoint_id, checkpoint_ns`;
    for (const row of this.#rows(sql, threadId)) yield keyOf(row);
  }

  async has(threadId: string, { namespace, checkpointId }: CheckpointKey): Promise<boolean> {
    return told(() => this.#has.get(threadId, namespace, checkpointId)) !== undefined;
  }

  async read(threadId: string, key: CheckpointKey): Promise<TheirCheckpoint | undefined> {
    const row = told(() => this.#checkpoint.get(threadId, key.namespace, key.checkpointId));
    if (row === undefined) return undefined;
    const { parentId, type, checkpoint, metadata, hasParent } = row as unknown as CheckpointRow;
    return {
      ...key,
      // Like their reader: no parent is NULL, and also the empty text.
      parentId: parentId || undefined,
      hasParent: !parentId || hasParent === 1,
      checkpoint: { type, data: checkpoint },
      channels: undefined,
      metadata: { type, data: metadata },
      writes: await this.writes(threadId, key),
    };
  }

  async writes(threadId: string, { namespace, checkpointId }: CheckpointKey): Promise<readonly TheirWrite[]> {
    const rows = told(() => this.#writes.all(threadId, namespace, checkpointId)) as unknown as WriteRow[];
    return rows.map(({ type, data, ...write }) => ({ ...write, payload: { type, data } }));
  }

  async close(): Promise<void> {
    this.#db.close();
    this.#guard?.check(this.#file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #number(sql: string, ...values: readonly string[]): number {
    const row = told(() => this.#db.prepare(sql).get(...values));
    return Number(Object.values(row ?? {})[0]);
  }

  *#rows(sql: string, ...values: readonly string[]): Generator<Record<string, unknown>> {
    const statement = this.#db.prepare(sql);
    // In older releases of Node.js an iterator does not keep its statement from being collected.
    this.#iterated.add(statement);
    try {
      yield* statement.iterate(...values);
    } catch (error) {
      throw failureOf(error);
    } finally {
      this.#iterated.delete(statement);
    }
  }
}

interface CheckpointRow {
  readonly parentId: string | null;
  readonly type: string | null;
  readonly checkpoint: Uint8Array | string | null;
  readonly metadata: Uint8Array | string | null;
  readonly hasParent: number;
}

type WriteRow = Omit<TheirWrite, "payload"> & TheirWrite["payload"];

function keyOf({ namespace, checkpointId }: Record<string, unknown>): CheckpointKey {
  return { namespace: String(namespace), checkpointId: String(checkpointId) };
}

/** @returns what gives the path of a task. @throws InvalidArgumentError, UnsupportedError when the file is not of a SqliteSaver */
function checkTables(db: DatabaseSync): string {
  const columnsOf = (table: string): unknown[] =>
    db
      .prepare("SELECT name FROM pragma_table_info(?)")
      .all(table)
      .map(({ name }) => name);
  const found = { checkpoints: columnsOf("checkpoints"), writes: columnsOf("writes") };
  const complete = Object.entries(COLUMNS).every(([table, names]) =>
    names.every((name) => found[table as keyof typeof found].includes(name)),
  );
  if (!complete) {
    const ours = columnsOf("checkpoint_blocks").length > 0 && columnsOf("tenants").length > 0;
    throw new InvalidArgumentError(
      ours
        ? "the database to import is a store of waystone, not of a LangGraph saver: export and import copy it"
        : "the database to import has no tables of LangGraph's SqliteSaver",
    );
  }
  for (const table of ["checkpoints", "writes"]) {
    const { type } = db.prepare(`SELECT type FROM ${table} LIMIT 1`).get() ?? {};
    if (isOfPython(type)) throw writtenByPython();
  }
  return found.writes.includes("task_path") ? "coalesce(task_path, '')" : "''";
}

/**
 * Opening a file that has a write-ahead log makes SQLite put two files beside it and leave them there, owned by whoever reads. A
 * file at rest (it has no log now, so nobody writes) is therefore read as one that does not change, and that is checked at the end.
 */
function guardFor(file: string): Guard | undefined {
  const stats = statOf(file);
  if (stats === undefined) throw new InvalidArgumentError("there is no file at the path of the database to import");
  if (!stats.isFile()) throw new InvalidArgumentError("the path of the database to import is not a file");
  const start = Buffer.alloc(100);
  const opened = openSync(file, "r");
  try {
    readSync(opened, start, 0, start.length, 0);
  } finally {
    closeSync(opened);
  }
  if (start.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw new InvalidArgumentError("the file to import is not a SQLite database");
  }
  const atRest = start[JOURNAL_FORM] === WRITE_AHEAD_LOG && statOf(`${file}-wal`) === undefined;
  return atRest ? new Guard(stats) : undefined;
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch (error) {
    const code = isError(error) && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new StorageConnectionError("the file to import cannot be opened", {
      operation: "openLangGraph",
      cause: error,
    });
  }
}

/** Remembers how a file lay when it was opened. */
class Guard {
  readonly #size: number;
  readonly #changed: number;

  constructor({ size, mtimeMs }: Stats) {
    this.#size = size;
    this.#changed = mtimeMs;
  }

  /** @throws StorageConnectionError when the file is another now */
  check(file: string): void {
    const stats = statOf(file);
    if (stats?.size === this.#size && stats.mtimeMs === this.#changed) return;
    throw new StorageConnectionError("the file to import was written to while it was read: run the import again", {
      operation: "openLangGraph",
      retryable: true,
    });
  }
}

function told<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw failureOf(error);
  }
}

/** A failure of SQLite as one of this package. */
function failureOf(error: unknown): unknown {
  if (!isError(error) || !("errcode" in error)) return error;
  const details = { operation: "openLangGraph", cause: error };
  return (Number(error.errcode) & 0xff) === SQLITE_CORRUPT
    ? new CorruptionError("the database to import is damaged as a whole: SQLite cannot read on", details)
    : new StorageConnectionError("the database to import cannot be read", details);
}

const SQLITE_CORRUPT = 11;
