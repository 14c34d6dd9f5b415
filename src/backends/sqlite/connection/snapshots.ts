/**
 * Long reads: many short steps with turns of the event loop between them. With a write-ahead log all steps see one moment, on
 * a connection of their own; with a rollback journal a held moment would lock writers out, so each step sees its own.
 */
import type { WaitingCall } from "./back-off.js";
import { assertWanted } from "./back-off.js";
import type { Connection } from "./connection.js";
import { inReadTransaction, readInTurn } from "./reader.js";
import type { Turns } from "./turns.js";

/** One step of a long read. It must be short by itself. */
export type ReadStep = <T>(step: (db: Connection) => T) => Promise<T>;

/** Runs a read that pauses where it yields. What it found before a pause may be gone then, where steps do not see one moment. */
export async function inSteps<T>(read: ReadStep, work: (db: Connection) => Generator<void, T, void>): Promise<T> {
  let running: Generator<void, T, void> | undefined;
  const step = (db: Connection): IteratorResult<void, T> => {
    running ??= work(db);
    return running.next();
  };
  let piece = await read(step);
  while (!piece.done) piece = await read(step);
  return piece.value;
}

/** Long reads at once; more of them wait for one to end. Each takes a connection. */
const MAX_CONCURRENT = 4;

/** Connections that are kept for the next long read. */
const MAX_IDLE = 2;

export interface SnapshotOptions {
  readonly connect: () => Connection;
  /** Whether a moment can be held without locking writers out. */
  readonly holdsMoment: boolean;
  readonly turns: Turns;
}

export class Snapshots {
  readonly #options: SnapshotOptions;
  readonly #open = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  /** Runs a long read of a call. */
  async scan<T>(call: WaitingCall, work: (read: ReadStep) => Promise<T>): Promise<T> {
    if (this.#active >= MAX_CONCURRENT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      assertWanted(call);
      const connection = this.#idle.pop() ?? this.#connect();
      try {
        return await this.#onMoment(connection, call, work);
      } finally {
        if (this.#idle.length < MAX_IDLE && this.#open.has(connection)) this.#idle.push(connection);
        else this.#disconnect(connection);
      }
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    }
  }

  /** A stream lasts as long as it is read, so it is not counted and has a connection that nobody else gets. */
  async *stream<T>(call: WaitingCall, rows: (read: ReadStep) => AsyncGenerator<T>): AsyncGenerator<T> {
    const connection = this.#connect();
    try {
      yield* rows(await this.#begin(connection, call));
    } finally {
      this.#disconnect(connection);
    }
  }

  /** Also closes what somebody has begun to read and not read to its end. */
  close(): void {
    for (const connection of this.#open) this.#disconnect(connection);
    this.#idle.length = 0;
  }

  #connect(): Connection {
    const connection = this.#options.connect();
    this.#open.add(connection);
    return connection;
  }

  #disconnect(connection: Connection): void {
    this.#open.delete(connection);
    connection.close();
  }

  async #onMoment<T>(connection: Connection, call: WaitingCall, work: (read: ReadStep) => Promise<T>): Promise<T> {
    const read = await this.#begin(connection, call);
    try {
      return await work(read);
    } finally {
      if (this.#open.has(connection)) connection.rollback();
    }
  }

  async #begin(connection: Connection, call: WaitingCall): Promise<ReadStep> {
    const { holdsMoment, turns } = this.#options;
    if (holdsMoment) connection.control("BEGIN");
    return (step) =>
      readInTurn(turns, call, () => (holdsMoment ? step(connection) : inReadTransaction(connection, locked(step))));
  }
}

/** A step that has begun finds no other connection in its way: it may be a part of a work that cannot be begun again. */
function locked<T>(step: (db: Connection) => T): (db: Connection) => T {
  return (db) => {
    db.get("SELECT 1 FROM sqlite_schema LIMIT 1");
    return step(db);
  };
}
