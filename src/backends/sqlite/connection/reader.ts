/** Short reads: one transaction on a connection that never sees what is not committed. */
import { isBusy } from "../errors.js";
import type { WaitingCall } from "./back-off.js";
import { untilFree } from "./back-off.js";
import type { Connection } from "./connection.js";
import type { Turns } from "./turns.js";

export class Reader {
  readonly #connection: Connection;
  readonly #turns: Turns;

  constructor(connection: Connection, turns: Turns) {
    this.#connection = connection;
    this.#turns = turns;
  }

  /** Runs a short step on one moment of the store. */
  read<T>(call: WaitingCall, step: (db: Connection) => T): Promise<T> {
    return readInTurn(this.#turns, call, () => inReadTransaction(this.#connection, step));
  }

  close(): void {
    this.#connection.close();
  }
}

/** Runs a short read when the event loop has time for it and no other connection is in the way. */
export async function readInTurn<T>(turns: Turns, call: WaitingCall, read: () => T): Promise<T> {
  const wanted = (): T => {
    if (call.cancelled) throw call.cancellation();
    return read();
  };
  try {
    return await turns.inTurn(wanted);
  } catch (error) {
    if (!isBusy(error)) throw error;
    return untilFree(call, wanted);
  }
}

/** All statements of the step see the same moment. */
export function inReadTransaction<T>(connection: Connection, step: (db: Connection) => T): T {
  connection.control("BEGIN");
  try {
    const result = step(connection);
    connection.control("COMMIT");
    return result;
  } catch (error) {
    connection.rollback();
    throw error;
  }
}
