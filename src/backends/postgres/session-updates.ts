/** Updating sessions (S2-S5, S9): updates of several sessions that come at the same moment go together, in one statement. */
import type { Call, FencingToken } from "../../domain/driver/call.js";
import type { SessionChange } from "../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { applySessionChange, assertSamePayload, IDEMPOTENCY_RETENTION_MS } from "../../domain/sessions.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { type Gathered, Gathering } from "./gathering.js";
import { assertFence, holdFence } from "./leases.js";
import { NOTHING } from "./session-listing.js";
import {
  changeSession,
  isLive,
  lockSession,
  orNotFound,
  SESSION_COLUMNS,
  type SessionRow,
  toStoredSession,
  unlessExpired,
} from "./session-rows.js";
import type { Database } from "./store.js";

/** A change of one session. */
interface Update {
  readonly sessionId: string;
  readonly change: SessionChange;
}

/** Changes a session under the lease of a fence or an idempotency key, or with others that are changed at the moment. */
export function sessionUpdates(
  database: () => Database,
): (call: Call, update: Update, fence: FencingToken | null) => Promise<StoredSession> {
  const updates = new Gathering(gathered(database));
  return (call, update, fence) =>
    fence === null && update.change.idempotency === null
      ? updates.run(call, update)
      : updateInTurn(database(), call, update, fence);
}

function gathered(database: () => Database): Gathered<Update, StoredSession> {
  return {
    subjectOf: ({ sessionId }) => sessionId,
    sizeOf: ({ change }) => (change.mergeMetadata === null ? 0 : JSON.stringify(change.mergeMetadata).length),
    // Each has the session as it is after the change before.
    fits: () => false,
    alone: (call, update) => updateAlone(database(), call, update),
    together: (call, updates) => updateTogether(database(), call, updates),
  };
}

async function updateAlone(db: Database, call: Call, update: Update): Promise<StoredSession> {
  const row = await db.writeIf<SessionRow>(call, changeAtOnce(call.tenant, update, db.now()));
  return row === undefined ? updateInTurn(db, call, update, null) : toStoredSession(row);
}

async function updateTogether(
  db: Database,
  call: Call,
  updates: readonly Update[],
): Promise<(StoredSession | undefined)[]> {
  const rows = await db.write<SessionRow>(call, changeTogether(call.tenant, updates, db.now()));
  if (rows.length === 0) call.sent = false;
  const found = new Map(rows.map((row) => [row.sessionId, toStoredSession(row)]));
  return updates.map(({ sessionId }) => found.get(sessionId));
}

/**
 * The commonest update: of a session that is there, at the version that is expected. It is `applySessionChange` in one statement,
 * which gives no row when one of these does not hold.
 */
function changeAtOnce(tenant: string, { sessionId, change }: Update, now: number): Sql {
  const { mergeMetadata, unsetMetadata, status, addRequests, addProcessingTime, addErrors, expectedVersion } = change;
  const merged = mergeMetadata === null ? sql`metadata` : sql`metadata || ${JSON.stringify(mergeMetadata)}::jsonb`;
  const metadata = unsetMetadata.length === 0 ? merged : sql`(${merged}) - ${unsetMetadata}::text[]`;
  return sql`UPDATE @sessions s SET updated_at = greatest(updated_at, ${now}::bigint), version = version + 1,
      ${status === null ? NOTHING : sql`status = ${status},`}
      ${mergeMetadata === null && unsetMetadata.length === 0 ? NOTHING : sql`metadata = ${metadata},`}
      request_count = request_count + ${addRequests}::bigint,
      total_processing_time = total_processing_time + ${addProcessingTime}::float8,
      error_count = error_count + ${addErrors}::bigint
    WHERE s.tenant = ${tenant} AND s.session_id = ${sessionId} AND ${isLive(now)}
      ${expectedVersion === null ? NOTHING : sql`AND version = ${expectedVersion}`}
    RETURNING ${SESSION_COLUMNS}`;
}

