/** Removing idle and expired sessions in bounded batches (S8). */
import type { Call } from "../../domain/driver/call.js";
import type { SessionDriver } from "../../domain/driver/storage-driver.js";
import { isExpired } from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { discardSession, newBatch } from "./garbage.js";
import { sweepExpiredItems } from "./item-rows.js";
import type { SessionHead } from "./session-rows.js";
import type { OpenFile } from "./store.js";

type Cleanup = Parameters<SessionDriver["cleanupSessions"]>[1];

/** Sessions looked at, or removed, between two looks at the time. */
const PIECE_ROWS = 50;

const HEAD = `id, session_id AS sessionId, context, updated_at AS updatedAt, ttl_ms AS ttlMs`;

const IDLE = `SELECT ${HEAD} FROM sessions INDEXED BY sessions_by_updated
  WHERE tenant = ? AND (updated_at, session_id) > (?, ?) AND updated_at <= ? ORDER BY updated_at, session_id LIMIT ?`;

const EXPIRED = `SELECT ${HEAD}, updated_at + ttl_ms AS expiresAt FROM sessions INDEXED BY sessions_by_expiry
  WHERE tenant = ? AND ttl_ms IS NOT NULL AND (updated_at + ttl_ms, id) > (?, ?) AND updated_at + ttl_ms <= ?
  ORDER BY updated_at + ttl_ms, id LIMIT ?`;

type DueRow = Pick<SessionHead, "id" | "sessionId" | "context" | "updatedAt" | "ttlMs">;
type ExpiredRow = DueRow & { readonly expiresAt: number };

/** Before every time that a `Date` can hold. */
const EVER = -8_640_000_000_000_001;

export async function cleanupSessions(file: OpenFile, call: Call, cleanup: Cleanup): Promise<number> {
  if (cleanup.dryRun) return countDue(file, call, cleanup.idleBefore);
  let count = 0;
  for (let removed = cleanup.batchSize; removed > 0; count += removed) {
    const result = await removeBatch(file, call, cleanup);
    removed = result.removed;
    if (removed > 0) await file.maintenance.sweep(call, result.batch);
  }
  while (await file.write(call, (tx, tenant) => sweepExpiredItems(tx, tenant, file.now(), PIECE_ROWS)));
  if (count > 0) await file.maintenance.reclaim(call);
  return count;
}

/** One transaction: at most `batchSize` sessions go, and what belongs to them is out of sight. */
function removeBatch(
  file: OpenFile,
  call: Call,
  { idleBefore, batchSize }: Cleanup,
): Promise<{ removed: number; batch: number }> {
  return file.writeSized(call, { rows: batchSize, characters: 0 }, function* (tx, tenant) {
    const batch = newBatch(tx);
    const now = file.now();
    let removed = 0;
    while (removed < batchSize) {
      const due = selectDue(tx, tenant, idleBefore, now, Math.min(PIECE_ROWS, batchSize - removed));
      if (due.length === 0) break;
      for (const session of due) discardSession(tx, batch, { ...session, tenant });
      removed += due.length;
      yield;
    }
    return { removed, batch };
  });
}

function selectDue(db: Connection, tenant: number, idleBefore: number, now: number, limit: number): DueRow[] {
  const idle = db.all<DueRow>(IDLE, tenant, EVER, "", idleBefore, limit);
  return idle.length > 0 ? idle : db.all<DueRow>(EXPIRED, tenant, EVER, 0, now, limit);
}

function countDue(file: OpenFile, call: Call, idleBefore: number): Promise<number> {
  const now = file.now();
  return file.survey(call, async (read, tenant) => {
    let count = 0;
    for (let last: DueRow | undefined, more = true; more; ) {
      const { updatedAt, sessionId } = last ?? { updatedAt: EVER, sessionId: "" };
      const rows = await read((db) => db.all<DueRow>(IDLE, tenant, updatedAt, sessionId, idleBefore, PIECE_ROWS));
      count += rows.length;
      last = rows.at(-1);
      more = last !== undefined;
    }
    for (let last: ExpiredRow | undefined, more = true; more; ) {
      const { expiresAt, id } = last ?? { expiresAt: EVER, id: 0 };
      const rows = await read((db) => db.all<ExpiredRow>(EXPIRED, tenant, expiresAt, id, now, PIECE_ROWS));
      count += rows.filter((row) => row.updatedAt > idleBefore && isExpired(row, now)).length;
      last = rows.at(-1);
      more = last !== undefined;
    }
    return count;
  });
}
