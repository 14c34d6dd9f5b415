/** The session side of the engine: start, resume, describe, end, list and delete. */
import type { CallOptions, LeaseHeld, Page } from "../contract/call.js";
import { ConflictError, quoteIdentifier, SessionExistsError, SessionNotFoundError } from "../contract/errors.js";
import type { MetadataInput } from "../contract/json.js";
import type {
  CreateSessionOptions,
  Session,
  SessionEndStatus,
  SessionQuery,
  UpdateSessionOptions,
} from "../contract/session-storage.js";
import { knownOptions } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import { PARENT_KEY } from "./agent-conversations.js";
import { flag } from "./checks.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { ownMetadata, refuseReserved } from "./own-metadata.js";

export interface StartOptions extends CallOptions, Pick<CreateSessionOptions, "metadata" | "ttlMs"> {}

export interface ResumeOptions extends CallOptions, LeaseHeld {
  /** Refuses a session of another user. Default: whose it is does not matter. */
  readonly userId?: string | undefined;
  /** Makes an ended session active again. Default `false`: it is refused. */
  readonly reopen?: boolean | undefined;
}

export interface StartOrResumeOptions extends StartOptions, ResumeOptions {
  readonly userId: string;
}

/** A session that is active, and whether it was there before. */
export interface StartedSession {
  readonly session: Session;
  /** Of many that start one session at the same time, exactly one gets `false`. */
  readonly resumed: boolean;
}

export interface TouchOptions extends UpdateSessionOptions {
  /** Merged by top-level key (S9). */
  readonly metadata?: MetadataInput | undefined;
  /** Top-level keys to remove (S9). */
  readonly unsetMetadata?: readonly string[] | undefined;
}

export interface ListOptions extends SessionQuery {
  /** Also lists the sessions that hold conversations between agents. Default `false`: a page may be shorter for it. */
  readonly conversations?: boolean | undefined;
}

/** Counters of a session, and what follows from them. */
export interface SessionMetrics {
  readonly requestCount: number;
  readonly errorCount: number;
  /** Errors in one request, 0 without requests. */
  readonly errorRate: number;
  /** Seconds. */
  readonly totalProcessingTime: number;
  /** Seconds in one request, 0 without requests. */
  readonly meanProcessingTime: number;
  readonly messageCount: number;
}

export interface EngineSessions {
  /** Creates a session. @throws SessionExistsError (S1) */
  start(sessionId: string, userId: string, options?: StartOptions): Promise<Session>;
  /** An active session that is there. @throws SessionNotFoundError; ConflictError if it has ended, or is another user's */
  resume(sessionId: string, options?: ResumeOptions): Promise<Session>;
  /**
   * Creates the session, or resumes it; what is stored stays as it is then, `metadata` and `ttlMs` too.
   * @throws ConflictError if it has ended, or is another user's
   */
  startOrResume(sessionId: string, options: StartOrResumeOptions): Promise<StartedSession>;
  get(sessionId: string, options?: CallOptions): Promise<Session | undefined>;
  /** Changes metadata; without any it only moves `updatedAt`, which keeps a session with a time to live alive (S8). */
  touch(sessionId: string, options?: TouchOptions): Promise<Session>;
  /** Ends the session, `completed` unless told otherwise (S11). */
  end(sessionId: string, status?: SessionEndStatus, options?: UpdateSessionOptions): Promise<Session>;
  list(query?: ListOptions): Promise<Page<Session>>;
  /** Deletes the session with its conversations between agents, and theirs. `false` if it was not there. */
  delete(sessionId: string, options?: CallOptions): Promise<boolean>;
  /** @throws SessionNotFoundError */
  metrics(sessionId: string, options?: CallOptions): Promise<SessionMetrics>;
}

/** How often a step starts anew when somebody else changed the session between two calls. */
const ATTEMPTS = 10;

