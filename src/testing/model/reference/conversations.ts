/** Conversations in the reference model (C1-C5). */
import { randomUUID } from "node:crypto";
import type { Message, NewMessage } from "../../../contract/conversation-storage.js";
import type { ModelVerbs } from "../verbs.js";
import { checkFence } from "./leases.js";
import { sessionToWrite, touch } from "./sessions.js";
import type { ModelSession, TenantState } from "./state.js";
import { copy, storedMetadata } from "./state.js";

export function conversationVerbs(
  state: TenantState,
): ModelVerbs<
  "addConversationMessage" | "addConversationMessages" | "getConversationHistory" | "deleteConversationMessages"
> {
  return {
    addConversationMessage(sessionId, role, content, { metadata, messageId, timestamp, lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      return append(session, { role, content, metadata, messageId, timestamp }, state.now());
    },

    addConversationMessages(sessionId, messages, { lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      return messages.map((message) => append(session, message, state.now()));
    },

    getConversationHistory(sessionId, { limit = 50, before, after, roles } = {}) {
      const found = (state.sessions.get(sessionId)?.messages ?? []).filter(
        ({ seq, role }) =>
          (before === undefined || seq < before) &&
          (after === undefined || seq > after) &&
          (roles === undefined || roles.includes(role)),
      );
      const oldest = found.slice(0, limit);
      const newest = found.slice(Math.max(0, found.length - limit));
      return copy(after === undefined ? newest : oldest);
    },

    deleteConversationMessages(sessionId, range, { lease } = {}) {
      const session = sessionToWrite(state, sessionId);
      checkFence(state, lease, { session: sessionId });
      const { after = 0, before = Number.POSITIVE_INFINITY } = range === "all" ? {} : range;
      const kept = session.messages.filter(({ seq }) => seq <= after || seq >= before);
      const deleted = session.messages.length - kept.length;
      session.messages = kept;
      if (deleted > 0) touch(session, state.now());
      return deleted;
    },
  };
}

function append(session: ModelSession, message: NewMessage, now: number): Message {
  const stored = session.messages.find(({ messageId }) => messageId === message.messageId);
  if (stored !== undefined) return copy(stored);
  session.lastSeq += 1;
  touch(session, now);
  const added: Message = {
    sessionId: session.sessionId,
    seq: session.lastSeq,
    messageId: message.messageId ?? randomUUID(),
    role: message.role,
    content: copy(message.content),
    metadata: storedMetadata(message.metadata),
    timestamp: new Date(message.timestamp ?? now),
  };
  session.messages.push(added);
  return copy(added);
}
