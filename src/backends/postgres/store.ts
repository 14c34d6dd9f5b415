/** An open database: how the verbs read and write it. Each way takes a connection for one call and gives it back. */
import { setTimeout as sleep } from "node:timers/promises";
import { ClosedError, isError } from "../../contract/errors.js";
import type { Call } from "../../domain/driver/call.js";
import { KnownBlocks, threadKey } from "../../domain/segments/known-blocks.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import type { PostgresChanges } from "./changes.js";
import { Connection } from "./connection/connection.js";
import type { PgClient, PgPool } from "./connection/pg-module.js";
import type { Sql } from "./connection/sql.js";
import { Statements } from "./connection/statements.js";
import { Transaction, type TransactionKind } from "./connection/transaction.js";
import { Watch } from "./connection/watch.js";
import { isAftermath, isAnswer, isRepeatable } from "./errors.js";
import { MarkedThreads } from "./marked-threads.js";
import type { ResolvedOptions } from "./options.js";

/** Longest pause before a transaction that the server took back is tried again, in milliseconds. */
const LONGEST_PAUSE_MS = 100;

/** Whether vectors are kept (M4), and why not; `refused` where the storage tried to make what is missing. */
export type VectorSupport =
  | { readonly kind: "ready"; readonly version: string }
  | { readonly kind: "missing" | "refused"; readonly reason: string };

/** What the transaction has read is no longer so: it is to be done again. */
export class ReadAgain extends Error {}

const ignore = (): void => undefined;
const listen = (client: PgClient): unknown => client.on("error", ignore);
const unlisten = (_error: Error, client: PgClient): unknown => client.removeListener("error", ignore);

