/**
 * Commits through the write-ahead log, acknowledged when they are on the disk. SQLite syncs a commit inside COMMIT
 * (`synchronous = FULL`), and holds the event loop meanwhile. Where the disk is slow, or a transaction large, COMMIT only writes
 * (`NORMAL`), and this syncs the log in another thread before anybody is told that the commit is done.
 */

import { close, fdatasync, openSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import type { Connection } from "./connection.js";
import type { Durability } from "./journal.js";

const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/** From this duration of a sync on, in milliseconds, the way to another thread and back is not felt. */
const SLOW_SYNC_MS = 2;

/** How much the latest sync weighs in the average. */
const WEIGHT = 0.2;

export class CommitLog {
  readonly #connection: Connection;
  readonly #path: string;
  readonly #durability: Durability;
  #syncsInside: boolean;
  #isLazy = false;
  #averageMs = 0;
  #file: number | undefined;

  /** @param connection that of the writer, whose durability is set */
  constructor(connection: Connection, path: string, durability: Durability) {
    this.#connection = connection;
    this.#path = path;
    this.#durability = durability;
    this.#syncsInside = durability === "crash";
  }

  /** Whether commits are synced here, and not inside SQLite. */
  get syncsOutside(): boolean {
    return this.#durability === "crash" && !this.#syncsInside;
  }

  /** To be called before a transaction begins. A lazy one is not synced: it goes to the disk with the next one that is. */
  prepare(kind: "short" | "large" | "lazy"): void {
    if (this.#durability === "process") return;
    this.#isLazy = kind === "lazy";
    const inside = kind === "short" && this.#averageMs < SLOW_SYNC_MS;
    if (inside === this.#syncsInside) return;
    this.#connection.pragma(`synchronous = ${inside ? "FULL" : "NORMAL"}`);
    this.#syncsInside = inside;
  }

  /** Runs COMMIT; what it returns is to be waited for before the commit is acknowledged. A sync that fails rejects. */
  commit(hasWritten: boolean): Promise<void> | undefined {
    const start = performance.now();
    this.#connection.control("COMMIT");
    if (!hasWritten || this.#isLazy) return undefined;
    if (this.#syncsInside) this.#took(start);
    return this.syncsOutside ? this.#sync() : undefined;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await closeFile(file);
  }

  async #sync(): Promise<void> {
    // SQLite has no locks on this file that closing it could drop.
    this.#file ??= openSync(`${this.#path}-wal`, "r+");
    const start = performance.now();
    await syncFile(this.#file);
    this.#took(start);
  }

  #took(start: number): void {
    this.#averageMs += WEIGHT * (performance.now() - start - this.#averageMs);
  }
}
