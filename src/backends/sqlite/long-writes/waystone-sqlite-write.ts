/** The thread of one long write: all of it in one transaction, which it commits when it is told to. */

import { parentPort, workerData } from "node:worker_threads";
import { isError } from "../../../contract/errors.js";
import { untilFree } from "../connection/back-off.js";
import { Connection } from "../connection/connection.js";
import { setDurability } from "../connection/journal.js";
import { mayWriteWith } from "../connection/may-write.js";
import { Tenants } from "../tenants.js";
import type { Answer, LongWrite, Request, ThreadData } from "./messages.js";
import { LONG_WRITES, type LongWriteName } from "./works.js";

const { write, unwanted } = workerData as ThreadData;
const tell = (answer: Answer): void => parentPort?.postMessage(answer);

/** The other thread looks at the deadline. */
const call = {
  get cancelled() {
    return Atomics.load(unwanted, 0) !== 0;
  },
  remainingMs: () => Number.POSITIVE_INFINITY,
  cancellation: () => new Error("nobody wants the write any more"),
};

try {
  const connection = new Connection(write.path);
  parentPort?.on("message", (request: Request) => {
    if (request === "commit") answering(() => committed(connection));
    else end(connection);
  });
  await untilFree(call, () => begin(connection, write));
  answering(() => ({ kind: "written", value: written(connection, write) }));
} catch (error) {
  fail(error);
}

function begin(connection: Connection, { journal, durability }: LongWrite): void {
  setDurability(connection, journal, durability);
  // The log is copied by the thread that does nothing else.
  connection.pragma("wal_autocheckpoint = 0");
  connection.control("BEGIN IMMEDIATE");
  mayWriteWith(connection, journal)(connection);
}

function written<Name extends LongWriteName>(tx: Connection, { name, told, tenant }: LongWrite<Name>): unknown {
  const pieces = LONG_WRITES[name](tx, new Tenants().findOrAdd(tx, tenant), told);
  for (let piece = pieces.next(); ; piece = pieces.next()) {
    if (call.cancelled) throw call.cancellation();
    if (piece.done) return piece.value;
  }
}

function committed(tx: Connection): Answer {
  tx.control("COMMIT");
  return { kind: "committed" };
}

/** What is not committed has no effect. */
function end(connection: Connection): void {
  connection.close();
  parentPort?.close();
}

function answering(work: () => Answer): void {
  try {
    tell(work());
  } catch (error) {
    fail(error);
  }
}

/** What SQLite says of an error besides its message is lost on the way between threads, unless it is sent apart. */
function fail(error: unknown): void {
  tell({ kind: "failed", error, fields: isError(error) ? { ...error } : {} });
}
