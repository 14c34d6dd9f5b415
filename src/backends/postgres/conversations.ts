/** Conversations of the PostgreSQL backend (C1-C6). */
import type { ConversationDriver, HistoryWindow } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { appending } from "./appending.js";
import { type Sql, sql } from "./connection/sql.js";
import { assertFence, holdFence } from "./leases.js";
import { MESSAGE_COLUMNS } from "./message-rows.js";
import { NOTHING } from "./session-listing.js";
import { isLive, lockHead, orNotFound, type SessionHead, touchSession, unlessExpired } from "./session-rows.js";
import type { Database } from "./store.js";

export function conversationVerbs(database: () => Database): ConversationDriver {
  const append = appending(database);
  return {
    addMessages: (call, sessionId, messages, fence) => append(call, { sessionId, messages }, fence),

    async getHistory(call, sessionId, window) {
      const db = database();
      const rows = await db.readInOrder<StoredMessage>(call, selectWindow(call.tenant, sessionId, window, db.now()));
      return window.after === null ? rows.reverse() : rows;
    },

    deleteMessages: (call, sessionId, { after, before }, fence) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const now = db.now();
        const [row, held] = await Promise.all([
          tx.get<SessionHead>(lockHead(call.tenant, sessionId)),
          holdFence(tx, call.tenant, fence),
        ]);
        orNotFound(unlessExpired(row, now), sessionId);
        assertFence(held, fence);
        const deleted = await tx.get<{ count: number }>(
          sql`WITH deleted AS (
              DELETE FROM @messages WHERE tenant = ${call.tenant} AND session_id = ${sessionId}
                ${after === null ? NOTHING : sql`AND seq > ${after}`} ${before === null ? NOTHING : sql`AND seq < ${before}`}
              RETURNING 1)
            SELECT count(*) AS count FROM deleted`,
        );
        const count = deleted?.count ?? 0;
        if (count > 0) {
          tx.run(sql`UPDATE @sessions SET message_count = message_count - ${count}
            WHERE tenant = ${call.tenant} AND session_id = ${sessionId}`);
          touchSession(tx, call.tenant, sessionId, now);
        }
        return count;
      });
    },
  };
}

/** Newest first, or oldest first with `after`; of an absent session none. */
function selectWindow(tenant: string, sessionId: string, window: HistoryWindow, now: number): Sql {
  const { limit, after, before, roles } = window;
  const range = sql`m.tenant = ${tenant} AND m.session_id = ${sessionId}
    ${after === null ? NOTHING : sql`AND m.seq > ${after}`} ${before === null ? NOTHING : sql`AND m.seq < ${before}`}`;
  const order = after === null ? sql`ORDER BY m.seq DESC LIMIT ${limit}` : sql`ORDER BY m.seq LIMIT ${limit}`;
  const isThere = sql`EXISTS (SELECT 1 FROM @sessions s
    WHERE s.tenant = ${tenant} AND s.session_id = ${sessionId} AND ${isLive(now)})`;
  if (roles === null) return sql`SELECT ${MESSAGE_COLUMNS} FROM @messages m WHERE ${isThere} AND ${range} ${order}`;
  // Each role is read from its own end of the index: the time does not depend on what others have said (C3).
  return sql`SELECT ${MESSAGE_COLUMNS} FROM unnest(${roles}::text[]) AS wanted (name), LATERAL (
      SELECT * FROM @messages m WHERE ${isThere} AND ${range} AND m.role = wanted.name COLLATE "C" ${order}) m ${order}`;
}
