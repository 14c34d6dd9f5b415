/** Sessions of the PostgreSQL backend (S1-S10). */
import type { Call } from "../../domain/driver/call.js";
import type { NewStoredSession, SessionDriver } from "../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { endStored, isExpired, newSession } from "../../domain/sessions.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { assertFence, holdFence } from "./leases.js";
import { removeLeases, removeSessions } from "./removal.js";
import { cleanupSessions } from "./session-cleanup.js";
import { listSessions } from "./session-listing.js";
import {
  changeSession,
  isLive,
  lockHead,
  lockSession,
  orNotFound,
  SESSION_COLUMNS,
  type SessionHead,
  type SessionRow,
  toStoredSession,
  unlessExpired,
} from "./session-rows.js";
import { sessionUpdates } from "./session-updates.js";
import type { Database } from "./store.js";

export function sessionVerbs(database: () => Database): SessionDriver {
  const update = sessionUpdates(database);
  return {
    async createSession(call, session) {
      const db = database();
      const created = newSession(session, db.now());
      const inserted = await db.writeIf(
        call,
        sql`${insertSessions(call.tenant, [created])} ON CONFLICT DO NOTHING
        RETURNING 1`,
      );
      if (inserted !== undefined) return { created: true, session: created };
      return db.transact(call, (tx) => createInPlace(tx, call.tenant, session, db.now()));
    },

    createSessions: (call, sessions) => createSessions(database(), call, sessions),

    async getSessions(call, sessionIds) {
      const db = database();
      const rows = await db.read<SessionRow>(
        call,
        sql`SELECT ${SESSION_COLUMNS} FROM @sessions s
          WHERE s.tenant = ${call.tenant} AND s.session_id = ANY(${sessionIds}::text[]) AND ${isLive(db.now())}`,
      );
      const found = new Map(rows.map((row) => [row.sessionId, toStoredSession(row)]));
      return sessionIds.map((sessionId) => found.get(sessionId));
    },

    updateSession: (call, sessionId, change, fence) => update(call, { sessionId, change }, fence),

    endSession: (call, sessionId, status, fence) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const now = db.now();
        const [row, held] = await Promise.all([
          tx.get<SessionRow>(lockSession(call.tenant, sessionId)),
          holdFence(tx, call.tenant, fence),
        ]);
        const session = toStoredSession(orNotFound(unlessExpired(row, now), sessionId));
        assertFence(held, fence);
        const ended = endStored(session, status, now);
        if (ended !== session) changeSession(tx, call.tenant, ended);
        return ended;
      });
    },

    listSessions: (call, listing) => listSessions(database(), call, listing),

    deleteSession: (call, sessionId) => {
      const db = database();
      return db.transact(call, async (tx) => {
        const session = await tx.get<SessionHead>(lockHead(call.tenant, sessionId));
        if (session === undefined) {
          // A lease may be older than its session.
          removeLeases(tx, call.tenant, "session", [sessionId]);
          return false;
        }
        await removeSessions(tx, call.tenant, [sessionId]);
        return !isExpired(session, db.now());
      });
    },

    cleanupSessions: (call, cleanup) => cleanupSessions(database(), call, cleanup),
  };
}

/** The id is taken: by a session that is there, or by what is left of one that has expired. */
async function createInPlace(
  tx: Transaction,
  tenant: string,
  session: NewStoredSession,
  now: number,
): Promise<{ readonly created: boolean; readonly session: StoredSession }> {
  const existing = await tx.get<SessionRow>(lockSession(tenant, session.sessionId));
  if (existing !== undefined) {
    if (!isExpired(existing, now)) return { created: false, session: toStoredSession(existing) };
    await removeSessions(tx, tenant, [session.sessionId]);
  }
  const created = newSession(session, now);
  tx.run(insertSessions(tenant, [created]));
  return { created: true, session: created };
}

function createSessions(
  db: Database,
  call: Call,
  sessions: readonly NewStoredSession[],
): ReturnType<SessionDriver["createSessions"]> {
  const { tenant } = call;
  return db.transact(call, async (tx) => {
    const now = db.now();
    const ids = sessions.map(({ sessionId }) => sessionId);
    const stored = await tx.query<Pick<SessionRow, "sessionId" | "updatedAt" | "ttlMs">>(
      sql`SELECT session_id AS "sessionId", updated_at AS "updatedAt", ttl_ms AS "ttlMs" FROM @sessions
        WHERE tenant = ${tenant} AND session_id = ANY(${ids}::text[]) ORDER BY session_id FOR NO KEY UPDATE`,
    );
    const there = new Set(stored.filter((row) => !isExpired(row, now)).map(({ sessionId }) => sessionId));
    const exists = ids.find((sessionId) => there.has(sessionId));
    if (exists !== undefined) return { exists };
    if (stored.length > 0) {
      await removeSessions(
        tx,
        tenant,
        stored.map(({ sessionId }) => sessionId),
      );
    }
    const created = sessions.map((session) => newSession(session, now));
    tx.run(insertSessions(tenant, created));
    return { sessions: created };
  });
}

/** In the order of ids, so that two batches with ids in common do not wait for each other. */
export function insertSessions(tenant: string, sessions: readonly StoredSession[]): Sql {
  const column = <Field extends keyof StoredSession>(field: Field): StoredSession[Field][] =>
    sessions.map((session) => session[field]);
  return sql`INSERT INTO @sessions (tenant, session_id, user_id, status, created_at, updated_at, ttl_ms, version,
      request_count, total_processing_time, error_count, message_count, last_seq, metadata)
    SELECT ${tenant}::text, * FROM unnest(${column("sessionId")}::text[], ${column("userId")}::text[],
      ${column("status")}::text[], ${column("createdAt")}::bigint[], ${column("updatedAt")}::bigint[],
      ${column("ttlMs")}::bigint[], ${column("version")}::bigint[], ${column("requestCount")}::bigint[],
      ${column("totalProcessingTime")}::float8[], ${column("errorCount")}::bigint[], ${column("messageCount")}::bigint[],
      ${column("lastSeq")}::bigint[], ${column("metadata")}::jsonb[]) AS new (session_id)
    ORDER BY new.session_id COLLATE "C"`;
}
