/** What a failover must not forget when its process ends: who is in charge, and what each store misses. */
import { StorageConnectionError, UnsupportedError } from "../../contract/errors.js";
import { loadSqlite } from "../../node-sqlite.js";

/** A change of one entry; `null` removes it. */
export type JournalChange = readonly [name: string, value: string | null];

export type JournalEntry = readonly [name: string, value: string];

/**
 * A small map of texts that outlives the process. One failover at a time has it: an implementation refuses a second one.
 * What it throws refuses the write that asked for it.
 */
export interface FailoverJournal {
  /** Called first, and once. */
  open(): Promise<void> | void;
  /** Entries whose names begin so. */
  list(prefix: string): Promise<Iterable<JournalEntry>> | Iterable<JournalEntry>;
  get(name: string): Promise<string | undefined> | string | undefined;
  /** Makes all of these changes or none; done means that they survive what the writes of the stores have to survive. */
  write(changes: readonly JournalChange[]): Promise<void> | void;
  close(): Promise<void> | void;
}

/**
 * A journal in an SQLite file of its own, or in memory with `:memory:`. Each write waits for the disk.
 * @throws StorageConnectionError on use, if the file cannot be opened or another process has it
 */
export function sqliteJournal(path: string): FailoverJournal {
  let database: InstanceType<ReturnType<typeof loadSqlite>["DatabaseSync"]> | undefined;
  const guarded = <T>(what: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof UnsupportedError) throw error;
      throw new StorageConnectionError(`the failover's journal cannot be ${what}`, { cause: error });
    }
  };
  const used = (): NonNullable<typeof database> => {
    if (database === undefined) throw new StorageConnectionError("the failover's journal is closed");
    return database;
  };
  return {
    open: () =>
      guarded("opened, or another process has it", () => {
        const { DatabaseSync } = loadSqlite();
        const opened = new DatabaseSync(path);
        try {
          // The lock is held until the end: two failovers with one journal would each forget what the other knows.
          opened.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
          opened.exec("CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
          opened.exec("BEGIN IMMEDIATE; COMMIT");
          database = opened;
        } catch (error) {
          opened.close();
          throw error;
        }
      }),
    list: (prefix) =>
      guarded("read", () => {
        const rows = used().prepare("SELECT name, value FROM entries WHERE substr(name, 1, ?) = ?");
        return (rows.all(prefix.length, prefix) as { name: string; value: string }[]).map(
          ({ name, value }): JournalEntry => [name, value],
        );
      }),
    get: (name) =>
      guarded("read", () => {
        const row = used().prepare("SELECT value FROM entries WHERE name = ?").get(name);
        return row?.value as string | undefined;
      }),
    write: (changes) =>
      guarded("written", () => {
        const database = used();
        database.exec("BEGIN IMMEDIATE");
        try {
          const put = database.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
          const remove = database.prepare("DELETE FROM entries WHERE name = ?");
          for (const [name, value] of changes) value === null ? remove.run(name) : put.run(name, value);
          database.exec("COMMIT");
        } catch (error) {
          if (database.isTransaction) database.exec("ROLLBACK");
          throw error;
        }
      }),
    close: () => {
      database?.close();
      database = undefined;
    },
  };
}

/** Gathers the changes of one turn of the event loop into one write of the journal, so that many callers share one wait for the disk. */
export class JournalWriter {
  readonly #journal: FailoverJournal;
  #waiting = new Map<string, string | null>();
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(journal: FailoverJournal) {
    this.#journal = journal;
  }

  /** Whether somebody waits for a write. */
  get isBusy(): boolean {
    return this.#next !== undefined;
  }

  /** Settles when the entry is kept. @throws StorageConnectionError */
  put(name: string, value: string | null): Promise<void> {
    this.#waiting.set(name, value);
    this.#next ??= this.#write();
    return this.#next;
  }

  /** Puts an entry with the next that is waited for: it may be lost with the process. */
  putLater(name: string, value: string | null): void {
    this.#waiting.set(name, value);
  }

  /** Settles when all that was put so far is kept. */
  async flush(): Promise<void> {
    if (this.#waiting.size > 0) this.#next ??= this.#write();
    await (this.#next ?? this.#last);
  }

  async #write(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const before = this.#last;
    const mine = Promise.withResolvers<void>();
    this.#last = mine.promise;
    mine.promise.catch(() => undefined);
    await before.catch(() => undefined);
    const changes = [...this.#waiting];
    this.#waiting = new Map();
    this.#next = undefined;
    try {
      await this.#journal.write(changes);
      mine.resolve();
    } catch (error) {
      mine.reject(error);
      throw error;
    }
  }
}
