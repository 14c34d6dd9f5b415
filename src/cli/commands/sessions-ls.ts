/** `waystone sessions ls`: a page of sessions. */
import type { JsonScalar } from "../../contract/json.js";
import type { Session, SessionStatus } from "../../contract/session-storage.js";
import type { Invocation } from "../invocation.js";
import type { InstantOption } from "../option-values.js";
import { countColumn, idColumn, jsonColumn, timeColumn } from "../output/columns.js";
import { printListing } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { seconds } from "../output/units.js";
import { boundCursor, boundRange } from "../range-cursor.js";
import { withStore } from "../store.js";

export interface SessionsLsOptions {
  readonly user?: string;
  readonly status?: readonly SessionStatus[];
  readonly meta?: { readonly [key: string]: JsonScalar };
  readonly since?: InstantOption;
  readonly until?: InstantOption;
  readonly order: "created" | "updated";
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

export const SESSION_COLUMNS: readonly Column<Session>[] = [
  { ...idColumn("SESSION", (session: Session) => session.sessionId, 10), minWidth: 16 },
  idColumn("USER", (session) => session.userId, 8),
  { title: "STATUS", value: (session) => session.status, keep: 9 },
  timeColumn("UPDATED", (session) => session.updatedAt, 7),
  timeColumn("CREATED", (session) => session.createdAt, 3),
  countColumn("MESSAGES", (session) => session.messageCount, 6),
  countColumn("REQUESTS", (session) => session.requestCount, 4),
  countColumn("ERRORS", (session) => session.errorCount, 5),
  {
    title: "TIME",
    value: (session) => session.totalProcessingTime,
    shown: (session) => seconds(session.totalProcessingTime),
    align: "right",
    keep: 2,
  },
  timeColumn("EXPIRES", (session) => session.expiresAt, 2.5),
  jsonColumn("METADATA", (session) => session.metadata, 1),
];

export async function sessionsLs(
  invocation: Invocation,
  _args: readonly [],
  options: SessionsLsOptions,
): Promise<void> {
  const { range, cursor, frozen } = boundRange(options.since, options.until, options.cursor);
  const orderBy = options.order === "created" ? "createdAt" : "updatedAt";
  const page = await withStore(invocation, (storage) =>
    storage.listSessions({
      userId: options.user,
      status: options.status,
      metadata: options.meta,
      [options.order]: range,
      orderBy,
      direction: options.reverse === true ? "asc" : "desc",
      limit: options.limit,
      cursor,
      signal: invocation.signal,
    }),
  );
  await printListing(invocation, {
    noun: "session",
    columns: SESSION_COLUMNS,
    rows: page.items,
    nextCursor: boundCursor(page.nextCursor, range, frozen),
  });
}
