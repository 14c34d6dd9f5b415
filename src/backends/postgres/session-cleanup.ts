/** Removing idle and expired sessions in bounded batches, a transaction each (S8). */
import type { Call } from "../../domain/driver/call.js";
import type { SessionDriver } from "../../domain/driver/storage-driver.js";
import { type Sql, sql } from "./connection/sql.js";
import { sweepExpiredItems } from "./item-rows.js";
import { removeSessions } from "./removal.js";
import type { Database } from "./store.js";

type Cleanup = Parameters<SessionDriver["cleanupSessions"]>[1];

/** Expired items removed in one statement. */
const ITEMS_AT_ONCE = 1_000;

export async function cleanupSessions(db: Database, call: Call, cleanup: Cleanup): Promise<number> {
  const now = db.now();
  if (cleanup.dryRun) {
    const [row] = await db.read<{ count: number }>(
      call,
      sql`SELECT count(*) AS count FROM @sessions s WHERE s.tenant = ${call.tenant}
        AND (s.updated_at <= ${cleanup.idleBefore} OR s.updated_at + s.ttl_ms <= ${now})`,
    );
    return row?.count ?? 0;
  }
  let count = 0;
  // Each in the order of an index, from which a batch is taken without a look at the others.
  const idle = sql`updated_at <= ${cleanup.idleBefore} ORDER BY updated_at`;
  const expired = sql`ttl_ms IS NOT NULL AND updated_at + ttl_ms <= ${now} ORDER BY updated_at + ttl_ms`;
  for (const due of [idle, expired]) {
    for (let removed = cleanup.batchSize; removed === cleanup.batchSize; count += removed) {
      removed = await removeBatch(db, call, due, cleanup.batchSize);
    }
  }
  let swept = ITEMS_AT_ONCE;
  while (swept === ITEMS_AT_ONCE) {
    swept = (await db.write(call, sweepExpiredItems(call.tenant, now, ITEMS_AT_ONCE))).length;
  }
  return count;
}

/** Sessions that somebody writes to at this moment are left to the next time: they are not idle, and nobody waits for them. */
function removeBatch(db: Database, call: Call, inOrder: Sql, batchSize: number): Promise<number> {
  return db.transact(call, async (tx) => {
    const due = await tx.query<{ sessionId: string }>(
      sql`SELECT session_id AS "sessionId" FROM @sessions WHERE tenant = ${call.tenant} AND ${inOrder}
        LIMIT ${batchSize} FOR UPDATE SKIP LOCKED`,
    );
    if (due.length > 0) {
      await removeSessions(
        tx,
        call.tenant,
        due.map(({ sessionId }) => sessionId),
      );
    }
    return due.length;
  });
}
