/** Task contexts of the PostgreSQL backend (T1-T3). */

import { randomUUID } from "node:crypto";
import type { StoredText } from "../../domain/codec/long-text.js";
import type { TaskContextDriver } from "../../domain/driver/storage-driver.js";
import type { StoredContext } from "../../domain/driver/stored.js";
import { newestDroppedVersion, nextContextVersion } from "../../domain/task-contexts.js";
import { type Sql, sql } from "./connection/sql.js";
import type { Transaction } from "./connection/transaction.js";
import { assertFence, holdFence } from "./leases.js";
import { removeUnusedContexts } from "./removal.js";
import { NOTHING } from "./session-listing.js";
import { isLive, lockHead, orNotFound, type SessionHead, touchSession, unlessExpired } from "./session-rows.js";
import type { Database } from "./store.js";

const INFO = sql`v.version, v.size_bytes AS "sizeBytes", v.metadata, v.created_at AS "createdAt"`;

export function taskContextVerbs(database: () => Database): TaskContextDriver {
  return {
    storeContext: (call, sessionId, { context, sizeBytes, metadata, expectedVersion }, fence) => {
      const db = database();
      const { tenant } = call;
      return db.transact(call, async (tx) => {
        const now = db.now();
        const [row, held, newest] = await Promise.all([
          tx.get<SessionHead>(lockHead(tenant, sessionId)),
          holdFence(tx, tenant, fence),
          tx.get<{ version: number }>(lockContextOf(tenant, sessionId)),
        ]);
        const session = orNotFound(unlessExpired(row, now), sessionId);
        assertFence(held, fence);
        const version = nextContextVersion(newest?.version ?? 0, expectedVersion);
        const contextId = contextOf(tx, tenant, session);
        const stored = { version, context, sizeBytes, metadata, createdAt: now };
        tx.run(insertVersion(tenant, contextId, stored));
        tx.run(
          sql`UPDATE @contexts SET newest_version = ${version} WHERE tenant = ${tenant} AND context_id = ${contextId}`,
        );
        const dropped = newestDroppedVersion(version, db.options.keepVersions);
        if (dropped > 0) {
          tx.run(sql`DELETE FROM @context_versions
            WHERE tenant = ${tenant} AND context_id = ${contextId} AND version <= ${dropped}`);
        }
        touchSession(tx, tenant, sessionId, now);
        return stored;
      });
    },

    async getContext(call, sessionId, version) {
      const db = database();
      const [row] = await db.readInOrder<StoredContext>(
        call,
        sql`SELECT ${INFO}, v.content AS context ${versionsOf(call.tenant, sessionId, db.now())}
          ${version === null ? sql`ORDER BY v.version DESC LIMIT 1` : sql`AND v.version = ${version}`}`,
      );
      return row;
    },

    listContexts: (call, sessionId, { limit, before }) => {
      const db = database();
      return db.readInOrder<StoredContext>(
        call,
        sql`SELECT ${INFO}, NULL AS context ${versionsOf(call.tenant, sessionId, db.now())}
          ${before === null ? NOTHING : sql`AND v.version < ${before}`} ORDER BY v.version DESC LIMIT ${limit}`,
      );
    },

    shareContext: (call, fromSessionId, withSessionId) => {
      const db = database();
      const { tenant } = call;
      return db.transact(call, async (tx) => {
        const now = db.now();
        const ids = [fromSessionId, withSessionId].sort();
        const rows = await Promise.all(ids.map((id) => tx.get<SessionHead>(lockHead(tenant, id))));
        const bySessionId = (id: string): SessionHead => orNotFound(unlessExpired(rows[ids.indexOf(id)], now), id);
        const from = bySessionId(fromSessionId);
        const other = bySessionId(withSessionId);
        const shared = contextOf(tx, tenant, from);
        if (other.contextId !== shared) {
          tx.run(
            sql`UPDATE @sessions SET context_id = ${shared} WHERE tenant = ${tenant} AND session_id = ${withSessionId}`,
          );
          if (other.contextId !== null) removeUnusedContexts(tx, tenant, [other.contextId]);
        }
        touchSession(tx, tenant, withSessionId, now);
      });
    },
  };
}

export function insertVersion(
  tenant: string,
  contextId: string,
  stored: StoredContext & { readonly context: StoredText },
): Sql {
  return sql`INSERT INTO @context_versions (tenant, context_id, version, size_bytes, created_at, metadata, content)
    VALUES (${tenant}, ${contextId}, ${stored.version}, ${stored.sizeBytes}, ${stored.createdAt}, ${stored.metadata},
      ${String(stored.context)})`;
}

/** A context without a version. */
export function insertContext(tx: Transaction, tenant: string, contextId: string): void {
  tx.run(sql`INSERT INTO @contexts (tenant, context_id, newest_version) VALUES (${tenant}, ${contextId}, 0)`);
}

/** Sessions that share a context write to it in turn. */
function lockContextOf(tenant: string, sessionId: string): Sql {
  return sql`SELECT newest_version AS version FROM @contexts WHERE tenant = ${tenant} AND context_id = (
      SELECT context_id FROM @sessions WHERE tenant = ${tenant} AND session_id = ${sessionId})
    FOR NO KEY UPDATE`;
}

function versionsOf(tenant: string, sessionId: string, now: number): Sql {
  return sql`FROM @sessions s JOIN @context_versions v ON v.tenant = s.tenant AND v.context_id = s.context_id
    WHERE s.tenant = ${tenant} AND s.session_id = ${sessionId} AND ${isLive(now)}`;
}

/** The session's context; it begins without a version. */
function contextOf(tx: Transaction, tenant: string, session: SessionHead): string {
  if (session.contextId !== null) return session.contextId;
  const contextId = randomUUID();
  insertContext(tx, tenant, contextId);
  tx.run(sql`UPDATE @sessions SET context_id = ${contextId}
    WHERE tenant = ${tenant} AND session_id = ${session.sessionId}`);
  return contextId;
}