/** `changeAtOnce` of several sessions: of those that nobody else is writing to, so that it waits for nobody's lock. */
function changeTogether(tenant: string, updates: readonly Update[], now: number): Sql {
  const ids = updates.map(({ sessionId }) => sessionId);
  const column = <Field extends keyof SessionChange>(field: Field): SessionChange[Field][] =>
    updates.map(({ change }) => change[field]);
  const hasMetadata = updates.some(({ change }) => change.mergeMetadata !== null || change.unsetMetadata.length > 0);
  const merged = column("mergeMetadata").map((merge) => JSON.stringify(merge ?? {}));
  const unset = column("unsetMetadata").map((keys) => JSON.stringify(keys));
  return sql`WITH locked AS MATERIALIZED (
      SELECT s.session_id AS locked_id FROM @sessions s
      WHERE s.tenant = ${tenant} AND s.session_id = ANY(${ids}::text[]) AND ${isLive(now)}
      FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE @sessions s SET updated_at = greatest(updated_at, ${now}::bigint), version = version + 1,
      status = coalesce(w.new_status, status),
      ${
        hasMetadata
          ? sql`metadata = (metadata || w.merge) - ARRAY(SELECT jsonb_array_elements_text(w.unset)),`
          : NOTHING
      }
      request_count = request_count + w.requests, total_processing_time = total_processing_time + w.seconds,
      error_count = error_count + w.errors
    FROM locked, unnest(${ids}::text[], ${column("status")}::text[], ${column("addRequests")}::bigint[],
        ${column("addProcessingTime")}::float8[], ${column("addErrors")}::bigint[], ${column("expectedVersion")}::bigint[]
        ${hasMetadata ? sql`, ${merged}::jsonb[], ${unset}::jsonb[]` : NOTHING})
      AS w (id, new_status, requests, seconds, errors, expected ${hasMetadata ? sql`, merge, unset` : NOTHING})
    WHERE w.id = locked.locked_id AND s.tenant = ${tenant} AND s.session_id = locked.locked_id
      AND (w.expected IS NULL OR s.version = w.expected)
    RETURNING ${SESSION_COLUMNS}`;
}

/** Every update, with the session's row locked before anything is decided. */
function updateInTurn(
  db: Database,
  call: Call,
  { sessionId, change }: Update,
  fence: FencingToken | null,
): Promise<StoredSession> {
  return db.transact(call, async (tx) => {
    const now = db.now();
    const { idempotency } = change;
    const [row, held, earlier] = await Promise.all([
      tx.get<SessionRow>(lockSession(call.tenant, sessionId)),
      holdFence(tx, call.tenant, fence),
      idempotency === null ? undefined : tx.get<RememberedUpdate>(selectKey(call.tenant, sessionId, idempotency.key)),
    ]);
    const session = orNotFound(unlessExpired(row, now), sessionId);
    assertFence(held, fence);
    if (idempotency !== null && earlier !== undefined && now < earlier.createdAt + IDEMPOTENCY_RETENTION_MS) {
      assertSamePayload(earlier.digest, idempotency.digest);
      return JSON.parse(earlier.result) as StoredSession;
    }
    const changed = applySessionChange(toStoredSession(session), change, now);
    changeSession(tx, call.tenant, changed);
    if (idempotency !== null) remember(tx, call.tenant, idempotency, changed, now);
    return changed;
  });
}

interface RememberedUpdate {
  readonly digest: string;
  readonly result: string;
  readonly createdAt: number;
}

/** What an idempotency key did before (S5). */
function selectKey(tenant: string, sessionId: string, key: string): Sql {
  return sql`SELECT digest, result, created_at AS "createdAt" FROM @idempotency_keys
    WHERE tenant = ${tenant} AND session_id = ${sessionId} AND key = ${key}`;
}

/** Each new key takes two that are too old with it, so that a session keeps those of a day. */
function remember(
  tx: Transaction,
  tenant: string,
  { key, digest }: { readonly key: string; readonly digest: string },
  result: StoredSession,
  now: number,
): void {
  const { sessionId } = result;
  // One by one, each by its whole key: before the server has counted the table, it looks for two of them among all of the session.
  for (let i = 0; i < 2; i++) {
    tx.run(sql`DELETE FROM @idempotency_keys WHERE tenant = ${tenant} AND session_id = ${sessionId} AND key = (
        SELECT key FROM @idempotency_keys WHERE tenant = ${tenant} AND session_id = ${sessionId}
          AND created_at <= ${now - IDEMPOTENCY_RETENTION_MS} ORDER BY created_at LIMIT 1)`);
  }
  tx.run(sql`INSERT INTO @idempotency_keys (tenant, session_id, key, digest, created_at, result)
    VALUES (${tenant}, ${sessionId}, ${key}, ${digest}, ${now}, ${JSON.stringify(result)})
    ON CONFLICT (tenant, session_id, key) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at,
      result = excluded.result`);
}
