/** `contextEngine(storage)`: what an application works with, over any storage. */
import type { CallOptions } from "../contract/call.js";
import type { Session } from "../contract/session-storage.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { knownOptions } from "../domain/arguments.js";
import { type EngineContexts, engineContexts } from "./contexts.js";
import { type EngineConversations, engineConversations } from "./conversations.js";
import { callOptions, type EngineOptions, engineEnvironment } from "./engine-options.js";
import { type Facets, type HandleOptions, type SessionHandle, sessionHandle } from "./session-handle.js";
import { type EngineSessions, engineSessions, type StartOrResumeOptions } from "./sessions.js";
import {
  findTurn,
  type RecordTurnOptions,
  recordTurn,
  runTurn,
  type TurnOptions,
  type TurnOutcome,
  type TurnRecord,
  type TurnWork,
} from "./turns.js";

export interface OpenSessionOptions extends Omit<StartOrResumeOptions, "userId"> {
  /** Whose session it is. Without it the session must be there: it is resumed, never created. */
  readonly userId?: string | undefined;
}

/** A handle of a session that has just been opened. */
export interface OpenedSession extends SessionHandle {
  /** The session as it was when it was opened. */
  readonly opened: Session;
  /** It was there before. Of many that open a new session at the same time, exactly one gets `false`. */
  readonly resumed: boolean;
}

/** The engine holds no state: any number of them, in any number of processes, may work on one storage. */
export interface ContextEngine {
  readonly storage: StorageBackend;
  readonly sessions: EngineSessions;
  readonly conversations: EngineConversations;
  readonly contexts: EngineContexts;
  /**
   * Starts or resumes a session and gives its handle. Resuming changes nothing; `metadata` and `ttlMs` are for a new session.
   * @throws ConflictError for an ended session unless `reopen` is set, and for a session of another user;
   *   SessionNotFoundError without `userId`
   */
  open(sessionId: string, options?: OpenSessionOptions): Promise<OpenedSession>;
  /** The handle of a session, without looking whether it is there. @throws InvalidArgumentError */
  session(sessionId: string, options?: HandleOptions): SessionHandle;
  /** Runs work and records what it leaves, once. A turn that is recorded is not run again: its stored result is returned. */
  turn<T>(sessionId: string, options: TurnOptions, work: TurnWork<T>): Promise<TurnOutcome<T>>;
  /** Records a turn whose work ran elsewhere, once. */
  recordTurn(sessionId: string, turn: TurnRecord, options?: RecordTurnOptions): Promise<TurnOutcome>;
  /** A turn that is completely recorded; `undefined` for any other. */
  findTurn(sessionId: string, turnId: string, options?: CallOptions): Promise<TurnOutcome | undefined>;
  /** The engine over a tenant's view of the storage (I2). */
  tenant(name: string): ContextEngine;
}

/** @throws InvalidArgumentError for a bad option */
export function contextEngine(storage: StorageBackend, options: EngineOptions = {}): ContextEngine {
  const environment = engineEnvironment(storage, options);
  const facets: Facets = {
    sessions: engineSessions(environment),
    conversations: engineConversations(environment),
    contexts: engineContexts(environment),
  };
  return {
    storage,
    ...facets,
    open: async (sessionId, given) => {
      const known = knownOptions(given, ["userId", "metadata", "ttlMs", "reopen", "lease"]);
      const { userId, reopen, lease } = known;
      const { session, resumed } =
        userId === undefined
          ? {
              session: await facets.sessions.resume(sessionId, { reopen, lease, ...callOptions(known) }),
              resumed: true,
            }
          : await facets.sessions.startOrResume(sessionId, { ...known, userId });
      return { ...sessionHandle(environment, facets, sessionId, { lease }), opened: session, resumed };
    },
    session: (sessionId, given) => sessionHandle(environment, facets, sessionId, given),
    turn: (sessionId, given, work) => runTurn(environment, sessionId, given, work),
    recordTurn: (sessionId, turn, given) => recordTurn(environment, sessionId, turn, given),
    findTurn: (sessionId, turnId, given) => findTurn(environment, sessionId, turnId, given),
    tenant: (name) => contextEngine(storage.tenant(name), options),
  };
}
