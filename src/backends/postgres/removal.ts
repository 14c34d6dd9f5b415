/** Removing sessions and threads with all that belongs to them, in the transaction that removes them (S8, S10, K7). */
import { sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";

/**
 * Removes sessions, whatever state they are in; Rows are locked in the order of everybody else:
 * sessions, then threads, then leases, then contexts. What others add to a session needs its row, so nothing is added from here on.
 */
export async function removeSessions(tx: Transaction, tenant: string, sessionIds: readonly string[]): Promise<void> {
  const sessions = await tx.query<{ contextId: string | null }>(
    sql`WITH locked AS MATERIALIZED (
        SELECT session_id FROM @sessions WHERE tenant = ${tenant} AND session_id = ANY(${sessionIds}::text[])
        ORDER BY session_id FOR UPDATE)
      DELETE FROM @sessions s USING locked WHERE s.tenant = ${tenant} AND s.session_id = locked.session_id
      RETURNING s.context_id AS "contextId"`,
  );
  const threads = await tx.query<{ threadId: string }>(
    sql`SELECT thread_id AS "threadId" FROM @threads
      WHERE tenant = ${tenant} AND session_id = ANY(${sessionIds}::text[]) ORDER BY thread_id FOR UPDATE`,
  );
  removeLeases(tx, tenant, "session", sessionIds);
  tx.run(sql`DELETE FROM @messages WHERE tenant = ${tenant} AND session_id = ANY(${sessionIds}::text[])`);
  tx.run(sql`DELETE FROM @idempotency_keys WHERE tenant = ${tenant} AND session_id = ANY(${sessionIds}::text[])`);
  if (threads.length > 0) {
    removeLockedThreads(
      tx,
      tenant,
      threads.map(({ threadId }) => threadId),
    );
  }
  const contexts = [...new Set(sessions.map(({ contextId }) => contextId).filter((id) => id !== null))];
  if (contexts.length > 0) removeUnusedContexts(tx, tenant, contexts);
}

/** Removes a thread. */
export async function removeThread(tx: Transaction, tenant: string, threadId: string): Promise<void> {
  await tx.query(sql`SELECT 1 FROM @threads WHERE tenant = ${tenant} AND thread_id = ${threadId} FOR UPDATE`);
  removeLockedThreads(tx, tenant, [threadId]);
}

/** Removes the contexts that no session names any more (T3). */
export function removeUnusedContexts(tx: Transaction, tenant: string, contextIds: readonly string[]): void {
  // Of two sessions that go at the same time, the second one sees that the first has gone.
  tx.run(sql`SELECT 1 FROM @contexts WHERE tenant = ${tenant} AND context_id = ANY(${contextIds}::text[])
    ORDER BY context_id FOR UPDATE`);
  tx.run(sql`WITH unused AS (
      DELETE FROM @contexts c WHERE c.tenant = ${tenant} AND c.context_id = ANY(${contextIds}::text[]) AND NOT EXISTS (
        SELECT 1 FROM @sessions s WHERE s.tenant = ${tenant} AND s.context_id = c.context_id)
      RETURNING c.context_id)
    DELETE FROM @context_versions v USING unused WHERE v.tenant = ${tenant} AND v.context_id = unused.context_id`);
}

export function removeLeases(
  tx: Transaction,
  tenant: string,
  kind: "session" | "thread",
  subjectIds: readonly string[],
): void {
  tx.run(sql`DELETE FROM @leases
    WHERE tenant = ${tenant} AND kind = ${kind} AND subject_id = ANY(${subjectIds}::text[])`);
}

function removeLockedThreads(tx: Transaction, tenant: string, threadIds: readonly string[]): void {
  removeLeases(tx, tenant, "thread", threadIds);
  tx.run(sql`DELETE FROM @checkpoint_writes WHERE tenant = ${tenant} AND thread_id = ANY(${threadIds}::text[])`);
  tx.run(sql`DELETE FROM @checkpoint_blocks WHERE tenant = ${tenant} AND thread_id = ANY(${threadIds}::text[])`);
  tx.run(sql`DELETE FROM @checkpoints WHERE tenant = ${tenant} AND thread_id = ANY(${threadIds}::text[])`);
  tx.run(sql`DELETE FROM @threads WHERE tenant = ${tenant} AND thread_id = ANY(${threadIds}::text[])`);
}
