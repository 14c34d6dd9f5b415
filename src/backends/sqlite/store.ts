/** An open file: a connection that writes, one that reads, and what looks after them. The verbs are built on this. */
import { statSync } from "node:fs";
import type { Call } from "../../domain/driver/call.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import { untilFree } from "./connection/back-off.js";
import { CommitLog } from "./connection/commit-log.js";
import { Connection } from "./connection/connection.js";
import type { Journal } from "./connection/journal.js";
import { hasWalResetBug, setDurability, setJournal } from "./connection/journal.js";
import { mayWriteWith } from "./connection/may-write.js";
import { prepareFile } from "./connection/prepare-file.js";
import { Reader } from "./connection/reader.js";
import type { ReadStep } from "./connection/snapshots.js";
import { inSteps, Snapshots } from "./connection/snapshots.js";
import { Turns } from "./connection/turns.js";
import { WriteAheadLog } from "./connection/write-ahead-log.js";
import { MAY_WRITE_ELSEWHERE, WriteElsewhere } from "./long-writes/elsewhere.js";
import { LONG_WRITE_MS, LONG_WRITES, type LongWriteName, type LongWrites } from "./long-writes/works.js";
import { Maintenance, needsMaintenance } from "./maintenance.js";
import type { ResolvedOptions } from "./options.js";
import { migrate, schemaVersion } from "./schema/migrate.js";
import { Tenants } from "./tenants.js";
import { VectorCache } from "./vector-cache.js";
import { TOO_LONG, Writer } from "./writer.js";

/** Encoded characters from which on a write is done in a transaction of its own, which syncs without holding the event loop. */
const LARGE_WRITE = 512 * 1024;

/** How long a write without a pause may take, in milliseconds, before it is begun anew with some: what it meets may be large. */
const WITHOUT_PAUSE_MS = 15;

/** Rows from which on a write lets go of the event loop on its way. */
const MANY_ROWS = 200;

/** The version of a file's schema; 0 for a file that is empty or not there. Makes none. */
export async function versionOfFile(path: string, call: Call): Promise<number> {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return 0;
  const connection = new Connection(path);
  try {
    return await untilFree(call, () => schemaVersion(connection, path));
  } finally {
    connection.close();
  }
}

export class OpenFile {
  readonly options: ResolvedOptions;
  readonly journal: Journal;
  readonly maintenance: Maintenance;
  readonly vectors: VectorCache;
  /** Of states that were stored with this open file: a hint, as other processes write too. By `outlineKey`. */
  readonly outlines: RecentOutlines<string> = new RecentOutlines();
  readonly #connection: Connection;
  readonly #log: WriteAheadLog | undefined;
  readonly #commits: CommitLog | undefined;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #snapshots: Snapshots;
  readonly #tenants = new Tenants();