export class Database {
  readonly options: ResolvedOptions;
  readonly pool: PgPool;
  readonly statements: Statements;
  readonly blocks: KnownBlocks = new KnownBlocks();
  /** Threads that are linked to a session. */
  readonly linkedThreads: MarkedThreads = new MarkedThreads();
  /** Of states that were stored by this storage: a hint, as other processes write too. By `threadKey`. */
  readonly outlines: RecentOutlines<string> = new RecentOutlines();
  /** As of the last look. */
  vectors: VectorSupport = { kind: "missing", reason: "nobody has looked for them" };
  readonly #watch = new Watch();
  readonly #inUse = new Set<Connection>();
  /** Given back by a call a moment ago; whoever calls next has one without a way through the pool. */
  readonly #kept: Connection[] = [];
  readonly #letGo = (): void => {
    for (const connection of this.#kept.splice(0)) connection.release();
  };
  readonly #onPoolError = (error: Error): void => {
    this.lastIdleError = error;
  };
  /** Whether the schema asks each transaction for its tenant, and whether the server binds this user by that. Known once the schema is. */
  rowSecurity: { readonly asked: boolean; readonly binds: boolean } = { asked: false, binds: false };
  /** Whether what grows is spread over partitions. Known once the schema is. */
  isPartitioned = false;
  /** Why the pool last lost a connection that nobody used; for the health check. */
  lastIdleError: Error | undefined;

  /** Tells others what is written; `undefined` without a feed of changes. */
  readonly changes: PostgresChanges | undefined;

  constructor(options: ResolvedOptions, pool: PgPool, changes?: PostgresChanges | undefined) {
    this.options = options;
    this.pool = pool;
    this.changes = changes;
    this.statements = new Statements(options.schema, options.preparedStatements);
    // Without a listener a server's restart would end the process.
    pool.on("error", this.#onPoolError);
    // Nor may it between the moment in which the pool hands out a connection and that in which a call has it: what the server sends with
    // its greeting comes before the promise is kept.
    pool.on("acquire", listen);
    pool.on("release", unlisten);
  }

  now(): number {
    return this.options.clock.now();
  }

  /** Runs a statement that changes nothing. */
  read<Row>(call: Call, statement: Sql): Promise<Row[]> {
    return this.#with(call, (connection) =>
      this.rowSecurity.asked
        ? this.#begun(connection, call, "read").only<Row>(statement)
        : connection.query<Row>(statement),
    );
  }

  /** Runs a statement that reads a few rows of a spread table in the order of its index. */
  readInOrder<Row>(call: Call, statement: Sql): Promise<Row[]> {
    if (!this.isPartitioned) return this.read<Row>(call, statement);
    return this.#with(call, (connection) => this.#begun(connection, call, "read", true).only<Row>(statement));
  }

  /**
   * Runs a single statement that is a transaction of its own.
   * @param inOrder it also reads a few rows of a spread table in the order of its index
   */
  write<Row>(call: Call, statement: Sql, inOrder = false): Promise<Row[]> {
    const telling = this.changes?.statementFor(call);
    const isAlone = !this.rowSecurity.asked && telling === undefined && !(inOrder && this.isPartitioned);
    return this.#again(call, () =>
      this.#with(call, (connection) => {
        call.sent = true;
        if (isAlone) return connection.query<Row>(statement);
        const tx = this.#begun(connection, call, "write", inOrder);
        if (telling !== undefined) tx.run(telling);
        return tx.only<Row>(statement);
      }),
    );
  }

  /**
   * Runs a single statement that does all or gives no row, and the row that it gives. Without one nothing was done, and another way
   * may be tried.
   */
  async writeIf<Row>(call: Call, statement: Sql, inOrder = false): Promise<Row | undefined> {
    const [row] = await this.write<Row>(call, statement, inOrder);
    if (row === undefined) call.sent = false;
    return row;
  }

  /**
   * Runs a transaction. What the server takes back for the sake of another transaction is done again, as long as the call has
   * time: `work` must not change anything but the store.
   */
  transact<T>(call: Call, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#again(call, () => this.#with(call, (connection) => this.#transact(connection, call, "write", work)));
  }

  /** Runs several reads on one moment of the store. */
  snapshot<T>(call: Call, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#with(call, (connection) => this.#transact(connection, call, "snapshot", work));
  }

  /** A stream over one moment of the store, which lasts as long as somebody takes its rows. */
  async *stream<T>(call: Call, rows: (tx: Transaction) => AsyncGenerator<T>): AsyncGenerator<T> {
    const connection = await this.#connect(call);
    try {
      const tx = this.#begun(connection, call, "snapshot");
      try {
        for await (const row of rows(tx)) {
          yield row;
          if (call.cancelled) throw call.cancellation();
        }
      } finally {
        await rollBack(connection, tx);
      }
    } catch (error) {
      if (call.cancelled) throw call.cancellation();
      if (!isAnswer(error) && isError(error) && !("outcome" in error)) connection.spoil(error);
      throw error;
    } finally {
      this.#release(connection);
    }
  }

  /** Takes back what calls still hold, such as that of an export that nobody reads on (F4). */
  abandon(): void {
    this.#letGo();
    for (const connection of this.#inUse) {
      connection.spoil(new ClosedError("the storage is closed"));
      connection.release();
    }
    this.#inUse.clear();
  }

  /** For a thread that goes. */
  forgetThread(tenant: string, threadId: string): void {
    this.blocks.forget(tenant, threadId);
    this.outlines.forget(threadKey(tenant, threadId));
  }

  stop(): void {
    this.#watch.stop();
    this.pool.removeListener("error", this.#onPoolError);
    this.pool.removeListener("acquire", listen);
    this.pool.removeListener("release", unlisten);
  }

  async #again<T>(call: Call, attempt: () => Promise<T>): Promise<T> {
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (!isRepeatable(error) && !(error instanceof ReadAgain)) throw error;
        call.sent = false;
      }
      await sleep(Math.random() * pause);
      if (call.cancelled) throw call.cancellation();
    }
  }

  async #transact<T>(
    connection: Connection,
    call: Call,
    kind: TransactionKind,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    const tx = this.#begun(connection, call, kind);
    try {
      const result = await work(tx);
      if (call.cancelled) throw call.cancellation();
      const telling = kind === "write" ? this.changes?.statementFor(call) : undefined;
      if (telling !== undefined) tx.run(telling);
      await tx.commit(call);
      return result;
    } catch (error) {
      const cause = isAftermath(error) ? (tx.failure ?? error) : error;
      await rollBack(connection, tx);
      throw cause;
    }
  }

  /** A transaction that has begun, for the tenant of the call. */
  #begun(connection: Connection, call: Call, kind: TransactionKind, inOrder = false): Transaction {
    const tx = new Transaction(connection, this.isPartitioned);
    tx.begin(kind, call, this.rowSecurity.asked, inOrder);
    return tx;
  }

  async #with<T>(call: Call, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#connect(call);
    try {
      // A connection that was kept is here in the same turn, in which its caller may still give up: nothing is sent then.
      if (call.cancelled) throw call.cancellation();
      return await work(connection);
    } finally {
      this.#release(connection);
    }
  }

  async #connect(call: Call): Promise<Connection> {
    if (call.cancelled) throw call.cancellation();
    const connection = this.#takeKept() ?? new Connection(await this.pool.connect(), this.statements, this.#watch);
    if (call.cancelled) {
      connection.release();
      throw call.cancellation();
    }
    connection.lend(call);
    this.#inUse.add(connection);
    return connection;
  }

  #takeKept(): Connection | undefined {
    for (let kept = this.#kept.pop(); kept !== undefined; kept = this.#kept.pop()) {
      if (!kept.broken) return kept;
      kept.release();
    }
    return undefined;
  }

  /** The next call often comes as soon as this one has its result: it finds the connection still here. */
  #release(connection: Connection): void {
    if (!this.#inUse.delete(connection)) return;
    connection.takeBack();
    if (connection.broken || this.pool.waitingCount > 0) {
      connection.release();
      return;
    }
    if (this.#kept.push(connection) === 1) setImmediate(this.#letGo);
  }
}

/** Ends a transaction without effect. What keeps it from ending is told by the connection, never in the place of what the call has to tell. */
async function rollBack(connection: Connection, tx: Transaction): Promise<void> {
  if (connection.broken) return;
  await tx.rollback().catch((failed: unknown) => connection.spoil(isError(failed) ? failed : new Error()));
}
