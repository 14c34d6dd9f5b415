/**
 * Long reads: many short steps with turns of the event loop between them, which see one moment, on a connection of their own. With a
 * write-ahead log that costs nobody anything. With a rollback journal a held moment locks writers out: a read first goes without, begins
 * anew when somebody has written meanwhile, and holds the moment only when that does not end.
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

/** How often a read is begun without holding its moment, where that locks writers out. */
const FREE_TRIES = 2;

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

  /** Runs a long read of a call. It may be begun several times; what it has found before does not count. */
  scan<T>(call: WaitingCall, work: (read: ReadStep) => Promise<T>): Promise<T> {
    return this.#withConnection(call, (connection) => this.#onMoment(connection, call, work));
  }

  /** As `scan`, for what may be of several moments: with a rollback journal it never locks writers out, however long it takes. */
  survey<T>(call: WaitingCall, work: (read: ReadStep) => Promise<T>): Promise<T> {
    if (this.#options.holdsMoment) return this.scan(call, work);
    return this.#withConnection(call, (connection) => work(this.#freeSteps(connection, call)));
  }

  async #withConnection<T>(call: WaitingCall, use: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#active >= MAX_CONCURRENT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      assertWanted(call);
      const connection = this.#idle.pop() ?? this.#connect();
      try {
        return await use(connection);
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
      const { holdsMoment } = this.#options;
      yield* rows(holdsMoment ? this.#heldSteps(connection, call) : this.#freeSteps(connection, call));
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
    for (let tries = this.#options.holdsMoment ? 0 : FREE_TRIES; tries > 0; tries--) {
      try {
        return await work(this.#freeSteps(connection, call, sameMoment()));
      } catch (error) {
        if (!(error instanceof MomentPassed)) throw error;
      }
    }
    const read = this.#heldSteps(connection, call);
    try {
      return await work(read);
    } finally {
      if (this.#open.has(connection)) connection.rollback();
    }
  }

  #heldSteps(connection: Connection, call: WaitingCall): ReadStep {
    const { holdsMoment, turns } = this.#options;
    connection.control("BEGIN");
    return (step) => readInTurn(turns, call, () => (holdsMoment ? step(connection) : locked(step)(connection)));
  }

  /** Each step is a transaction of its own. */
  #freeSteps(connection: Connection, call: WaitingCall, look: (db: Connection) => void = () => undefined): ReadStep {
    return (step) =>
      readInTurn(this.#options.turns, call, () =>
        inReadTransaction(
          connection,
          locked((db) => {
            look(db);
            return step(db);
          }),
        ),
      );
  }
}

/** Somebody has written since the read began. */
class MomentPassed extends Error {}

/** Looks whether the moment of the first look is still there. @throws MomentPassed */
function sameMoment(): (db: Connection) => void {
  let first: number | undefined;
  return (db) => {
    // Counts what other connections have committed, and is read under the lock of the step's transaction.
    const version = db.get<{ data_version: number }>("PRAGMA data_version")?.data_version;
    first ??= version;
    if (version !== first) throw new MomentPassed("somebody has written since this read began");
  };
}

/** A step that has begun finds no other connection in its way: it may be a part of a work that cannot be begun again. */
function locked<T>(step: (db: Connection) => T): (db: Connection) => T {
  return (db) => {
    db.get("SELECT 1 FROM sqlite_schema LIMIT 1");
    return step(db);
  };
}
