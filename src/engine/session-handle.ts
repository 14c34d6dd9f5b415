/** A session with its id, and its lease, filled in: short verbs for an application that works with one session. */
import { randomUUID } from "node:crypto";
import type { CallOptions, Lease, LeaseHeld } from "../contract/call.js";
import type {
  Checkpoint,
  CheckpointInfo,
  GetCheckpointOptions,
  StoreCheckpointOptions,
} from "../contract/checkpoint-storage.js";
import type {
  AddMessageOptions,
  AddMessagesOptions,
  HistoryOptions,
  Message,
  MessageContent,
  MessageRole,
  NewMessage,
} from "../contract/conversation-storage.js";
import type { Session, SessionEndStatus, UpdateSessionOptions } from "../contract/session-storage.js";
import type {
  GetTaskContextOptions,
  StoreTaskContextOptions,
  TaskContext,
  TaskContextInfo,
} from "../contract/task-context-storage.js";
import { knownFields } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import type { AgentConversation, BetweenOptions, Participant } from "./agent-conversations.js";
import type { CompactOptions, CompactResult, DropSummaryOptions } from "./compaction.js";
import type { Compaction } from "./compaction-log.js";
import type { ContextChange, EngineContexts, UpdateContextOptions } from "./contexts.js";
import type { EngineConversations } from "./conversations.js";
import type { EngineEnvironment } from "./engine-options.js";
import type { FollowOptions } from "./follow.js";
import type { EngineSessions, TouchOptions } from "./sessions.js";
import {
  type RecordTurnOptions,
  recordTurn,
  runTurn,
  type TurnOptions,
  type TurnOutcome,
  type TurnRecord,
  type TurnWork,
} from "./turns.js";
import type { ConversationWindow, WindowOptions } from "./window.js";

export interface HandleOptions {
  /** Goes with every write of the handle that carries none itself (L1). */
  readonly lease?: Lease | undefined;
}

export interface HandleCheckpointOptions extends Omit<StoreCheckpointOptions, "sessionId"> {
  /** Default: the id of the session. */
  readonly threadId?: string | undefined;
  /** Default: a new UUID. */
  readonly checkpointId?: string | undefined;
}

export interface LatestOptions extends GetCheckpointOptions {
  /** Default: the id of the session. */
  readonly threadId?: string | undefined;
}

/** One session. Every verb does what the engine's verb of the same subject does. */
export interface SessionHandle {
  readonly sessionId: string;
  /** The session as it is now. */
  get(options?: CallOptions): Promise<Session | undefined>;
  append(role: MessageRole, content: MessageContent, options?: AddMessageOptions): Promise<Message>;
  appendAll(messages: readonly NewMessage[], options?: AddMessagesOptions): Promise<Message[]>;
  history(options?: HistoryOptions): Promise<Message[]>;
  window(options?: WindowOptions): Promise<ConversationWindow>;
  compact(options: CompactOptions): Promise<CompactResult>;
  dropSummary(options?: DropSummaryOptions): Promise<Compaction | undefined>;
  follow(options?: FollowOptions): AsyncGenerator<Message, void, void>;
  between(participants: readonly Participant[], options?: BetweenOptions): Promise<AgentConversation>;
  /** The task context: the newest version, or the one asked for. */
  context(options?: GetTaskContextOptions): Promise<TaskContext | undefined>;
  saveContext(context: unknown, options?: StoreTaskContextOptions): Promise<TaskContextInfo>;
  updateContext(change: ContextChange, options?: UpdateContextOptions): Promise<TaskContext>;
  /** Stores a checkpoint at once, in the session's own thread unless told otherwise; the thread is linked to the session. */
  checkpoint(data: unknown, options?: HandleCheckpointOptions): Promise<CheckpointInfo>;
  /** The latest checkpoint, or the one asked for. */
  latest(options?: LatestOptions): Promise<Checkpoint | undefined>;
  /** Runs work and records it once. */
  turn<T>(options: TurnOptions, work: TurnWork<T>): Promise<TurnOutcome<T>>;
  recordTurn(turn: TurnRecord, options?: RecordTurnOptions): Promise<TurnOutcome>;
  touch(options?: TouchOptions): Promise<Session>;
  end(status?: SessionEndStatus, options?: UpdateSessionOptions): Promise<Session>;
}

/** The facets that a handle is made of. */
export interface Facets {
  readonly sessions: EngineSessions;
  readonly conversations: EngineConversations;
  readonly contexts: EngineContexts;
}

export function sessionHandle(
  environment: EngineEnvironment,
  { sessions, conversations, contexts }: Facets,
  sessionId: string,
  options: HandleOptions = {},
): SessionHandle {
  const { storage } = environment;
  identifier(sessionId, "sessionId");
  const { lease } = knownFields(options, "options", ["lease"]);
  const held = <T extends LeaseHeld>(given: T | undefined): T & LeaseHeld =>
    ({ ...given, lease: given?.lease ?? lease }) as T & LeaseHeld;
  return {
    sessionId,
    get: (given) => sessions.get(sessionId, given),
    append: (role, content, given) => conversations.append(sessionId, role, content, held(given)),
    appendAll: (messages, given) => conversations.appendAll(sessionId, messages, held(given)),
    history: (given) => conversations.history(sessionId, given),
    window: (given) => conversations.window(sessionId, given),
    compact: (given) => conversations.compact(sessionId, held(given)),
    dropSummary: (given) => conversations.dropSummary(sessionId, held(given)),
    follow: (given) => conversations.follow(sessionId, given),
    between: (participants, given) => conversations.between(sessionId, participants, given),
    context: (given) => contexts.load(sessionId, given),
    saveContext: (context, given) => contexts.save(sessionId, context, held(given)),
    updateContext: (change, given) => contexts.update(sessionId, change, held(given)),
    checkpoint: async (data, given = {}) => {
      const { threadId = sessionId, checkpointId = randomUUID(), ...rest } = given;
      return storage.storeCheckpoint(threadId, checkpointId, data, { ...held(rest), sessionId });
    },
    latest: async (given = {}) => {
      const { threadId = sessionId, ...rest } = given;
      return storage.getCheckpoint(threadId, rest);
    },
    turn: (given, work) => runTurn(environment, sessionId, held(given), work),
    recordTurn: (turn, given) => recordTurn(environment, sessionId, turn, held(given)),
    touch: (given) => sessions.touch(sessionId, held(given)),
    end: (status, given) => sessions.end(sessionId, status, held(given)),
  };
}
