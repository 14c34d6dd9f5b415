/**
 * Keeps the write-ahead log short. Copying it into the file takes as long as the disk likes, so a thread of its own does it and
 * the event loop goes on. While others write, the log cannot start again from its beginning: once it is long, the writer
 * waits until the copy is complete.
 */

import { Worker } from "node:worker_threads";
import { isError } from "../../../contract/errors.js";
import { isBusy } from "../errors.js";
import type { Connection } from "./connection.js";

/** Length of the log in pages from which on it is copied: 16 MB. A page that many commits have changed is copied once. */
const COPY_FROM_PAGES = 4_000;

/** Length of the log in pages from which on the writer does not go on without waiting for the copy: 64 MB. */
const LONG_PAGES = 16_000;

/** Statements that write a few pages each, between two looks at the log. */
const STATEMENTS_PER_LOOK = 100;

/** Largest size that the log's file keeps when it starts again, in bytes: writing over it is quicker than making it longer. */
const KEPT_BYTES = 96 * 1024 * 1024;

interface LogLength {
  readonly log: number;
  readonly checkpointed: number;
}

export class WriteAheadLog {
  readonly #connection: Connection;
  readonly #path: string;
  #lookAt = STATEMENTS_PER_LOOK;
  #copying: Promise<void> | undefined;
  /** A copy beside the writer has brought most of the log: the rest takes a moment, after which the log starts again. */
  #isNearlyCopied = false;
  /** Length at which waiting has not helped: a reader holds an old moment. */
  #stuckAt = 0;
  #worker: Worker | undefined;
  #mayStartWorker = true;
  #onAnswer: (problem: string | undefined) => void = () => undefined;
  #problem: string | undefined;

  /** @param connection that of the writer */
  constructor(connection: Connection, path: string) {
    this.#connection = connection;
    this.#path = path;
    connection.pragma("wal_autocheckpoint = 0");
    connection.pragma(`journal_size_limit = ${KEPT_BYTES}`);
  }

  /** Why the last copy failed, for the health check. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Called after a commit; the writer waits for what it returns, which never rejects.
   * @param elsewhere another connection has written much
   */
  afterCommit(elsewhere = false): Promise<void> | undefined {
    if (this.#connection.writes < this.#lookAt && !elsewhere) return undefined;
    this.#lookAt = this.#connection.writes + STATEMENTS_PER_LOOK;
    const { log, checkpointed } = this.#length();
    if (log < this.#stuckAt) this.#stuckAt = 0;
    if (checkpointed === log || log < this.#stuckAt + COPY_FROM_PAGES) return undefined;
    if (this.#isNearlyCopied || log >= this.#stuckAt + LONG_PAGES) return this.#copyAll();
    void this.#copy().then(() => {
      this.#isNearlyCopied = true;
      this.#lookAt = 0;
    });
    return undefined;
  }

  /** Leaves a short log, so that closing the last connection takes no time. */
  async close(): Promise<void> {
    await this.#copying;
    const { log, checkpointed } = this.#length();
    if (log - checkpointed >= COPY_FROM_PAGES) await this.#copy();
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    worker.ref();
    worker.postMessage("close");
    await exited;
  }

  /** While nobody writes. */
  async #copyAll(): Promise<void> {
    await this.#copying;
    await this.#copy();
    this.#isNearlyCopied = false;
    const { log, checkpointed } = this.#length();
    if (checkpointed < log) this.#stuckAt = log;
  }

  #length(): LogLength {
    try {
      return this.#connection.get<LogLength>("PRAGMA wal_checkpoint(NOOP)") ?? NO_LOG;
    } catch (error) {
      this.#problem = isError(error) ? error.message : String(error);
      return NO_LOG;
    }
  }

  /** One copy at a time; never rejects. */
  #copy(): Promise<void> {
    this.#copying ??= (this.#mayStartWorker ? this.#askWorker() : Promise.resolve(copyHere(this.#connection))).then(
      (problem) => {
        this.#problem = problem;
        this.#copying = undefined;
      },
    );
    return this.#copying;
  }

  /** Resolves to what went wrong, if anything did. */
  #askWorker(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#worker ??= this.#startWorker();
      if (this.#worker === undefined) {
        resolve(copyHere(this.#connection));
        return;
      }
      this.#onAnswer = resolve;
      this.#worker.ref();
      this.#worker.postMessage("copy");
    });
  }

  #startWorker(): Worker | undefined {
    const options = { eval: true, execArgv: [], name: "waystone sqlite", workerData: this.#path };
    try {
      const worker = new Worker(WORKER, options);
      worker.on("message", (problem: string | undefined) => {
        worker.unref();
        this.#onAnswer(problem);
      });
      worker.on("error", (error) => {
        this.#giveUpWorker();
        this.#onAnswer(error.message);
      });
      return worker;
    } catch {
      // A process may be forbidden to start threads; it goes on without one.
      this.#giveUpWorker();
      return undefined;
    }
  }

  #giveUpWorker(): void {
    this.#worker = undefined;
    this.#mayStartWorker = false;
  }
}

const NO_LOG: LogLength = { log: 0, checkpointed: 0 };

/** Where no thread can be started, as SQLite does it: in the event loop. */
function copyHere(connection: Connection): string | undefined {
  try {
    connection.get("PRAGMA wal_checkpoint(PASSIVE)");
    return undefined;
  } catch (error) {
    return isBusy(error) || !isError(error) ? undefined : error.message;
  }
}

/** A busy log is no problem: the next commit asks again. */
const WORKER = `
const { parentPort, workerData } = require("node:worker_threads");
process.emitWarning = () => {};
const { DatabaseSync } = require("node:sqlite");
const db = new DatabaseSync(workerData);
db.exec("PRAGMA busy_timeout = 0; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL");
const copy = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
parentPort.on("message", (message) => {
  if (message === "close") {
    db.close();
    parentPort.close();
    return;
  }
  try {
    copy.get();
    parentPort.postMessage(undefined);
  } catch (error) {
    parentPort.postMessage((error.errcode & 0xff) === 5 ? undefined : error.message);
  }
});
`;
