/** One transaction on a connection. */
import type { Call } from "../../../domain/driver/call.js";
import type { Connection } from "./connection.js";
import { type Sql, sql } from "./sql.js";

/** How a transaction begins. */
export type TransactionKind = "read" | "write" | "snapshot";

const BEGIN = {
  read: "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
  write: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
  snapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
};

/**
 * For statements that read a few rows in the order of an index. Over partitions the server may take one that sorts whatever a session or
 * thread holds: a plan that it keeps is for values that it does not know, and it expects few rows. What has to be sorted all the same then
 * seems so dear to it that it would compile the statement.
 */
const IN_ORDER = "SET LOCAL enable_sort = off; SET LOCAL jit = off";
const IN_ANY_ORDER = "SET LOCAL enable_sort TO DEFAULT; SET LOCAL jit TO DEFAULT";

/** Longest time that the server lets a statement run when the call has no deadline, in milliseconds: no limit. */
const NO_TIMEOUT = 0;

export class Transaction {
  readonly #connection: Connection;
  readonly #overPartitions: boolean;
  readonly #waiting: Promise<unknown>[] = [];
  #failure: unknown;

  /** @param overPartitions the schema has any */
  constructor(connection: Connection, overPartitions: boolean) {
    this.#connection = connection;
    this.#overPartitions = overPartitions;
  }

  /** The first statement's error: those after it only say that the transaction has failed. */
  get failure(): unknown {
    return this.#failure;
  }

  /**
   * Sends BEGIN, and does not wait for it. The server stops what runs longer than the call has time (F2).
   * @param asTenant the server is told for which tenant, as its row-level security asks for
   * @param inOrder whether all that follows is like that of `queryInOrder`
   */
  begin(kind: TransactionKind, call: Call, asTenant: boolean, inOrder = false): void {
    const left = call.remainingMs();
    const timeout = Number.isFinite(left) ? Math.max(1, Math.ceil(left)) : NO_TIMEOUT;
    const begin = inOrder && this.#overPartitions ? `${BEGIN[kind]}; ${IN_ORDER}` : BEGIN[kind];
    if (asTenant) {
      this.#later(this.#connection.script(begin));
      this.run(setTenant(call.tenant, timeout));
    } else {
      this.#later(this.#connection.script(`${begin}; SET LOCAL statement_timeout = ${timeout}`));
    }
  }

  query<Row>(statement: Sql): Promise<Row[]> {
    const rows = this.#connection.query<Row>(statement);
    this.#observe(rows);
    return rows;
  }

  /** Rows of a spread table in the order of its index, a few of many. */
  queryInOrder<Row>(statement: Sql): Promise<Row[]> {
    if (!this.#overPartitions) return this.query<Row>(statement);
    this.#observe(this.#connection.script(IN_ORDER));
    const rows = this.query<Row>(statement);
    this.#observe(this.#connection.script(IN_ANY_ORDER));
    return rows;
  }

  /** Statements without parameters, as one message. */
  script(text: string): Promise<unknown> {
    const sent = this.#connection.script(text);
    this.#observe(sent);
    return sent;
  }

  /** Sets a parameter of the server until the transaction ends; both are written in the source. */
  setting(name: string, value: string): void {
    this.#later(this.#connection.script(`SET LOCAL ${name} = ${value}`));
  }

  /** The first row. */
  async get<Row>(statement: Sql): Promise<Row | undefined> {
    return (await this.query<Row>(statement))[0];
  }

  /** Sends a write whose result nobody needs; it is waited for with the end of the transaction. */
  run(statement: Sql): void {
    this.#later(this.#connection.query(statement));
  }

  /**
   * The rows of a statement that is the whole transaction. COMMIT goes with it: all of it is one round trip, and what has failed is
   * rolled back by it.
   */
  async only<Row>(statement: Sql): Promise<Row[]> {
    const rows = this.query<Row>(statement);
    this.#later(this.#connection.script("COMMIT"));
    try {
      const [found] = await Promise.all([rows, this.settled()]);
      return found;
    } catch (error) {
      throw this.#failure ?? error;
    }
  }

  /** Waits for what `run` has sent. */
  async settled(): Promise<void> {
    await Promise.all(this.#waiting.splice(0));
  }

  /** Sends COMMIT with what is still on its way. From here on it is not known whether the effect is in the store. */
  async commit(call: Call): Promise<void> {
    call.sent = true;
    this.#later(this.#connection.script("COMMIT"));
    await this.settled();
  }

  async rollback(): Promise<void> {
    this.#waiting.length = 0;
    await this.#connection.script("ROLLBACK");
  }

  #later(sent: Promise<unknown>): void {
    this.#observe(sent);
    this.#waiting.push(sent);
  }

  /** Whoever asks for several at once may leave at the first that fails. */
  #observe(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => {
      this.#failure ??= error;
    });
  }
}

/** The tenant, as long as the transaction lasts: a pooler between may give the connection to others. */
function setTenant(tenant: string, timeoutMs: number): Sql {
  return sql`SELECT set_config('waystone.tenant', ${tenant}, true), set_config('statement_timeout', ${String(timeoutMs)}, true)`;
}
