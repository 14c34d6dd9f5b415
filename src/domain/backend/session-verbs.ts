/** The verbs of `SessionStorage`: arguments checked and encoded, results decoded. */
import type { CallOptions } from "../../contract/call.js";
import { SessionExistsError } from "../../contract/errors.js";
import type {
  CleanupOptions,
  CreateSessionOptions,
  NewSession,
  SessionEndStatus,
  SessionQuery,
  SessionStorage,
  SessionUpdate,
  UpdateSessionOptions,
} from "../../contract/session-storage.js";
import { knownOptions, oneOf } from "../arguments.js";
import type { Clock } from "../clock.js";
import { decodeTimeCursor, pageOf, queryDigest, timePosition } from "../cursors.js";
import type { SessionDriver } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { fencingToken } from "../leases.js";
import { listOf, MAX_IDENTIFIERS } from "../lists.js";
import {
  parseCleanup,
  parseEndStatus,
  parseListing,
  parseNewSession,
  parseNewSessions,
  parseUpdate,
  toSession,
} from "../session-arguments.js";
import { mapInSlices } from "../slices.js";
import type { RunCall } from "./run-call.js";

export function sessionVerbs(run: RunCall, driver: SessionDriver, clock: Clock): SessionStorage {
  return {
    createSession: async (sessionId: string, userId: string, options?: CreateSessionOptions) => {
      const known = knownOptions(options, ["metadata", "ttlMs", "ifExists"]);
      const session = parseNewSession({ sessionId, userId, metadata: known.metadata, ttlMs: known.ttlMs }, "");
      const ifExists = known.ifExists === undefined ? "error" : oneOf(known.ifExists, "ifExists", ["error", "return"]);
      const { created, session: stored } = await run("createSession", known, (call) =>
        driver.createSession(call, session),
      );
      if (!created && ifExists === "error") throw new SessionExistsError(session.sessionId);
      return toSession(stored);
    },

    getSession: async (sessionId: string, options?: CallOptions) => {
      const id = identifier(sessionId, "sessionId");
      const [stored] = await run("getSession", knownOptions(options, []), (call) => driver.getSessions(call, [id]));
      return stored === undefined ? undefined : toSession(stored);
    },

    updateSession: async (sessionId: string, update: SessionUpdate, options?: UpdateSessionOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const change = parseUpdate(update);
      const fence = fencingToken(known.lease, [{ kind: "session", id }]);
      return toSession(await run("updateSession", known, (call) => driver.updateSession(call, id, change, fence)));
    },

    endSession: async (sessionId: string, status?: SessionEndStatus, options?: UpdateSessionOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const end = parseEndStatus(status);
      const fence = fencingToken(known.lease, [{ kind: "session", id }]);
      return toSession(await run("endSession", known, (call) => driver.endSession(call, id, end, fence)));
    },

    listSessions: async (query?: SessionQuery) => {
      const known = knownOptions(query, [...QUERY_FIELDS], "query");
      const listing = parseListing(known);
      const { limit: _limit, ...asked } = listing;
      const digest = queryDigest("listSessions", asked);
      const after = decodeTimeCursor(known.cursor, digest);
      return run("listSessions", known, async (call) =>
        pageOf(call, await driver.listSessions(call, { ...listing, after }), digest, toSession, (last) =>
          timePosition(last[listing.orderBy], last.sessionId),
        ),
      );
    },

    deleteSession: async (sessionId: string, options?: CallOptions) => {
      const id = identifier(sessionId, "sessionId");
      return run("deleteSession", knownOptions(options, []), (call) => driver.deleteSession(call, id));
    },

    batchCreateSessions: async (sessions: readonly NewSession[], options?: CallOptions) => {
      const parsed = parseNewSessions(sessions);
      return run("batchCreateSessions", knownOptions(options, []), async (call) => {
        const result = parsed.length === 0 ? { sessions: [] } : await driver.createSessions(call, parsed);
        if ("exists" in result) throw new SessionExistsError(result.exists);
        return mapInSlices(call, result.sessions, toSession);
      });
    },

    batchGetSessions: async (sessionIds: readonly string[], options?: CallOptions) => {
      const ids = listOf(sessionIds, "sessionIds", MAX_IDENTIFIERS).map((id, i) => identifier(id, `sessionIds[${i}]`));
      return run("batchGetSessions", knownOptions(options, []), async (call) => {
        const stored = ids.length === 0 ? [] : await driver.getSessions(call, ids);
        return mapInSlices(call, stored, (session) => (session === undefined ? undefined : toSession(session)));
      });
    },

    cleanupExpiredSessions: async (options?: CleanupOptions) => {
      const known = knownOptions(options, ["maxIdleHours", "dryRun", "batchSize"]);
      const cleanup = parseCleanup(known, clock.now());
      return run("cleanupExpiredSessions", known, (call) => driver.cleanupSessions(call, cleanup));
    },
  };
}

const QUERY_FIELDS = [
  "userId",
  "status",
  "metadata",
  "created",
  "updated",
  "orderBy",
  "direction",
  "limit",
  "cursor",
] as const;
