/**
 * Listing sessions (S7). An index gives them in order from where the page begins; what it cannot decide is decided by the
 * domain's rules, a few hundred rows at a time. The SQL texts are a fixed set: order, direction, with or without a user.
 */
import type { Call } from "../../domain/driver/call.js";
import type { SessionListing } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredSession } from "../../domain/driver/stored.js";
import { isListed } from "../../domain/session-listing.js";
import { isExpired } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { SESSION_COLUMNS, type SessionRow, toStoredSession } from "./session-rows.js";
import type { OpenFile } from "./store.js";

/** Rows looked at in one step. */
const SLICE_ROWS = 250;

/** Beyond every time that a `Date` can hold. */
const NEVER = 8_640_000_000_000_001;

export async function listSessions(file: OpenFile, call: Call, listing: SessionListing): Promise<Rows<StoredSession>> {
  const now = file.now();
  const isShown = (row: StoredSession): boolean => !isExpired(row, now) && isListed(row, listing);
  const wanted = listing.limit + 1;
  if (wanted <= SLICE_ROWS) {
    // Without a filter, and mostly with one, the first rows are the page.
    const slice = await file.read(call, (db, tenant) => selectSlice(db, tenant, listing, startOf(listing), wanted));
    const rows = slice.filter(isShown);
    if (rows.length === wanted || slice.length < wanted) return pageOf(rows, listing.limit);
  }
  return file.scan(call, async (read, tenant) => {
    const rows: SessionRow[] = [];
    let start = startOf(listing);
    while (rows.length < wanted) {
      const slice = await read((db) => selectSlice(db, tenant, listing, start, SLICE_ROWS));
      rows.push(...slice.filter(isShown));
      const last = slice.at(-1);
      if (last === undefined || slice.length < SLICE_ROWS) break;
      start = { time: last[listing.orderBy], id: last.sessionId };
    }
    return pageOf(rows.slice(0, wanted), listing.limit);
  });
}

interface Position {
  readonly time: number;
  readonly id: string;
}

/** Where the page begins, exclusive. No id is empty: `""` stands before all sessions of its time. */
function startOf(listing: SessionListing): Position {
  if (listing.after !== null) return listing.after;
  const [from, to] = timeRange(listing);
  return { time: listing.direction === "asc" ? (from ?? -NEVER) : (to ?? NEVER), id: "" };
}

function timeRange({
  orderBy,
  createdFrom,
  createdTo,
  updatedFrom,
  updatedTo,
}: SessionListing): [number | null, number | null] {
  return orderBy === "createdAt" ? [createdFrom, createdTo] : [updatedFrom, updatedTo];
}

function selectSlice(
  db: Connection,
  tenant: number,
  listing: SessionListing,
  start: Position,
  limit: number,
): SessionRow[] {
  const { userId, orderBy, direction } = listing;
  const [from, to] = timeRange(listing);
  const end = direction === "asc" ? (to ?? NEVER) : (from ?? -NEVER);
  const sql = SLICES[userId === null ? "all" : "user"][orderBy][direction];
  return userId === null
    ? db.all<SessionRow>(sql, tenant, start.time, start.id, end, limit)
    : db.all<SessionRow>(sql, tenant, userId, start.time, start.id, end, limit);
}

function sliceSql(scope: "all" | "user", column: "created_at" | "updated_at", direction: "asc" | "desc"): string {
  const user = scope === "user" ? "AND user_id = ? " : "";
  const index = `sessions_by_${scope === "user" ? "user_" : ""}${column === "created_at" ? "created" : "updated"}`;
  return direction === "asc"
    ? `SELECT ${SESSION_COLUMNS} FROM sessions INDEXED BY ${index} WHERE tenant = ? ${user}
       AND (${column}, session_id) > (?, ?) AND ${column} < ? ORDER BY ${column}, session_id LIMIT ?`
    : `SELECT ${SESSION_COLUMNS} FROM sessions INDEXED BY ${index} WHERE tenant = ? ${user}
       AND (${column}, session_id) < (?, ?) AND ${column} >= ? ORDER BY ${column} DESC, session_id DESC LIMIT ?`;
}

const directions = (scope: "all" | "user", column: "created_at" | "updated_at") => ({
  asc: sliceSql(scope, column, "asc"),
  desc: sliceSql(scope, column, "desc"),
});

const SLICES = {
  all: { createdAt: directions("all", "created_at"), updatedAt: directions("all", "updated_at") },
  user: { createdAt: directions("user", "created_at"), updatedAt: directions("user", "updated_at") },
};

function pageOf(rows: readonly SessionRow[], limit: number): Rows<StoredSession> {
  return { rows: rows.slice(0, limit).map(toStoredSession), more: rows.length > limit };
}
