/** Listing sessions (S7): an index gives them in order from where the page begins, and the server passes by what is not asked for. */
import type { Call } from "../../domain/driver/call.js";
import type { SessionListing, TimePosition } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredSession } from "../../domain/driver/stored.js";
import { type Sql, sql } from "./connection/sql.js";
import { isLive, SESSION_COLUMNS, type SessionRow, toStoredSession } from "./session-rows.js";
import type { Database } from "./store.js";

/** Nothing more to say. */
export const NOTHING: Sql = sql``;

export async function listSessions(db: Database, call: Call, listing: SessionListing): Promise<Rows<StoredSession>> {
  const { userId, statuses, metadata, limit } = listing;
  const rows = await db.read<SessionRow>(
    call,
    sql`SELECT ${SESSION_COLUMNS} FROM @sessions s WHERE s.tenant = ${call.tenant} AND ${isLive(db.now())}
      ${userId === null ? NOTHING : sql`AND s.user_id = ${userId}`}
      ${statuses === null ? NOTHING : sql`AND s.status = ANY(${statuses}::text[])`}
      ${bounds(sql`s.created_at`, listing.createdFrom, listing.createdTo)}
      ${bounds(sql`s.updated_at`, listing.updatedFrom, listing.updatedTo)}
      ${metadataEquals(metadata, sql`s.metadata`)}
      ${keyset(listing, listing.orderBy === "createdAt" ? sql`s.created_at` : sql`s.updated_at`, sql`s.session_id`)}
      LIMIT ${limit + 1}`,
  );
  return { rows: rows.slice(0, limit).map(toStoredSession), more: rows.length > limit };
}

/** Rows after a position in the order of a time and an id, and that order. */
export function keyset(
  { direction, after }: { readonly direction: "asc" | "desc"; readonly after: TimePosition | null },
  time: Sql,
  id: Sql,
): Sql {
  if (direction === "asc") {
    return sql`${after === null ? NOTHING : sql`AND (${time}, ${id}) > (${after.time}, ${after.id})`}
      ORDER BY ${time}, ${id}`;
  }
  return sql`${after === null ? NOTHING : sql`AND (${time}, ${id}) < (${after.time}, ${after.id})`}
    ORDER BY ${time} DESC, ${id} DESC`;
}

/** What the index over metadata can answer: equality of top-level keys with scalars. */
export function metadataEquals(filter: SessionListing["metadata"], metadata: Sql): Sql {
  if (filter.length === 0) return NOTHING;
  const wanted = JSON.stringify(Object.fromEntries(filter));
  return sql`AND ${metadata} @> ${wanted}::jsonb AND ${metadata} <> '{}'::jsonb`;
}

/** Half-open range; `null` is no bound. */
function bounds(column: Sql, from: number | null, to: number | null): Sql {
  return sql`${from === null ? NOTHING : sql`AND ${column} >= ${from}`} ${to === null ? NOTHING : sql`AND ${column} < ${to}`}`;
}
