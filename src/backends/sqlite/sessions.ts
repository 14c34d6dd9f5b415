/** Sessions of the SQLite backend (S1-S10). */
import type { Call } from "../../domain/driver/call.js";
import type { NewStoredSession, SessionDriver } from "../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import {
  applySessionChange,
  assertSamePayload,
  endStored,
  IDEMPOTENCY_RETENTION_MS,
  isExpired,
  newSession,
} from "../../domain/sessions.js";
import type { Connection } from "./connection/connection.js";
import { deleteLease, discardSession, newBatch, sweepStep } from "./garbage.js";
import { assertFence } from "./lease-rows.js";
import { Portion } from "./portion.js";
import { cleanupSessions } from "./session-cleanup.js";
import { listSessions } from "./session-listing.js";
import {
  changeSession,
  existingSession,
  insertSession,
  liveHead,
  liveSession,
  sessionHead,
  toStoredSession,
} from "./session-rows.js";
import type { OpenFile } from "./store.js";

/** Sessions read in one step, where their metadata is short. */
const READ_AT_ONCE = 200;

/** Sessions created between two looks at the time. */
const CREATED_AT_ONCE = 50;

export function sessionVerbs(file: () => OpenFile): SessionDriver {
  return {
    createSession: (call, session) =>
      file().write(call, (tx, tenant) => {
        const now = file().now();
        const existing = liveSession(tx, tenant, session.sessionId, now);
        if (existing !== undefined) return { created: false, session: toStoredSession(existing) };
        return { created: true, session: create(tx, tenant, session, now) };
      }),

    createSessions: (call, sessions) =>
      file().writeSized(call, { rows: sessions.length, characters: textOf(sessions) }, function* (tx, tenant) {
        const now = file().now();
        for (const [i, { sessionId }] of sessions.entries()) {
          if (liveHead(tx, tenant, sessionId, now) !== undefined) return { exists: sessionId };
          if (i % CREATED_AT_ONCE === CREATED_AT_ONCE - 1) yield;
        }
        const created: StoredSession[] = [];
        for (const session of sessions) {
          created.push(create(tx, tenant, session, now));
          if (created.length % CREATED_AT_ONCE === 0) yield;
        }
        return { sessions: created };
      }),

    getSessions: (call, sessionIds) =>
      file().readInSteps(call, function* (db, tenant) {
        const now = file().now();
        const found: (StoredSession | undefined)[] = [];
        const portion = new Portion(READ_AT_ONCE);
        for (const sessionId of sessionIds) {
          const session = liveSession(db, tenant, sessionId, now);
          found.push(session && toStoredSession(session));
          if (portion.isFull(session?.metadata.length ?? 0) && found.length < sessionIds.length) yield;
        }
        return found;
      }),

    updateSession: (call, sessionId, change, fence) =>
      file().write(call, (tx, tenant) => {
        const now = file().now();
        const session = existingSession(tx, tenant, sessionId, now);
        assertFence(tx, tenant, fence, now);
        const { idempotency } = change;
        const earlier = idempotency === null ? undefined : rememberedUpdate(tx, session.id, idempotency.key, now);
        if (earlier !== undefined && idempotency !== null) {
          assertSamePayload(earlier.digest, idempotency.digest);
          return JSON.parse(earlier.result) as StoredSession;
        }
        const changed = applySessionChange(toStoredSession(session), change, now);
        changeSession(tx, session.id, changed);
        if (idempotency !== null) remember(tx, session.id, idempotency, changed, now);
        return changed;
      }),

    endSession: (call, sessionId, status, fence) =>
      file().write(call, (tx, tenant) => {
        const now = file().now();
        const session = existingSession(tx, tenant, sessionId, now);
        assertFence(tx, tenant, fence, now);
        const stored = toStoredSession(session);
        const ended = endStored(stored, status, now);
        if (ended !== stored) changeSession(tx, session.id, ended);
        return ended;
      }),

    listSessions: (call, listing) => listSessions(file(), call, listing),

    deleteSession: (call, sessionId) => deleteSession(file(), call, sessionId),

    cleanupSessions: (call, cleanup) => cleanupSessions(file(), call, cleanup),
  };
}

function textOf(sessions: readonly NewStoredSession[]): number {
  return sessions.reduce((sum, { metadata }) => sum + metadata.length, 0);
}

function create(tx: Connection, tenant: number, session: NewStoredSession, now: number): StoredSession {
  const expired = sessionHead(tx, tenant, session.sessionId);
  if (expired !== undefined) discardSession(tx, newBatch(tx), { ...expired, tenant });
  const created = newSession(session, now);
  insertSession(tx, tenant, created);
  return created;
}

interface RememberedUpdate {
  readonly digest: string;
  readonly result: string;
  readonly createdAt: number;
}

/** What an idempotency key did before, if that is not too long ago (S5). */
function rememberedUpdate(tx: Connection, session: number, key: string, now: number): RememberedUpdate | undefined {
  const update = tx.get<RememberedUpdate>(
    "SELECT digest, result, created_at AS createdAt FROM idempotency_keys WHERE session = ? AND key = ?",
    session,
    key,
  );
  return update !== undefined && now < update.createdAt + IDEMPOTENCY_RETENTION_MS ? update : undefined;
}

/** Each new key takes two that are too old with it, so that a session keeps those of a day. */
function remember(
  tx: Connection,
  session: number,
  { key, digest }: { readonly key: string; readonly digest: string },
  result: StoredSession,
  now: number,
): void {
  tx.run(
    `DELETE FROM idempotency_keys WHERE id IN
       (SELECT id FROM idempotency_keys WHERE session = ? AND created_at <= ? ORDER BY created_at LIMIT 2)`,
    session,
    now - IDEMPOTENCY_RETENTION_MS,
  );
  tx.run(
    `INSERT INTO idempotency_keys (session, key, digest, created_at, result) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (session, key) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at,
       result = excluded.result`,
    session,
    key,
    digest,
    now,
    JSON.stringify(result),
  );
}

/** The session goes at once; what belongs to it is swept before the call ends, small ones in the same transaction. */
async function deleteSession(file: OpenFile, call: Call, sessionId: string): Promise<boolean> {
  const { wasThere, batch } = await file.write(call, (tx, tenant) => {
    const session = sessionHead(tx, tenant, sessionId);
    if (session === undefined) {
      // A lease may be older than its session.
      deleteLease(tx, tenant, "session", sessionId);
      return { wasThere: false, batch: null };
    }
    const own = newBatch(tx);
    discardSession(tx, own, { ...session, tenant });
    return { wasThere: !isExpired(session, file.now()), batch: sweepStep(tx, own) ? own : null };
  });
  if (batch !== null) await file.maintenance.sweep(call, batch);
  if (wasThere) await file.maintenance.reclaim(call);
  return wasThere;
}
