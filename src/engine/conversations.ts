/** The conversation side of the engine: messages, windows, compaction, followers, conversations between agents. */
import type { CallOptions, LeaseHeld, Page, PageQuery } from "../contract/call.js";
import type {
  AddMessageOptions,
  AddMessagesOptions,
  HistoryOptions,
  Message,
  MessageContent,
  MessageRole,
  NewMessage,
} from "../contract/conversation-storage.js";
import { knownOptions } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import {
  type AgentConversation,
  type BetweenOptions,
  between,
  listBetween,
  type Participant,
} from "./agent-conversations.js";
import {
  type CompactOptions,
  type CompactResult,
  compact,
  type DropSummaryOptions,
  dropSummary,
  listCompactions,
} from "./compaction.js";
import { type Compaction, compactionThread } from "./compaction-log.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { type FollowOptions, follow } from "./follow.js";
import { type ConversationWindow, readWindow, type WindowOptions } from "./window.js";

export interface EngineConversations {
  /** Appends one message. @throws SessionNotFoundError, FencedError, SerializationError, InvalidArgumentError */
  append(sessionId: string, role: MessageRole, content: MessageContent, options?: AddMessageOptions): Promise<Message>;
  /** Appends all the messages, in order, or none (C6). */
  appendAll(sessionId: string, messages: readonly NewMessage[], options?: AddMessagesOptions): Promise<Message[]>;
  /** Stored messages, compacted or not; the newest 50 unless told otherwise (C2). */
  history(sessionId: string, options?: HistoryOptions): Promise<Message[]>;
  /** The newest messages that fit a budget: what to give to a model. */
  window(sessionId: string, options?: WindowOptions): Promise<ConversationWindow>;
  /** Puts a summary, or nothing, in the place of old messages in windows. The messages stay. */
  compact(sessionId: string, options: CompactOptions): Promise<CompactResult>;
  /** Takes the newest compaction back. */
  dropSummary(sessionId: string, options?: DropSummaryOptions): Promise<Compaction | undefined>;
  /** The compactions that hold, newest first. */
  compactions(sessionId: string, options?: CallOptions): Promise<Compaction[]>;
  /** Every message once, in order, as it comes. */
  follow(sessionId: string, options?: FollowOptions): AsyncGenerator<Message, void, void>;
  /** Deletes every message and every summary of them; returns how many messages. Safe to run again after a failure. */
  clear(sessionId: string, options?: CallOptions & LeaseHeld): Promise<number>;
  /** The conversation that these participants have with each other, created when it is not there yet. */
  between(
    sessionId: string,
    participants: readonly Participant[],
    options?: BetweenOptions,
  ): Promise<AgentConversation>;
  /** One page of a session's conversations between agents, newest first. */
  listBetween(sessionId: string, query?: PageQuery): Promise<Page<AgentConversation>>;
}

export function engineConversations(environment: EngineEnvironment): EngineConversations {
  const { storage } = environment;
  return {
    append: (sessionId, role, content, options) => storage.addConversationMessage(sessionId, role, content, options),
    appendAll: (sessionId, messages, options) => storage.addConversationMessages(sessionId, messages, options),
    history: (sessionId, options) => storage.getConversationHistory(sessionId, options),
    window: (sessionId, options) => readWindow(environment, sessionId, options),
    compact: (sessionId, options) => compact(environment, sessionId, options),
    dropSummary: (sessionId, options) => dropSummary(environment, sessionId, options),
    compactions: (sessionId, options) => listCompactions(environment, sessionId, options),
    follow: (sessionId, options) => follow(environment, sessionId, options),
    clear: async (sessionId, options = {}) => {
      identifier(sessionId, "sessionId");
      const { lease, ...call } = knownOptions(options, ["lease"]);
      // The messages go first: a lease that was superseded refuses before a summary is touched.
      const deleted = await storage.deleteConversationMessages(sessionId, "all", { lease, ...call });
      await storage.deleteThread(compactionThread(sessionId), callOptions(call));
      return deleted;
    },
    between: (sessionId, participants, options) => between(environment, sessionId, participants, options),
    listBetween: (sessionId, query) => listBetween(environment, sessionId, query),
  };
}
