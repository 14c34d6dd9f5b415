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
import { Portion } from "./portion.js";
import { SESSION_IN_PAGE, type SessionInPage, type SessionRow, toStoredSession, wholeSession } from "./session-rows.js";
import type { OpenFile } from "./store.js";

/** Rows looked at in one step, where their metadata is short. */
const SLICE_ROWS = 250;

/** Beyond every time that a `Date` can hold. */
const NEVER = 8_640_000_000_000_001;

export function listSessions(file: OpenFile, call: Call, listing: SessionListing): Promise<Rows<StoredSession>> {
  const now = file.now();
  return file.readInSteps(call, function* (db, tenant) {
    const wanted = listing.limit + 1;
    const rows: SessionRow[] = [];
    const portion = new Portion(SLICE_ROWS);
    let start = startOf(listing);
    // Without a filter, and mostly with one, the first rows are the page.
    for (let most = Math.min(wanted, SLICE_ROWS); ; most = SLICE_ROWS) {
      const slice = selectSlice(db, tenant, listing, start, most);
      for (const row of slice) {
        const whole = isExpired(row, now) ? undefined : wholeSession(db, row);
        if (whole !== undefined && isListed(whole, listing)) rows.push(whole);
        if (rows.length === wanted) return pageOf(rows, listing.limit);
        if (portion.isFull(whole?.metadata.length ?? 0)) yield;
      }
      const last = slice.at(-1);
      if (last === undefined || slice.length < most) return pageOf(rows, listing.limit);
      start = { time: last[listing.orderBy], id: last.sessionId };
    }
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
): SessionInPage[] {
  const { userId, orderBy, direction } = listing;
  const [from, to] = timeRange(listing);
  const end = direction === "asc" ? (to ?? NEVER) : (from ?? -NEVER);
  const sql = SLICES[userId === null ? "all" : "user"][orderBy][direction];
  return userId === null
    ? db.all<SessionInPage>(sql, tenant, start.time, start.id, end, limit)
    : db.all<SessionInPage>(sql, tenant, userId, start.time, start.id, end, limit);
}

function sliceSql(scope: "all" | "user", column: "created_at" | "updated_at", direction: "asc" | "desc"): string {
  const user = scope === "user" ? "AND user_id = ? " : "";
  const index = `sessions_by_${scope === "user" ? "user_" : ""}${column === "created_at" ? "created" : "updated"}`;
  return direction === "asc"
    ? `SELECT ${SESSION_IN_PAGE} FROM sessions INDEXED BY ${index} WHERE tenant = ? ${user}
       AND (${column}, session_id) > (?, ?) AND ${column} < ? ORDER BY ${column}, session_id LIMIT ?`
    : `SELECT ${SESSION_IN_PAGE} FROM sessions INDEXED BY ${index} WHERE tenant = ? ${user}
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
