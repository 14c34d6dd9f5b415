/** `waystone contexts ls`: the versions of a session's task context, newest first. */
import type { TaskContextInfo } from "../../contract/task-context-storage.js";
import type { Invocation } from "../invocation.js";
import { jsonColumn, sizeColumn, timeColumn } from "../output/columns.js";
import { printListing } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { findSession } from "../session-reference.js";
import { withStore } from "../store.js";

export interface ContextsLsOptions {
  readonly limit?: number;
}

const COLUMNS: readonly Column<TaskContextInfo>[] = [
  { title: "VERSION", value: (context) => context.version, align: "right", keep: 10 },
  timeColumn("CREATED", (context) => context.createdAt, 8),
  sizeColumn("SIZE", (context) => context.sizeBytes, 6),
  jsonColumn("METADATA", (context) => context.metadata, 1),
];

export async function contextsLs(
  invocation: Invocation,
  [reference]: readonly [string],
  { limit }: ContextsLsOptions,
): Promise<void> {
  const { signal } = invocation;
  const rows = await withStore(invocation, async (storage) => {
    const { sessionId } = await findSession(storage, reference, signal);
    return storage.listTaskContextVersions(sessionId, { limit, signal });
  });
  await printListing(invocation, { noun: "version", columns: COLUMNS, rows });
}
