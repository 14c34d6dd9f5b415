/** The feed of changes of the PostgreSQL backend (F8): NOTIFY in the transaction of each write, LISTEN on a connection of its own. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChangeFeed } from "../../contract/change-feed.js";
import type { Call } from "../../domain/driver/call.js";
import { ToldChanges } from "../../domain/driver/told-changes.js";
import type { PgClient, PgPool } from "./connection/pg-module.js";
import { type Sql, sql } from "./connection/sql.js";

/** Pauses before the server is asked again, in milliseconds. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** How often a connection on which nothing comes is asked whether it is there, and how long it may take to say so, in milliseconds. */
const LOOK_MS = 10_000;
const LONGEST_LOOK_MS = 5_000;

export class PostgresChanges {
  readonly #told: ToldChanges = new ToldChanges({ start: () => this.#start(), end: () => this.#end() });
  readonly #channel: string;
  #pool: PgPool | undefined;
  #client: PgClient | undefined;
  #stopped: AbortController | undefined;
  #running: Promise<void> | undefined;

  /** @param schema the one that the storage is in: others are other stores */
  constructor(schema: string) {
    this.#channel = `waystone_${createHash("sha256").update(schema).digest("hex").slice(0, 32)}`;
  }

  get feed(): ChangeFeed {
    return this.#told.feed;
  }

  /** The statement that tells of a call when its transaction is committed; `undefined` for one that changes nothing. */
  statementFor(call: Call): Sql | undefined {
    const text = this.#told.textOf(call);
    return text === undefined ? undefined : sql`SELECT pg_notify(${this.#channel}, ${text})`;
  }

  /** The database is open. */
  open(pool: PgPool): void {
    this.#pool = pool;
    this.#start();
  }

  /** Before the pool ends. */
  async close(): Promise<void> {
    this.#pool = undefined;
    await this.#end();
  }

  #start(): void {
    if (this.#pool === undefined || !this.#told.isWanted || this.#running !== undefined) return;
    const stopped = new AbortController();
    this.#stopped = stopped;
    this.#running = this.#run(this.#pool, stopped.signal);
  }

  async #end(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#stopped?.abort();
    this.#client?.release(true);
    this.#client = undefined;
    await running;
  }

  /** Listens until it is stopped. */
  async #run(pool: PgPool, signal: AbortSignal): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await this.#listen(pool, signal, () => {
          pause = FIRST_PAUSE_MS;
        });
      } catch {
        // The server is away: the calls of the storage tell why.
      }
      if (signal.aborted) return;
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Returns when the connection is lost. */
  async #listen(pool: PgPool, signal: AbortSignal, listening: () => void): Promise<void> {
    const client = await pool.connect();
    if (signal.aborted) {
      client.release();
      return;
    }
    this.#client = client;
    const { promise: lost, resolve: lose } = Promise.withResolvers<void>();
    client.on("error", () => lose());
    client.on("end", () => lose());
    client.on("notification", ({ payload }) => this.#told.hear(payload ?? ""));
    signal.addEventListener("abort", () => lose(), { once: true });
    try {
      await client.query({ text: `LISTEN ${this.#channel}` });
      listening();
      this.#told.begin();
      while (await isSilent(lost, LOOK_MS)) {
        const answered = client.query({ text: "SELECT 1" }).then(
          () => true,
          () => false,
        );
        const late = sleep(LONGEST_LOOK_MS, false, { ref: false });
        if (!(await Promise.race([answered, late, lost.then(() => false)]))) break;
      }
    } finally {
      this.#told.lose();
      if (this.#client === client) {
        this.#client = undefined;
        client.release(true);
      }
    }
  }
}

/** Whether the connection is still there after a while. */
async function isSilent(lost: Promise<void>, ms: number): Promise<boolean> {
  const ended = new AbortController();
  const quiet = sleep(ms, true, { ref: false, signal: ended.signal }).catch(() => false);
  const silent = await Promise.race([quiet, lost.then(() => false)]);
  ended.abort();
  return silent;
}
