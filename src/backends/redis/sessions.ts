/** Sessions of the Redis backend (S1-S11). */
import type { Call } from "../../domain/driver/call.js";
import type { NewStoredSession, SessionDriver } from "../../domain/driver/storage-driver.js";
import type { StoredSession } from "../../domain/driver/stored.js";
import { applySessionChange, assertSamePayload, endStored, newSession } from "../../domain/sessions.js";
import type { RedisArgument } from "./connection/client.js";
import type { Connection } from "./connection/connection.js";
import { SWEEP_ITEMS } from "./lua/items.js";
import {
  CLEAN_SESSIONS,
  COUNT_DUE_SESSIONS,
  CREATE_SESSIONS,
  DELETE_SESSION,
  END_SESSION,
  GET_SESSIONS,
  UPDATE_SESSION,
} from "./lua/sessions.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";
import { listSessions } from "./session-listing.js";
import { flatFields, metadataField, metadataFields, sessionFields, toStoredSession } from "./session-rows.js";

/** What one step of a cleanup looks at: sessions to count, items to remove. */
const COUNTED_AT_ONCE = 500;
const ITEMS_AT_ONCE = 500;

type Cleanup = Parameters<SessionDriver["cleanupSessions"]>[1];
type Row = readonly string[];

export function sessionVerbs(connection: () => Connection): SessionDriver {
  return {
    async createSession(call, session) {
      const { exists, sessions } = await create(connection(), call, [session]);
      if (exists !== undefined) return { created: false, session: exists };
      return { created: true, session: sessions[0] as StoredSession };
    },

    async createSessions(call, sessions) {
      const created = await create(connection(), call, sessions);
      return created.exists === undefined ? { sessions: created.sessions } : { exists: created.exists.sessionId };
    },

    async getSessions(call, sessionIds) {
      const [only] = sessionIds;
      if (sessionIds.length === 1 && only !== undefined) {
        const read = await readSession(connection(), call, only);
        if (read !== undefined) return [read.session];
      }
      const rows = await connection().run<(Row | null)[]>(call, GET_SESSIONS, sessionIds);
      return sessionIds.map((sessionId, i) => {
        const row = rows[i];
        return row == null ? undefined : toStoredSession(sessionId, row);
      });
    },

    async updateSession(call, sessionId, change, fence) {
      const { mergeMetadata, unsetMetadata, status, idempotency, expectedVersion } = change;
      const unset = new Set(unsetMetadata);
      const merged = Object.entries(mergeMetadata ?? {}).filter(([key]) => !unset.has(key));
      const fields = metadataFields(Object.fromEntries(merged));
      const reply = await connection().run<Verdict>(call, UPDATE_SESSION, [
        sessionId,
        tokenText(fence),
        expectedVersion ?? "",
        status ?? "",
        change.addRequests,
        change.addProcessingTime,
        change.addErrors,
        idempotency?.key ?? "",
        idempotency?.digest ?? "",
        fields.length,
        ...fields,
        ...unsetMetadata.map(metadataField),
      ]);
      assertAccepted(reply, sessionId, fence);
      const [verdict, detail] = reply;
      if (verdict === "D") assertSamePayload(detail as string, idempotency?.digest ?? "");
      const session = toStoredSession(sessionId, detail as Row);
      if (verdict === "V") applySessionChange(session, change, session.updatedAt);
      return session;
    },

    async endSession(call, sessionId, status, fence) {
      const reply = await connection().run<Verdict>(call, END_SESSION, [sessionId, tokenText(fence), status]);
      assertAccepted(reply, sessionId, fence);
      const [verdict, row] = reply;
      const session = toStoredSession(sessionId, row as Row);
      return verdict === "S" ? endStored(session, status, session.updatedAt) : session;
    },

    listSessions: (call, listing) => listSessions(connection(), call, listing),

    async deleteSession(call, sessionId) {
      return (await connection().run<number>(call, DELETE_SESSION, [sessionId])) === 1;
    },

    cleanupSessions: (call, cleanup) =>
      cleanup.dryRun ? countDue(connection(), call, cleanup) : clean(connection(), call, cleanup),
  };
}

/** A session by one plain command; `undefined` for one that may have expired, of which a script has to decide by the server's time. */
async function readSession(
  connection: Connection,
  call: Call,
  sessionId: string,
): Promise<{ readonly session: StoredSession | undefined } | undefined> {
  if (connection.expiring.sessions) return undefined;
  const read = await connection.read(call, [["hgetall", `${connection.keyOf(call.tenant)}:s:${sessionId}`]]);
  if (read === undefined) return undefined;
  const fields = flatFields(read[0]);
  if (fields.length === 0) return { session: undefined };
  const session = toStoredSession(sessionId, fields);
  if (session.ttlMs === null) return { session };
  connection.expiring.sessions = true;
  return undefined;
}

async function create(
  connection: Connection,
  call: Call,
  sessions: readonly NewStoredSession[],
): Promise<{ readonly exists?: StoredSession; readonly sessions: StoredSession[] }> {
  const given = withTtl(connection, sessions);
  const [verdict, detail, row] = await connection.run<[string, string, (Row | string)?]>(
    call,
    CREATE_SESSIONS,
    newSessionArguments(given),
  );
  if (verdict === "E") return { exists: toStoredSession(detail, (row ?? []) as Row), sessions: [] };
  if (verdict === "P") throw new KeptForBatch(detail, row as string);
  return { sessions: given.map((session) => newSession(session, Number(detail))) };
}

/** An id that a batch of several shards is about to create. */
export class KeptForBatch extends Error {
  readonly sessionId: string;
  /** The batch and the shard that decides about it. */
  readonly note: string;

  constructor(sessionId: string, note: string) {
    super("the id is kept for a batch of sessions");
    this.sessionId = sessionId;
    this.note = note;
  }
}

export function withTtl(connection: Connection, sessions: readonly NewStoredSession[]): NewStoredSession[] {
  const { sessionTtlMs } = connection.options;
  return sessions.map((session) => ({ ...session, ttlMs: session.ttlMs ?? sessionTtlMs }));
}

/** How many, then for each its id and a list of fields with its length. */
export function newSessionArguments(sessions: readonly NewStoredSession[]): RedisArgument[] {
  const args: RedisArgument[] = [sessions.length];
  for (const session of sessions) {
    const fields = sessionFields(newSession(session, 0));
    args.push(session.sessionId, fields.length, ...fields);
  }
  return args;
}

/** Batch by batch, then the items that have expired. */
async function clean(connection: Connection, call: Call, { idleBefore, batchSize }: Cleanup): Promise<number> {
  let count = 0;
  for (let removed = batchSize; removed === batchSize; count += removed) {
    removed = await connection.run<number>(call, CLEAN_SESSIONS, [idleBefore, batchSize]);
  }
  let swept = ITEMS_AT_ONCE;
  while (swept === ITEMS_AT_ONCE) swept = await connection.run<number>(call, SWEEP_ITEMS, [ITEMS_AT_ONCE]);
  return count;
}

async function countDue(connection: Connection, call: Call, { idleBefore }: Cleanup): Promise<number> {
  let expired = 0;
  for (let offset = 0; ; ) {
    const [idle, looked, more] = await connection.run<[number, number, number]>(call, COUNT_DUE_SESSIONS, [
      idleBefore,
      offset,
      COUNTED_AT_ONCE,
    ]);
    expired += more;
    offset += looked;
    if (looked < COUNTED_AT_ONCE) return idle + expired;
  }
}
