/** Rows of messages. */
import type { StoredText } from "../../domain/codec/long-text.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { type Sql, sql } from "./connection/sql.js";

export const MESSAGE_COLUMNS: Sql = sql`seq, message_id AS "messageId", role, timestamp, metadata, content`;

/** Those of some ids, each looked up by its key. */
export function selectByIds(tenant: string, sessionId: string, messageIds: readonly string[]): Sql {
  const [only] = messageIds;
  if (only !== undefined && messageIds.length === 1) {
    return sql`SELECT ${MESSAGE_COLUMNS} FROM @messages
      WHERE tenant = ${tenant} AND session_id = ${sessionId} AND message_id = ${only}`;
  }
  return sql`SELECT m.* FROM unnest(${messageIds}::text[]) AS wanted (id), LATERAL (SELECT ${MESSAGE_COLUMNS} FROM @messages
      WHERE tenant = ${tenant} AND session_id = ${sessionId} AND message_id = wanted.id OFFSET 0) m`;
}

export function insertMessages(tenant: string, sessionId: string, messages: readonly StoredMessage[]): Sql {
  const column = <Field extends keyof StoredMessage>(field: Field): StoredMessage[Field][] =>
    messages.map((message) => message[field]);
  return sql`INSERT INTO @messages (tenant, session_id, seq, message_id, role, timestamp, metadata, content)
    SELECT ${tenant}::text, ${sessionId}::text, * FROM unnest(${column("seq")}::bigint[], ${column("messageId")}::text[],
      ${column("role")}::text[], ${column("timestamp")}::bigint[], ${jsonTexts(column("metadata"))},
      ${jsonTexts(column("content"))})`;
}

/**
 * A list of JSON texts as one text, which costs client and server less than an array does: nothing is quoted. Between them stands what no
 * JSON text holds.
 */
export function jsonTexts(texts: readonly StoredText[]): Sql {
  return sql`string_to_array(${texts.join("\x01")}, E'\\x01')`;
}

/**
 * Stores messages of several sessions, and gives those whose id or place is taken. Only the keys decide that: a look before, in a table
 * that grows while nobody has counted it, may go through all messages of a session each time.
 */
export function insertMessagesOf(
  tenant: string,
  rows: readonly { readonly sessionId: string; readonly message: StoredMessage }[],
): Sql {
  const column = <Field extends keyof StoredMessage>(field: Field): StoredMessage[Field][] =>
    rows.map(({ message }) => message[field]);
  return sql`WITH new AS MATERIALIZED (
      SELECT * FROM unnest(${rows.map(({ sessionId }) => sessionId)}::text[], ${column("seq")}::bigint[],
        ${column("messageId")}::text[], ${column("role")}::text[], ${column("timestamp")}::bigint[],
        ${column("metadata")}::text[], ${rows.map(({ message }) => String(message.content))}::text[]) AS new (session_id, seq, message_id, role, timestamp, metadata, content)),
    stored AS (
      INSERT INTO @messages (tenant, session_id, seq, message_id, role, timestamp, metadata, content)
      SELECT ${tenant}::text, new.* FROM new ON CONFLICT DO NOTHING RETURNING session_id, seq)
    SELECT session_id AS "sessionId", seq FROM new WHERE (session_id, seq) NOT IN (SELECT session_id, seq FROM stored)
    LIMIT 1`;
}