  /** Opens the file and brings its schema up to date. */
  static async open(options: ResolvedOptions, call: Call): Promise<OpenFile> {
    prepareFile(options.path);
    const connection = new Connection(options.path);
    try {
      const version = await untilFree(call, () => schemaVersion(connection, options.path));
      // Takes effect when the first page is written; later it would only write.
      if (version === 0) await untilFree(call, () => connection.pragma("auto_vacuum = INCREMENTAL"));
      const wanted = options.journal === "rollback" || hasWalResetBug(connection.version) ? "rollback" : "wal";
      const journal = await setJournal(connection, call, wanted);
      await untilFree(call, () => setDurability(connection, journal, options.durability));
      await untilFreeMigrated(connection, options.path, call);
      return new OpenFile(options, journal, connection);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, journal: Journal, connection: Connection) {
    this.options = options;
    this.journal = journal;
    this.vectors = new VectorCache(options.vectorCacheBytes);
    this.#connection = connection;
    this.#log = journal === "wal" ? new WriteAheadLog(connection, options.path) : undefined;
    this.#commits = journal === "wal" ? new CommitLog(connection, options.path, options.durability) : undefined;
    const [log, commits] = [this.#log, this.#commits];
    const turns = new Turns();
    this.#writer = new Writer({
      path: options.path,
      connection,
      turns,
      guard: mayWriteWith(connection, journal),
      prepare: (kind) => {
        this.#tenants.begin();
        commits?.prepare(kind);
      },
      commit: (hasWritten) => {
        if (commits !== undefined) return commits.commit(hasWritten);
        connection.control("COMMIT");
        return undefined;
      },
      afterCommit: (elsewhere) => {
        this.#tenants.commit();
        return log?.afterCommit(elsewhere);
      },
    });
    this.#reader = new Reader(new Connection(options.path), turns);
    this.#snapshots = new Snapshots({
      connect: () => new Connection(options.path),
      holdsMoment: journal === "wal",
      turns,
    });
    this.maintenance = new Maintenance(this.#writer);
  }

  now(): number {
    return this.options.clock.now();
  }

  /** Runs a short read on one moment of the store. */
  read<T>(call: Call, step: (db: Connection, tenant: number) => T): Promise<T> {
    return this.#reader.read(call, (db) => step(db, this.#tenants.find(db, call.tenant)));
  }

  /** Runs a read that is short, or, where it yields, in short steps: then it begins anew. */
  async readInSteps<T>(call: Call, work: (db: Connection, tenant: number) => Generator<void, T, void>): Promise<T> {
    const first = await this.read(call, (db, tenant) => work(db, tenant).next());
    if (first.done) return first.value;
    return this.scan(call, (read, tenant) => inSteps(read, (db) => work(db, tenant)));
  }

  /** Runs a long read in short steps on one moment of the store; it may be begun several times. */
  scan<T>(call: Call, work: (read: ReadStep, tenant: number) => Promise<T>): Promise<T> {
    return this.#snapshots.scan(call, async (read) => work(read, await this.#tenant(read, call)));
  }

  /** As `scan`, for a long count that may be of several moments. */
  survey<T>(call: Call, work: (read: ReadStep, tenant: number) => Promise<T>): Promise<T> {
    return this.#snapshots.survey(call, async (read) => work(read, await this.#tenant(read, call)));
  }

  /** Runs a read that lasts as long as somebody takes its rows. */
  stream<T>(call: Call, rows: (read: ReadStep, tenant: number) => AsyncGenerator<T>): AsyncGenerator<T> {
    const tenantOf = (read: ReadStep): Promise<number> => this.#tenant(read, call);
    return this.#snapshots.stream(call, async function* (read) {
      yield* rows(read, await tenantOf(read));
    });
  }

  /** Runs a short step that decides all its refusals before it writes; it may share a transaction with others. */
  write<T>(call: Call, step: (tx: Connection, tenant: number) => T, awaitsOthers = false): Promise<T> {
    return this.#writer.write(call, (tx) => step(tx, this.#tenants.findOrAdd(tx, call.tenant)), "short", awaitsOthers);
  }

  /** Runs a piece of work that lets go of the event loop where it yields, in a transaction of its own. */
  writeInSlices<T>(
    call: Call,
    work: (tx: Connection, tenant: number) => Generator<void, T, void>,
    mostMs: number = Number.POSITIVE_INFINITY,
  ): Promise<T> {
    const tenants = this.#tenants;
    return this.#writer.writeInSlices(
      call,
      function* (tx) {
        return yield* work(tx, tenants.findOrAdd(tx, call.tenant));
      },
      mostMs,
    );
  }

  /** As `writeInSlices`, for work of any length: in another thread, if it takes long and there may be one. `isLong`: it will. */
  async writeLong<Name extends LongWriteName>(
    call: Call,
    name: Name,
    told: LongWrites[Name]["told"],
    isLong = false,
  ): Promise<LongWrites[Name]["gives"]> {
    const here = (mostMs?: number): Promise<LongWrites[Name]["gives"]> =>
      this.writeInSlices(call, (tx, tenant) => LONG_WRITES[name](tx, tenant, told), mostMs);
    if (!MAY_WRITE_ELSEWHERE) return here();
    try {
      if (!isLong) return await here(LONG_WRITE_MS[name]);
    } catch (error) {
      if (error !== TOO_LONG) throw error;
    }
    const { journal } = this;
    const { path, durability } = this.options;
    const write = { path, journal, durability, tenant: call.tenant, name, told };
    const done = await this.#writer.writeElsewhere(call, () => WriteElsewhere.start(write));
    return done === undefined ? here() : done.value;
  }

  /** As `write` when it is about few rows and little text, else as `writeInSlices`. `awaitsOthers` as the writer has it. */
  writeSized<T>(
    call: Call,
    size: { readonly rows: number; readonly characters: number; readonly awaitsOthers?: boolean },
    work: (tx: Connection, tenant: number) => Generator<void, T, void>,
  ): Promise<T> {
    if (size.rows > MANY_ROWS || size.characters > LARGE_WRITE) return this.writeInSlices(call, work);
    const step = (tx: Connection, tenant: number): T => {
      const end = performance.now() + WITHOUT_PAUSE_MS;
      const pieces = work(tx, tenant);
      let piece = pieces.next();
      for (; !piece.done; piece = pieces.next()) if (performance.now() >= end) throw TOO_LONG;
      return piece.value;
    };
    return this.write(call, step, size.awaitsOthers).catch((error: unknown) => {
      if (error === TOO_LONG) return this.writeInSlices(call, work);
      throw error;
    });
  }

  /** What the health check tells of the writing side. */
  get problems(): {
    readonly broken: string | undefined;
    readonly log: string | undefined;
    readonly maintenance: string | undefined;
  } {
    return { broken: this.#writer.broken?.message, log: this.#log?.problem, maintenance: this.maintenance.problem };
  }

  /** Commits are synced by this process after COMMIT and not by SQLite inside it. */
  get syncsOutside(): boolean {
    return this.#commits?.syncsOutside ?? false;
  }

  /** Runs a statement on the writer's connection, outside of the queue: settings in force are those of that connection. */
  inspect<T>(look: (connection: Connection) => T): T {
    return look(this.#connection);
  }

  /** Goes on with what a crash left. */
  async wakeMaintenance(call: Call): Promise<void> {
    if (await this.#reader.read(call, needsMaintenance)) this.maintenance.wake();
  }

  async close(): Promise<void> {
    await this.maintenance.stop();
    await this.#writer.drained();
    this.#snapshots.close();
    this.#reader.close();
    try {
      await this.#log?.close();
      await this.#commits?.close();
    } finally {
      this.#connection.close();
    }
  }

  async #tenant(read: ReadStep, call: Call): Promise<number> {
    return read((db) => this.#tenants.find(db, call.tenant));
  }
}

/** Switching the journal may have waited for another process that is migrating. */
async function untilFreeMigrated(connection: Connection, path: string, call: Call): Promise<void> {
  await untilFree(call, () => schemaVersion(connection, path));
  await migrate(connection, path, call);
}
