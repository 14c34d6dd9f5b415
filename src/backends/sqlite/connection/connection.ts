/** One connection to the file. Each SQL text is prepared once and kept: the texts of this backend are a fixed set. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loadSqlite } from "../../../node-sqlite.js";

export type SqlValue = string | number | null | Uint8Array;

export class Connection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #open = true;
  /** Statements that may have written since the connection was opened: tells whether a step has begun to write. */
  writes = 0;

  /** Waits for no lock: a busy file is the caller's to wait for, without holding the event loop. */
  constructor(path: string) {
    const { DatabaseSync } = loadSqlite();
    this.#database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    this.#database.exec("PRAGMA busy_timeout = 0");
  }

  /** The first row, if there is one. */
  get<Row>(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  /** Runs a statement that writes; returns how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): number {
    this.writes += 1;
    return this.#prepared(sql).run(...values).changes as number;
  }

  /** Runs a statement that writes a row with a key of its own; returns that key. */
  insert(sql: string, ...values: SqlValue[]): number {
    this.writes += 1;
    return this.#prepared(sql).run(...values).lastInsertRowid as number;
  }

  /** Gives at most so many free pages back to the file system when the transaction commits. */
  vacuum(pages: number): void {
    this.writes += 1;
    // Each row that is asked for moves one page.
    this.#prepared(`PRAGMA incremental_vacuum(${pages})`).all();
  }

  /** Begins or ends a transaction. */
  control(sql: "BEGIN" | "BEGIN IMMEDIATE" | "COMMIT"): void {
    this.#prepared(sql).run();
  }

  /** Ends a transaction without effect, also one that SQLite has ended by itself after an error. */
  rollback(): void {
    try {
      this.#prepared("ROLLBACK").run();
    } catch (error) {
      // SQLITE_ERROR: there is no transaction any more.
      if ((error as { errcode?: unknown }).errcode !== 1) throw error;
    }
  }

  /** Runs statements that give no rows, once. */
  script(sql: string): void {
    this.#database.exec(sql);
  }

  /** The value that a PRAGMA gives or sets. */
  pragma(text: string): string | number | null {
    const row = this.#database.prepare(`PRAGMA ${text}`).get();
    return row === undefined ? null : (Object.values(row)[0] as string | number | null);
  }

  /** Version of the SQLite library, such as `3.53.4`. */
  get version(): string {
    return this.get<{ version: string }>("SELECT sqlite_version() AS version")?.version ?? "unknown";
  }

  /** Closing twice is harmless. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#database.close();
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