export function engineSessions({ storage }: EngineEnvironment): EngineSessions {
  const sessions: EngineSessions = {
    start: async (sessionId, userId, options) => {
      const { metadata, ...rest } = knownOptions(options, ["metadata", "ttlMs"]);
      return storage.createSession(sessionId, userId, { metadata: ownMetadata(metadata, "metadata"), ...rest });
    },

    resume: async (sessionId, options) => {
      const { userId, reopen, lease, ...call } = parseResume(sessionId, options);
      for (let attempt = 1; ; attempt++) {
        const session = await storage.getSession(sessionId, call);
        if (session === undefined) throw new SessionNotFoundError(sessionId);
        if (userId !== undefined && session.userId !== userId) {
          throw new ConflictError(`session ${quoteIdentifier(sessionId)} belongs to another user`);
        }
        if (session.status === "active") return session;
        if (!reopen) throw endedSession(session);
        try {
          const expectedVersion = session.version;
          return await storage.updateSession(sessionId, { status: "active", expectedVersion }, { lease, ...call });
        } catch (error) {
          if (!(error instanceof ConflictError) || attempt >= ATTEMPTS) throw error;
        }
      }
    },

    startOrResume: async (sessionId, options) => {
      const { metadata: given, userId, reopen, lease, ...rest } = knownOptions(options, START_OR_RESUME_FIELDS);
      const metadata = ownMetadata(given, "metadata");
      const resumption = { userId: identifier(userId, "userId"), reopen, lease, ...callOptions(rest) };
      parseResume(sessionId, resumption);
      for (let attempt = 1; ; attempt++) {
        try {
          const session = await storage.createSession(sessionId, resumption.userId, { metadata, ...rest });
          return { session, resumed: false };
        } catch (error) {
          if (!(error instanceof SessionExistsError)) throw error;
        }
        try {
          return { session: await sessions.resume(sessionId, resumption), resumed: true };
        } catch (error) {
          // Deleted or expired between the two calls: then it can be created.
          if (!(error instanceof SessionNotFoundError) || attempt >= ATTEMPTS) throw error;
        }
      }
    },

    get: (sessionId, options) => storage.getSession(sessionId, options),

    touch: async (sessionId, options) => {
      const { metadata, unsetMetadata, ...rest } = knownOptions(options, ["metadata", "unsetMetadata", "lease"]);
      if (Array.isArray(unsetMetadata)) refuseReserved(unsetMetadata, "unsetMetadata");
      return storage.updateSession(sessionId, { metadata: ownMetadata(metadata, "metadata"), unsetMetadata }, rest);
    },

    end: (sessionId, status, options) => storage.endSession(sessionId, status, options),

    list: async (query) => {
      const { conversations, ...rest } = knownOptions(query, LIST_FIELDS, "query");
      const all = flag(conversations, "conversations");
      const page = await storage.listSessions(rest);
      if (all) return page;
      return { ...page, items: page.items.filter(({ metadata }) => !Object.hasOwn(metadata, PARENT_KEY)) };
    },

    delete: async (sessionId, options) => {
      const call = knownOptions(options, []);
      return deleteWithConversations(identifier(sessionId, "sessionId"), call, new Set());
    },

    metrics: async (sessionId, options) => {
      const session = await storage.getSession(sessionId, options);
      if (session === undefined) throw new SessionNotFoundError(sessionId);
      const { requestCount, errorCount, totalProcessingTime, messageCount } = session;
      const requests = Math.max(1, requestCount);
      return {
        requestCount,
        errorCount,
        errorRate: errorCount / requests,
        totalProcessingTime,
        meanProcessingTime: totalProcessingTime / requests,
        messageCount,
      };
    },
  };

  async function deleteWithConversations(sessionId: string, call: CallOptions, visited: Set<string>): Promise<boolean> {
    visited.add(sessionId);
    await deleteConversations(sessionId, call, visited);
    const deleted = await storage.deleteSession(sessionId, call);
    // One that was opened while the others were deleted.
    await deleteConversations(sessionId, call, visited);
    return deleted;
  }

  /** The first page again and again: what was listed is gone when it is read anew. */
  async function deleteConversations(parentId: string, call: CallOptions, visited: Set<string>): Promise<void> {
    for (;;) {
      const { items } = await storage.listSessions({ metadata: { [PARENT_KEY]: parentId }, limit: 100, ...call });
      // Metadata can be written past the engine: a circle of parents must end.
      const children = items.filter(({ sessionId }) => !visited.has(sessionId));
      if (children.length === 0) return;
      for (const { sessionId } of children) await deleteWithConversations(sessionId, call, visited);
    }
  }

  return sessions;
}

/** The refusal to work on an ended session without reopening it. */
export function endedSession({ sessionId, status }: Session): ConflictError {
  return new ConflictError(`session ${quoteIdentifier(sessionId)} has ended as ${status}; resume it with reopen: true`);
}

const START_OR_RESUME_FIELDS = ["userId", "metadata", "ttlMs", "reopen", "lease"] as const;

const LIST_FIELDS = [
  "conversations",
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

function parseResume(sessionId: string, options: ResumeOptions | undefined): Partial<ResumeOptions> {
  identifier(sessionId, "sessionId");
  const known = knownOptions(options, ["userId", "reopen", "lease"]);
  if (known.userId !== undefined) identifier(known.userId, "userId");
  flag(known.reopen, "reopen");
  return known;
}
