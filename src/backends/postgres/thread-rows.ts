/** Rows of threads: finding, locking, making and changing one. A thread of an expired or deleted session counts as absent. */
import type { StoredThread } from "../../domain/driver/stored.js";
import { isExpired } from "../../domain/sessions.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { removeThread } from "./removal.js";
import { isLive, type SessionHead, touchSession } from "./session-rows.js";
import { ReadAgain } from "./store.js";

/** A thread with what tells whether its session is still there. */
export interface ThreadRow extends StoredThread {
  readonly lastSeq: number;
  readonly looseBlocks: number;
  readonly keptBlocks: number;
  readonly sessionUpdatedAt: number | null;
  readonly sessionTtlMs: number | null;
}

/** To be followed by a WHERE over `t`. */
export const SELECT_THREADS: Sql = sql`SELECT t.thread_id AS "threadId", t.session_id AS "sessionId",
    t.created_at AS "createdAt", t.updated_at AS "updatedAt", t.last_seq AS "lastSeq",
    t.checkpoint_count AS "checkpointCount", t.loose_blocks AS "looseBlocks", t.kept_blocks AS "keptBlocks",
    s.updated_at AS "sessionUpdatedAt", s.ttl_ms AS "sessionTtlMs"
  FROM @threads t LEFT JOIN @sessions s ON s.tenant = t.tenant AND s.session_id = t.session_id`;

/** A condition that holds for threads that are there for readers, over the tables of `SELECT_THREADS`. */
export function isThreadLive(now: number): Sql {
  return sql`(t.session_id IS NULL OR (s.session_id IS NOT NULL AND ${isLive(now)}))`;
}

/**
 * Locks the thread until the end of the transaction.
 * @throws ReadAgain if it was linked to a session while the lock was waited for: the row is the new one then, but the session is the one
 *   of before, none, and the thread would pass for one whose session is deleted.
 */
export async function lockThread(tx: Transaction, tenant: string, threadId: string): Promise<ThreadRow | undefined> {
  const thread = await tx.get<ThreadRow>(
    sql`${SELECT_THREADS} WHERE t.tenant = ${tenant} AND t.thread_id = ${threadId} FOR NO KEY UPDATE OF t`,
  );
  if (thread !== undefined && thread.sessionId !== null && thread.sessionUpdatedAt === null) {
    const session = await tx.get(
      sql`SELECT 1 FROM @sessions WHERE tenant = ${tenant} AND session_id = ${thread.sessionId}`,
    );
    if (session !== undefined) throw new ReadAgain();
  }
  return thread;
}

/** Locks the session that a thread is linked to, or the one that it is going to be: sessions come before threads. */
export function lockSessionOf(tenant: string, threadId: string, sessionId: string | null): Sql {
  return sql`SELECT session_id AS "sessionId", context_id AS "contextId", updated_at AS "updatedAt", ttl_ms AS "ttlMs",
      message_count AS "messageCount", last_seq AS "lastSeq"
    FROM @sessions WHERE tenant = ${tenant} AND session_id = coalesce(${sessionId}::text,
      (SELECT session_id FROM @threads WHERE tenant = ${tenant} AND thread_id = ${threadId}))
    FOR NO KEY UPDATE`;
}

/** The session that a thread is linked to, or is going to be, if it is there; it comes before the thread, as everywhere. */
export function lockOwner(tenant: string, threadId: string, sessionId: string | null, now: number): Sql {
  return sql`SELECT s.session_id FROM @sessions s
    WHERE s.tenant = ${tenant} AND ${isLive(now)} AND s.session_id = coalesce(${sessionId}::text,
      (SELECT session_id FROM @threads WHERE tenant = ${tenant} AND thread_id = ${threadId}))
    FOR NO KEY UPDATE`;
}

/** The session moves with its thread, and not without it (S4). */
export function touchOwner(tenant: string, now: number): Sql {
  return sql`UPDATE @sessions s SET updated_at = ${now}::bigint FROM thread, owner
    WHERE s.tenant = ${tenant} AND s.session_id = owner.session_id AND s.updated_at < ${now}`;
}

/** Whether the thread is linked to a session that is deleted or has expired. */
export function isThreadGone(
  thread: Pick<ThreadRow, "sessionId" | "sessionUpdatedAt" | "sessionTtlMs">,
  now: number,
): boolean {
  if (thread.sessionId === null) return false;
  if (thread.sessionUpdatedAt === null) return true;
  return isExpired({ updatedAt: thread.sessionUpdatedAt, ttlMs: thread.sessionTtlMs }, now);
}

/** The thread to write to: the one that is there, or a new one in the place of none or of one that is gone. */
export async function threadToWrite(
  tx: Transaction,
  tenant: string,
  threadId: string,
  found: ThreadRow | undefined,
  locked: SessionHead | undefined,
  now: number,
): Promise<ThreadRow> {
  if (found !== undefined && !isThreadGone(found, now)) {
    // The link was changed between the two locks.
    if (found.sessionId !== null && locked === undefined) throw new ReadAgain();
    return found;
  }
  if (found !== undefined) await removeThread(tx, tenant, threadId);
  const thread = { threadId, createdAt: now, updatedAt: now, lastSeq: 0, checkpointCount: 0 };
  insertThread(tx, tenant, { ...thread, sessionId: null });
  return { ...thread, sessionId: null, looseBlocks: 0, keptBlocks: 0, sessionUpdatedAt: null, sessionTtlMs: null };
}

export function insertThread(
  tx: Transaction,
  tenant: string,
  thread: Pick<ThreadRow, "threadId" | "sessionId" | "createdAt" | "updatedAt" | "lastSeq" | "checkpointCount">,
): void {
  tx.run(sql`INSERT INTO @threads (tenant, thread_id, session_id, created_at, updated_at, last_seq, checkpoint_count,
      loose_blocks, kept_blocks)
    VALUES (${tenant}, ${thread.threadId}, ${thread.sessionId}, ${thread.createdAt}, ${thread.updatedAt},
      ${thread.lastSeq}, ${thread.checkpointCount}, 0, 0)`);
}

/** After a write to the thread: it moves, and with it the session that it is linked to (S4). */
export function touchThread(
  tx: Transaction,
  tenant: string,
  thread: ThreadRow,
  change: { readonly sessionId: string | null; readonly lastSeq: number; readonly checkpointCount: number },
  now: number,
): void {
  tx.run(sql`UPDATE @threads SET session_id = ${change.sessionId}, last_seq = ${change.lastSeq},
      checkpoint_count = ${change.checkpointCount}, updated_at = greatest(updated_at, ${now})
    WHERE tenant = ${tenant} AND thread_id = ${thread.threadId}`);
  if (change.sessionId !== null) touchSession(tx, tenant, change.sessionId, now);
}
