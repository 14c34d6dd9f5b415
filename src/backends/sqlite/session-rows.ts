/** Rows of sessions: finding and changing one. Expired sessions count as absent for everybody but those who clear them away (S8). */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { isExpired, touchedAt } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import type { Gap } from "./message-gap.js";
import { SHORT_TEXT } from "./portion.js";

/** A session with its number, that of its task context, and the gap in its conversation. */
export interface SessionRow extends StoredSession, Gap {
  readonly id: number;
  readonly context: number | null;
}

/** What writes that belong to a session need of it. */
export type SessionHead = Pick<
  SessionRow,
  "id" | "sessionId" | "context" | "updatedAt" | "ttlMs" | "messageCount" | "lastSeq" | "gapAfter" | "gapBefore"
>;

/** A session of a page: metadata that is not short is read by itself. */
export type SessionInPage = Omit<SessionRow, "metadata"> & { readonly metadata: string | null };

const BESIDE_METADATA = `id, session_id AS sessionId, user_id AS userId, status, created_at AS createdAt,
  updated_at AS updatedAt, version, request_count AS requestCount, total_processing_time AS totalProcessingTime,
  error_count AS errorCount, message_count AS messageCount, last_seq AS lastSeq, ttl_ms AS ttlMs,
  context, gap_after AS gapAfter, gap_before AS gapBefore`;

export const SESSION_IN_PAGE: string = `${BESIDE_METADATA},
  CASE WHEN octet_length(metadata) <= ${SHORT_TEXT} THEN metadata END AS metadata`;

const SELECT = `SELECT ${BESIDE_METADATA}, metadata FROM sessions WHERE tenant = ? AND session_id = ?`;

const HEAD_COLUMNS = `id, session_id AS sessionId, context, updated_at AS updatedAt, ttl_ms AS ttlMs,
  message_count AS messageCount, last_seq AS lastSeq, gap_after AS gapAfter, gap_before AS gapBefore`;

const SELECT_HEAD = `SELECT ${HEAD_COLUMNS} FROM sessions WHERE tenant = ? AND session_id = ?`;

const BY_ID = `SELECT ${SESSION_IN_PAGE} FROM sessions INDEXED BY sessions_by_id
  WHERE tenant = ? AND session_id > ? ORDER BY session_id LIMIT ?`;

const BY_CONTEXT = `SELECT ${HEAD_COLUMNS} FROM sessions INDEXED BY sessions_by_context
  WHERE context = ? AND id > ? ORDER BY id LIMIT ?`;

export function liveSession(db: Connection, tenant: number, sessionId: string, now: number): SessionRow | undefined {
  return unlessExpired(db.get<SessionRow>(SELECT, tenant, sessionId), now);
}

/** @throws SessionNotFoundError */
export function existingSession(db: Connection, tenant: number, sessionId: string, now: number): SessionRow {
  return orNotFound(liveSession(db, tenant, sessionId, now), sessionId);
}

/** Also one that has expired. */
export function sessionHead(db: Connection, tenant: number, sessionId: string): SessionHead | undefined {
  return db.get<SessionHead>(SELECT_HEAD, tenant, sessionId);
}

export function liveHead(db: Connection, tenant: number, sessionId: string, now: number): SessionHead | undefined {
  return unlessExpired(sessionHead(db, tenant, sessionId), now);
}

/** @throws SessionNotFoundError */
export function existingHead(db: Connection, tenant: number, sessionId: string, now: number): SessionHead {
  return orNotFound(liveHead(db, tenant, sessionId, now), sessionId);
}

/** Sessions of a tenant in the order of their ids, also expired ones. */
export function sessionsById(db: Connection, tenant: number, after: string, limit: number): SessionInPage[] {
  return db.all<SessionInPage>(BY_ID, tenant, after, limit);
}

/** Whether its metadata has come with it. */
export function isWholeSession(row: SessionInPage): row is SessionRow {
  return row.metadata !== null;
}

