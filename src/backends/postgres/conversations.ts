/** Conversations of the PostgreSQL backend (C1-C6). */
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { ConversationDriver, HistoryWindow, NewStoredMessage } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { type Sql, sql } from "./connection/sql.js";
import { assertFence, holdFence } from "./leases.js";
import { insertMessages, MESSAGE_COLUMNS, selectByIds } from "./message-rows.js";
import { NOTHING } from "./session-listing.js";
import { isLive, lockHead, orNotFound, type SessionHead, touchSession, unlessExpired } from "./session-rows.js";
import type { Database } from "./store.js";

export function conversationVerbs(database: () => Database): ConversationDriver {
  return {
    addMessages: (call, sessionId, messages, fence) => addMessages(database(), call, sessionId, messages, fence),

    async getHistory(call, sessionId, window) {
      const db = database();
      const rows = await db.read<StoredMessage>(call, selectWindow(call.tenant, sessionId, window, db.now()));
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

async function addMessages(
  db: Database,
  call: Call,
  sessionId: string,
  messages: readonly NewStoredMessage[],
  fence: FencingToken | null,
): Promise<StoredMessage[]> {
  if (fence === null && messages.length > 0) {
    const now = db.now();
    const statement = appendAtOnce(call.tenant, sessionId, messages, now);
    const row = statement && (await db.writeIf<{ lastSeq: number }>(call, statement));
    if (row !== undefined) {
      const first = row.lastSeq - messages.length + 1;
      return messages.map(({ keyed: _, ...message }, i) => ({
        ...message,
        seq: first + i,
        timestamp: message.timestamp ?? now,
      }));
    }
  }
  return appendInTurn(db, call, sessionId, messages, fence);
}

/**
 * The commonest append: to a session that is there, without an id that it has. It changes the session's row and adds the messages
 * in one statement, which gives no row when one of these does not hold. An id that came in between is a key that is taken: the
 * server takes the statement back, and it is sent again.
 */
function appendAtOnce(
  tenant: string,
  sessionId: string,
  messages: readonly NewStoredMessage[],
  now: number,
): Sql | undefined {
  const keys = messages.filter(({ keyed }) => keyed).map(({ messageId }) => messageId);
  if (new Set(keys).size < keys.length) return undefined;
  const count = messages.length;
  const [only] = messages;
  const isNew =
    keys.length === 0
      ? NOTHING
      : sql`AND NOT EXISTS (SELECT 1 FROM @messages WHERE tenant = ${tenant} AND session_id = ${sessionId}
          AND message_id = ANY(${keys}::text[]))`;
  const owner = sql`WITH owner AS (
      UPDATE @sessions s SET last_seq = last_seq + ${count}::bigint, message_count = message_count + ${count}::bigint,
        updated_at = greatest(updated_at, ${now}::bigint)
      WHERE s.tenant = ${tenant} AND s.session_id = ${sessionId} AND ${isLive(now)} ${isNew} RETURNING last_seq)`;
  const insert = sql`INSERT INTO @messages (tenant, session_id, seq, message_id, role, timestamp, metadata, content)`;
  if (count === 1 && only !== undefined) {
    return sql`${owner} ${insert} SELECT ${tenant}, ${sessionId}, last_seq, ${only.messageId}, ${only.role},
        ${only.timestamp ?? now}::bigint, ${only.metadata}, ${only.content} FROM owner
      RETURNING seq AS "lastSeq"`;
  }
  const column = <Field extends keyof NewStoredMessage>(field: Field): NewStoredMessage[Field][] =>
    messages.map((message) => message[field]);
  const times = messages.map(({ timestamp }) => timestamp ?? now);
  return sql`${owner}, added AS (${insert}
      SELECT ${tenant}, ${sessionId}, last_seq - ${count}::bigint + n, message_id, role, timestamp, metadata, content
      FROM owner, unnest(${column("messageId")}::text[], ${column("role")}::text[], ${times}::bigint[],
        ${column("metadata")}::text[], ${column("content")}::text[]) WITH ORDINALITY
        AS new (message_id, role, timestamp, metadata, content, n))
    SELECT last_seq AS "lastSeq" FROM owner`;
}

/** Every append, with the session's row locked before anything is decided. */
function appendInTurn(
  db: Database,
  call: Call,
  sessionId: string,
  messages: readonly NewStoredMessage[],
  fence: FencingToken | null,
): Promise<StoredMessage[]> {
  const { tenant } = call;
  const keys = messages.filter(({ keyed }) => keyed).map(({ messageId }) => messageId);
  return db.transact(call, async (tx) => {
    const now = db.now();
    const [row, held, earlier] = await Promise.all([
      tx.get<SessionHead>(lockHead(tenant, sessionId)),
      holdFence(tx, tenant, fence),
      keys.length === 0 ? [] : tx.query<StoredMessage>(selectByIds(tenant, sessionId, keys)),
    ]);
    const session = orNotFound(unlessExpired(row, now), sessionId);
    assertFence(held, fence);
    const known = new Map(earlier.map((message) => [message.messageId, message]));
    const added: StoredMessage[] = [];
    const stored = messages.map(({ keyed, ...message }) => {
      const there = keyed ? known.get(message.messageId) : undefined;
      if (there !== undefined) return there;
      const one = { ...message, seq: session.lastSeq + added.length + 1, timestamp: message.timestamp ?? now };
      known.set(one.messageId, one);
      added.push(one);
      return one;
    });
    if (added.length > 0) {
      tx.run(insertMessages(tenant, sessionId, added));
      tx.run(sql`UPDATE @sessions SET last_seq = last_seq + ${added.length}, message_count = message_count + ${added.length},
          updated_at = greatest(updated_at, ${now}) WHERE tenant = ${tenant} AND session_id = ${sessionId}`);
    }
    return stored;
  });
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
