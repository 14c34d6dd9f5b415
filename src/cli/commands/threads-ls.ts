/** `waystone threads ls`: a page of threads. */
import type { ThreadInfo } from "../../contract/checkpoint-storage.js";
import type { Invocation } from "../invocation.js";
import { countColumn, idColumn, timeColumn } from "../output/columns.js";
import { printListing } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export interface ThreadsLsOptions {
  readonly session?: string;
  readonly order: "created" | "updated";
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

const COLUMNS: readonly Column<ThreadInfo>[] = [
  { ...idColumn("THREAD", (thread: ThreadInfo) => thread.threadId, 10), minWidth: 16 },
  idColumn("SESSION", (thread) => thread.sessionId, 6),
  countColumn("CHECKPOINTS", (thread) => thread.checkpointCount, 8),
  timeColumn("UPDATED", (thread) => thread.updatedAt, 7),
  timeColumn("CREATED", (thread) => thread.createdAt, 3),
];

export async function threadsLs(invocation: Invocation, _args: readonly [], options: ThreadsLsOptions): Promise<void> {
  const { signal } = invocation;
  const page = await withStore(invocation, async (storage) => {
    const session = options.session === undefined ? undefined : await findSession(storage, options.session, signal);
    return storage.listThreads({
      sessionId: session?.sessionId,
      orderBy: options.order === "created" ? "createdAt" : "updatedAt",
      direction: options.reverse === true ? "asc" : "desc",
      limit: options.limit,
      cursor: options.cursor,
      signal,
    });
  });
  await printListing(invocation, { noun: "thread", columns: COLUMNS, rows: page.items, nextCursor: page.nextCursor });
}
