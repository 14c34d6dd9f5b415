/** Rows of threads: finding, making and changing one. A thread of an expired or deleted session counts as absent. */
import type { StoredThread } from "../../domain/driver/stored.js";
import { isExpired, touchedAt } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { discardThread, newBatch } from "./garbage.js";
import { type SessionHead, touchSession } from "./session-rows.js";

/** A thread with its number, that of its session, and what tells whether that session is still there. */
export interface ThreadRow extends StoredThread {
  readonly id: number;
  readonly session: number | null;
  readonly lastSeq: number;
  /** Blocks that may be needed no more. */
  readonly looseBlocks: number;
  readonly sessionUpdatedAt: number | null;
  readonly sessionTtlMs: number | null;
}

/** To be followed by a WHERE over `t`. */
export const SELECT_THREADS = `SELECT t.id, t.thread_id AS threadId, t.session, t.created_at AS createdAt,
  t.updated_at AS updatedAt, t.last_seq AS lastSeq, t.checkpoint_count AS checkpointCount, t.loose_blocks AS looseBlocks,
  s.session_id AS sessionId, s.updated_at AS sessionUpdatedAt, s.ttl_ms AS sessionTtlMs
  FROM threads t LEFT JOIN sessions s ON s.id = t.session`;

const BY_ID = `${SELECT_THREADS.replace("threads t", "threads t INDEXED BY threads_by_id")}
  WHERE t.tenant = ? AND t.thread_id > ? ORDER BY t.thread_id LIMIT ?`;

const BY_SESSION = `${SELECT_THREADS.replace("threads t", "threads t INDEXED BY threads_by_session_created")}
  WHERE t.session = ? AND (t.created_at, t.thread_id) > (?, ?) ORDER BY t.created_at, t.thread_id LIMIT ?`;

/** Also one that is gone with its session. */
export function findThread(db: Connection, tenant: number, threadId: string): ThreadRow | undefined {
  return db.get<ThreadRow>(`${SELECT_THREADS} WHERE t.tenant = ? AND t.thread_id = ?`, tenant, threadId);
}

export function liveThread(db: Connection, tenant: number, threadId: string, now: number): ThreadRow | undefined {
  const thread = findThread(db, tenant, threadId);
  return thread === undefined || isThreadGone(thread, now) ? undefined : thread;
}

/** Threads of a tenant in the order of their ids, also those that are gone with their session. */
export function threadsById(db: Connection, tenant: number, after: string, limit: number): ThreadRow[] {
  return db.all<ThreadRow>(BY_ID, tenant, after, limit);
}

/** Threads of a session in the order in which they were made. */
export function threadsOfSession(
  db: Connection,
  session: number,
  after: Pick<ThreadRow, "createdAt" | "threadId">,
  limit: number,
): ThreadRow[] {
  return db.all<ThreadRow>(BY_SESSION, session, after.createdAt, after.threadId, limit);
}

/** Whether the thread is linked to a session that is deleted or has expired. */
export function isThreadGone(thread: ThreadRow, now: number): boolean {
  if (thread.session === null) return false;
  if (thread.sessionUpdatedAt === null) return true;
  return isExpired({ updatedAt: thread.sessionUpdatedAt, ttlMs: thread.sessionTtlMs }, now);
}

/** The thread to write to: the one that is there, or a new one in the place of none or of one that is gone. */
export function threadToWrite(
  tx: Connection,
  tenant: number,
  threadId: string,
  found: ThreadRow | undefined,
  now: number,
): ThreadRow {
  if (found !== undefined && !isThreadGone(found, now)) return found;
  if (found !== undefined) discardThread(tx, newBatch(tx), { ...found, tenant });
  const times = { createdAt: now, updatedAt: now };
  const id = insertThread(tx, tenant, { threadId, session: null, ...times, lastSeq: 0, checkpointCount: 0 });
  return {
    ...times,
    id,
    threadId,
    session: null,
    lastSeq: 0,
    checkpointCount: 0,
    looseBlocks: 0,
    sessionId: null,
    sessionUpdatedAt: null,
    sessionTtlMs: null,
  };
}

export function insertThread(
  tx: Connection,
  tenant: number,
  thread: Pick<ThreadRow, "threadId" | "session" | "createdAt" | "updatedAt" | "lastSeq" | "checkpointCount">,
): number {
  return tx.insert(
    `INSERT INTO threads (tenant, thread_id, session, created_at, updated_at, last_seq, checkpoint_count)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    tenant,
    thread.threadId,
    thread.session,
    thread.createdAt,
    thread.updatedAt,
    thread.lastSeq,
    thread.checkpointCount,
  );
}

/** After a write to the thread: it moves, and with it the session that it is linked to (S4). */
export function touchThread(
  tx: Connection,
  thread: ThreadRow,
  change: { readonly link: SessionHead | null; readonly lastSeq: number; readonly checkpointCount: number },
  now: number,
): void {
  const updatedAt = touchedAt(thread.updatedAt, now);
  const { link, lastSeq, checkpointCount } = change;
  if (link !== null && link.id !== thread.session) {
    tx.run("UPDATE threads SET session = ? WHERE id = ?", link.id, thread.id);
  }
  if (updatedAt !== thread.updatedAt) {
    tx.run(
      "UPDATE threads SET last_seq = ?, checkpoint_count = ?, updated_at = ? WHERE id = ?",
      lastSeq,
      checkpointCount,
      updatedAt,
      thread.id,
    );
  } else if (lastSeq !== thread.lastSeq || checkpointCount !== thread.checkpointCount) {
    tx.run("UPDATE threads SET last_seq = ?, checkpoint_count = ? WHERE id = ?", lastSeq, checkpointCount, thread.id);
  }
  if (link !== null) touchSession(tx, link, now);
  else if (thread.session !== null && thread.sessionUpdatedAt !== null) {
    touchSession(tx, { id: thread.session, updatedAt: thread.sessionUpdatedAt }, now);
  }
}
