/** Rows of sessions: finding, locking and changing one. Expired sessions count as absent for everybody but those who clear them away (S8). */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { isExpired } from "../../domain/sessions.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";

/** A session with its task context. */
export interface SessionRow extends StoredSession {
  readonly contextId: string | null;
}

/** What writes that belong to a session need of it. */
export type SessionHead = Pick<
  SessionRow,
  "sessionId" | "contextId" | "updatedAt" | "ttlMs" | "messageCount" | "lastSeq"
>;

export const SESSION_COLUMNS: Sql = sql`session_id AS "sessionId", user_id AS "userId", status, metadata,
  created_at AS "createdAt", updated_at AS "updatedAt", version, request_count AS "requestCount",
  total_processing_time AS "totalProcessingTime", error_count AS "errorCount", message_count AS "messageCount",
  last_seq AS "lastSeq", ttl_ms AS "ttlMs", context_id AS "contextId"`;

const HEAD_COLUMNS = sql`session_id AS "sessionId", context_id AS "contextId", updated_at AS "updatedAt", ttl_ms AS "ttlMs",
  message_count AS "messageCount", last_seq AS "lastSeq"`;

/** Also one that has expired. */
export function selectSession(tenant: string, sessionId: string): Sql {
  return sql`SELECT ${SESSION_COLUMNS} FROM @sessions WHERE tenant = ${tenant} AND session_id = ${sessionId}`;
}

/** Locks the row until the end of the transaction, so that what belongs to the session changes in turn. */
export function lockSession(tenant: string, sessionId: string): Sql {
  return sql`${selectSession(tenant, sessionId)} FOR NO KEY UPDATE`;
}

/** As `lockSession`, with less to send. */
export function lockHead(tenant: string, sessionId: string): Sql {
  return sql`SELECT ${HEAD_COLUMNS} FROM @sessions WHERE tenant = ${tenant} AND session_id = ${sessionId}
    FOR NO KEY UPDATE`;
}

/** A condition that holds for sessions that are there for readers; `s` is their table. */
export function isLive(now: number): Sql {
  return sql`(s.ttl_ms IS NULL OR s.updated_at + s.ttl_ms > ${now})`;
}

/** The row unless it has expired. */
export function unlessExpired<Row extends { readonly updatedAt: number; readonly ttlMs: number | null }>(
  row: Row | undefined,
  now: number,
): Row | undefined {
  return row === undefined || isExpired(row, now) ? undefined : row;
}

/** @throws SessionNotFoundError */
export function orNotFound<Row>(row: Row | undefined, sessionId: string): Row {
  if (row === undefined) throw new SessionNotFoundError(sessionId);
  return row;
}

/** Stores what `updateSession` and `endSession` may change. */
export function changeSession(tx: Transaction, tenant: string, session: StoredSession): void {
  tx.run(sql`UPDATE @sessions SET status = ${session.status}, metadata = ${session.metadata},
      updated_at = ${session.updatedAt}, version = ${session.version}, request_count = ${session.requestCount},
      total_processing_time = ${session.totalProcessingTime}, error_count = ${session.errorCount}
    WHERE tenant = ${tenant} AND session_id = ${session.sessionId}`);
}

/** For a write that belongs to the session but is not its row's (S4). */
export function touchSession(tx: Transaction, tenant: string, sessionId: string, now: number): void {
  tx.run(sql`UPDATE @sessions SET updated_at = ${now}
    WHERE tenant = ${tenant} AND session_id = ${sessionId} AND updated_at < ${now}`);
}

/** The row as it is handed out: as others know a session. */
export function toStoredSession({ contextId: _context, ...session }: SessionRow): StoredSession {
  return session;
}