/** `undefined` when it is deleted meanwhile. */
export function wholeSession(db: Connection, row: SessionInPage): SessionRow | undefined {
  if (isWholeSession(row)) return row;
  const metadata = db.get<{ metadata: string }>(METADATA, row.id)?.metadata;
  return metadata === undefined ? undefined : { ...row, metadata };
}

const METADATA = "SELECT metadata FROM sessions WHERE id = ?";

/** Sessions that name a context, also expired ones. */
export function sessionsOfContext(db: Connection, context: number, after: number, limit: number): SessionHead[] {
  return db.all<SessionHead>(BY_CONTEXT, context, after, limit);
}

export function insertSession(
  tx: Connection,
  tenant: number,
  session: StoredSession,
  context: number | null = null,
): number {
  return tx.insert(
    `INSERT INTO sessions (tenant, session_id, user_id, status, created_at, updated_at, ttl_ms, version, request_count,
       total_processing_time, error_count, message_count, last_seq, context, metadata)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    tenant,
    session.sessionId,
    session.userId,
    session.status,
    session.createdAt,
    session.updatedAt,
    session.ttlMs,
    session.version,
    session.requestCount,
    session.totalProcessingTime,
    session.errorCount,
    session.messageCount,
    session.lastSeq,
    context,
    session.metadata,
  );
}

/** Stores what `updateSession` and `endSession` may change. */
export function changeSession(tx: Connection, id: number, session: StoredSession): void {
  tx.run(
    `UPDATE sessions SET status = ?, metadata = ?, updated_at = ?, version = ?, request_count = ?,
       total_processing_time = ?, error_count = ? WHERE id = ?`,
    session.status,
    session.metadata,
    session.updatedAt,
    session.version,
    session.requestCount,
    session.totalProcessingTime,
    session.errorCount,
    id,
  );
}

/** Stores what messages change. Within one millisecond the indexes by time stay as they are. */
export function setCounts(
  tx: Connection,
  session: Pick<SessionHead, "id" | "updatedAt">,
  counts: { readonly messageCount: number; readonly lastSeq: number },
  now: number,
): void {
  const updatedAt = touchedAt(session.updatedAt, now);
  if (updatedAt === session.updatedAt) {
    tx.run(
      "UPDATE sessions SET message_count = ?, last_seq = ? WHERE id = ?",
      counts.messageCount,
      counts.lastSeq,
      session.id,
    );
  } else {
    tx.run(
      "UPDATE sessions SET message_count = ?, last_seq = ?, updated_at = ? WHERE id = ?",
      counts.messageCount,
      counts.lastSeq,
      updatedAt,
      session.id,
    );
  }
}

/** For a write that belongs to the session but is not its row's (S4). */
export function touchSession(tx: Connection, session: Pick<SessionHead, "id" | "updatedAt">, now: number): void {
  const updatedAt = touchedAt(session.updatedAt, now);
  if (updatedAt !== session.updatedAt) tx.run("UPDATE sessions SET updated_at = ? WHERE id = ?", updatedAt, session.id);
}

/** Takes deleted messages out of sight; `garbage.ts` sweeps them. */
export function setGap(tx: Connection, id: number, gap: Gap): void {
  tx.run("UPDATE sessions SET gap_after = ?, gap_before = ? WHERE id = ?", gap.gapAfter, gap.gapBefore, id);
}

/** The row as it is handed out: as others know a session. */
export function toStoredSession(row: SessionRow): StoredSession {
  const { id: _id, context: _context, gapAfter: _after, gapBefore: _before, ...session } = row;
  return session;
}

function unlessExpired<Row extends { readonly updatedAt: number; readonly ttlMs: number | null }>(
  row: Row | undefined,
  now: number,
): Row | undefined {
  return row === undefined || isExpired(row, now) ? undefined : row;
}

function orNotFound<Row>(row: Row | undefined, sessionId: string): Row {
  if (row === undefined) throw new SessionNotFoundError(sessionId);
  return row;
}
