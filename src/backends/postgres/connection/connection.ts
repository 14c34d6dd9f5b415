/** A connection in the hands of one call: what is sent on it, in order, and how it goes back to the pool. */
import type { Call } from "../../../domain/driver/call.js";
import { destroySocket, requestCancel } from "./cancel-request.js";
import type { PgClient, PgStatement } from "./pg-module.js";
import type { Sql } from "./sql.js";
import type { Statements } from "./statements.js";
import type { Watch } from "./watch.js";

export class Connection {
  readonly #client: PgClient;
  readonly #call: Call;
  readonly #statements: Statements;
  readonly #watch: Watch;
  readonly #pipelined: boolean;
  readonly #onError = (error: Error): void => {
    this.#broken ??= error;
  };
  #broken: Error | undefined;
  #released = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: PgClient, call: Call, statements: Statements, watch: Watch) {
    this.#client = client;
    this.#call = call;
    this.#statements = statements;
    this.#watch = watch;
    this.#pipelined = (client as { readonly pipeline?: unknown }).pipeline === true;
    client.on("error", this.#onError);
    watch.watch(call, () => this.#giveUp());
  }

  /** The connection cannot be used again. */
  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** Sends a statement; several may be on their way at once, and are carried out in order. */
  query<Row>(statement: Sql): Promise<Row[]> {
    return this.#send(this.#statements.of(statement)) as Promise<Row[]>;
  }

  /** Sends statements without parameters, written in the source or made of checked parts, as one message. */
  script(text: string): Promise<unknown> {
    return this.#send({ text: this.#statements.inSchema(text) });
  }

  /** Gives the connection back; a broken one is closed. Later calls do nothing. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#watch.unwatch(this.#call);
    this.#client.release(this.#broken ?? false);
    this.#client.removeListener("error", this.#onError);
  }

  /** The connection is not to be used again: what it is in the middle of is not known. */
  spoil(error: Error): void {
    this.#broken ??= error;
    destroySocket(this.#client);
  }

  #giveUp(): void {
    requestCancel(this.#client);
    // The cancellation may come late, and must not hit whoever has the connection next.
    this.spoil(this.#call.cancellation());
  }

  #send(statement: PgStatement): Promise<unknown[]> {
    const run = async (): Promise<unknown[]> => {
      const result = (await this.#client.query(statement)) as { readonly rows?: unknown[] };
      return result.rows ?? [];
    };
    // A client that does not pipeline takes one statement at a time.
    const sent = this.#pipelined ? run() : this.#last.then(run, run);
    this.#last = sent.catch(() => undefined);
    return sent;
  }
}
