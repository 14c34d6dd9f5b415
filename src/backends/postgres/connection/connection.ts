/** A connection that was taken from the pool, in the hands of one call after the other: what is sent on it, in order. */
import { isError } from "../../../contract/errors.js";
import type { Call } from "../../../domain/driver/call.js";
import { isAnswer, isReadOnly } from "../errors.js";
import { destroySocket, requestCancel } from "./cancel-request.js";
import type { PgClient, PgStatement } from "./pg-module.js";
import { type MakeQuery, queriesOf } from "./prepared-query.js";
import { ROW_VALUES } from "./row-values.js";
import type { Sql } from "./sql.js";
import type { Statements } from "./statements.js";
import type { Watch, Watched } from "./watch.js";

export class Connection implements Watched {
  place = -1;
  readonly #client: PgClient;
  readonly #statements: Statements;
  readonly #watch: Watch;
  readonly #pipelined: boolean;
  readonly #make: MakeQuery | undefined;
  readonly #onError = (error: Error): void => {
    this.#broken ??= error;
  };
  #call: Call | undefined;
  #broken: Error | undefined;
  #released = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: PgClient, statements: Statements, watch: Watch) {
    this.#client = client;
    this.#statements = statements;
    this.#watch = watch;
    this.#pipelined = (client as { readonly pipeline?: unknown }).pipeline === true;
    this.#make = queriesOf(client);
    client.on("error", this.#onError);
  }

  /** The connection cannot be used again. */
  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** From here on the connection is the call's: it is given up with it. */
  lend(call: Call): void {
    this.#call = call;
    this.#watch.watch(this);
  }

  /** The call has done with it. */
  takeBack(): void {
    this.#watch.unwatch(this);
    this.#call = undefined;
  }

  get cancelled(): boolean {
    return this.#call?.cancelled === true;
  }

  giveUp(): void {
    requestCancel(this.#client);
    // The cancellation may come late, and must not hit whoever has the connection next.
    this.spoil(this.#call?.cancellation() ?? new Error("a call was given up"));
  }

  /** Sends a statement; several may be on their way at once, and are carried out in order. */
  query<Row>(statement: Sql): Promise<Row[]> {
    const { statement: prepared, values } = this.#statements.of(statement);
    const { text, name } = prepared;
    const make = this.#make;
    if (make === undefined || name === undefined || values.length === 0) {
      const prepare = name !== undefined && values.length > 0;
      return this.#send(this.#plain(prepare ? { text, name, values } : { text, values })) as Promise<Row[]>;
    }
    return this.#send(
      () =>
        new Promise<unknown[]>((resolve, reject) => {
          this.#client.query(make(prepared as typeof prepared & { readonly name: string }, values, resolve, reject));
        }),
    ) as Promise<Row[]>;
  }

  /** Sends statements without parameters, written in the source or made of checked parts, as one message. */
  script(text: string): Promise<unknown> {
    return this.#send(this.#plain({ text: this.#statements.inSchema(text) }));
  }

  /** Gives the connection back to the pool; a broken one is closed. Later calls do nothing. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.takeBack();
    this.#client.release(this.#broken ?? false);
    this.#client.removeListener("error", this.#onError);
  }

  /** The connection is not to be used again: what it is in the middle of is not known. */
  spoil(error: Error): void {
    this.#broken ??= error;
    destroySocket(this.#client);
  }

  #plain(statement: PgStatement): () => Promise<unknown[]> {
    return async () => {
      const result = await this.#client.query({ ...statement, types: ROW_VALUES });
      return (result as { readonly rows?: unknown[] }).rows ?? [];
    };
  }

  #send(query: () => Promise<unknown[]>): Promise<unknown[]> {
    const run = async (): Promise<unknown[]> => {
      try {
        return await query();
      } catch (error) {
        // The server has said its last word, or nothing, or takes no writes any more, where another one may: whoever calls next must
        // not find this connection.
        if (!isAnswer(error) || isReadOnly(error))
          this.#broken ??= isError(error) ? error : new Error("a connection failed");
        throw error;
      }
    };
    // A client that does not pipeline takes one statement at a time.
    const sent = this.#pipelined ? run() : this.#last.then(run, run);
    this.#last = sent.catch(() => undefined);
    return sent;
  }
}
