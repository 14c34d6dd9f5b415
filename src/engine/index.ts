/** `waystone/engine`: sessions, turns, conversation windows and task contexts over any storage. */
import "../require-node.js";

export {
  type AgentConversation,
  type BetweenOptions,
  type ConversationIdentity,
  type Participant,
  recipientOf,
  type SendOptions,
  senderOf,
} from "./agent-conversations.js";
export type { BudgetOptions, Cost, CountTokens } from "./budget.js";
export type { CompactOptions, CompactResult, DropSummaryOptions } from "./compaction.js";
export type { Compaction } from "./compaction-log.js";
export { type ContextEngine, contextEngine, type OpenedSession, type OpenSessionOptions } from "./context-engine.js";
export type { ContextChange, EngineContexts, UpdateContextOptions } from "./contexts.js";
export type { EngineConversations } from "./conversations.js";
export type { EngineOptions, UnrecordedTurn, Wait } from "./engine-options.js";
export type { FollowOptions } from "./follow.js";
export { contentBytes } from "./message-size.js";
export type { HandleCheckpointOptions, HandleOptions, LatestOptions, SessionHandle } from "./session-handle.js";
export type {
  EngineSessions,
  ListOptions,
  ResumeOptions,
  SessionMetrics,
  StartedSession,
  StartOptions,
  StartOrResumeOptions,
  TouchOptions,
} from "./sessions.js";
export type { Summarize, SummaryRequest } from "./summarize.js";
export { type ToolMessage, type ToolReference, type ToolReferences, toolReferences } from "./tool-references.js";
export type { Turn, TurnCheckpoint, TurnCheckpointOptions, TurnContext } from "./turn.js";
export type { CheckpointPlace, MessagePlace, TurnError } from "./turn-journal.js";
export type { RecordTurnOptions, TurnOptions, TurnOutcome, TurnPart, TurnRecord, TurnWork } from "./turns.js";
export type { ConversationWindow, WindowOptions } from "./window.js";
