/** An opened storage: its connection, and what it remembers of the threads that it wrote to. */
import { KnownBlocks } from "../../domain/segments/known-blocks.js";
import { RecentOutlines } from "../../domain/segments/recent-outlines.js";
import type { Connection } from "./connection/connection.js";

export interface Store {
  readonly connection: Connection;
  /** Over which each tenant is spread. */
  readonly shards: number;
  /** Hints, as other processes write too. */
  readonly blocks: KnownBlocks;
  /** By `threadKey`. */
  readonly outlines: RecentOutlines<string>;
  /** Threads whose checkpoints plain commands may find, by `threadKey`; a hint too. */
  readonly plainThreads: Set<string>;
}

export function storeOver(connection: Connection, shards: number): Store {
  return { connection, shards, blocks: new KnownBlocks(), outlines: new RecentOutlines(), plainThreads: new Set() };
}
