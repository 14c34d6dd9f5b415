/** Conversations of the memory backend (C1-C6). */
import type { ConversationDriver, HistoryWindow, NewStoredMessage } from "../../domain/driver/storage-driver.js";
import type { StoredMessage } from "../../domain/driver/stored.js";
import { touchedAt } from "../../domain/sessions.js";
import { runAtOnce, Slices } from "../../domain/slices.js";
import { alone } from "./alone.js";
import { checkFence } from "./leases.js";
import { SeqList } from "./seq-list.js";
import { setSession } from "./session-entries.js";
import type { Conversation, MemoryStore, SessionEntry, Tenant } from "./state.js";
import { enter, existingSession, liveSession } from "./state.js";

/** Messages from which on adding them may pause. */
const MANY_MESSAGES = 200;

export function conversationVerbs(store: MemoryStore): ConversationDriver {
  return {
    async addMessages(call, sessionId, messages, fence) {
      const { tenant, now } = enter(store, call);
      const session = existingSession(tenant, sessionId, now);
      checkFence(tenant, fence, now);
      const appending = appendAll(tenant, session, messages, now);
      return messages.length > MANY_MESSAGES
        ? alone(tenant, () => new Slices(call).finish(appending))
        : runAtOnce(appending);
    },

    async getHistory(call, sessionId, window) {
      const { tenant, now } = enter(store, call);
      const session = liveSession(tenant, sessionId, now);
      return session?.conversation ? readWindow(session.conversation, window) : [];
    },

    async deleteMessages(call, sessionId, range, fence) {
      const { tenant, now } = enter(store, call);
      const session = existingSession(tenant, sessionId, now);
      checkFence(tenant, fence, now);
      const { conversation } = session;
      const removed = conversation?.messages.removeRange(range) ?? [];
      if (conversation === null || removed.length === 0) return 0;
      for (const ofRole of conversation.byRole.values()) ofRole.removeRange(range);
      const messageCount = conversation.messages.length;
      const updatedAt = touchedAt(session.row.updatedAt, now);
      setSession(tenant, session, { ...session.row, updatedAt, messageCount });
      if (messageCount === 0) session.conversation = null;
      else await forgetIds(new Slices(call), conversation, removed);
      return removed.length;
    },
  };
}

/** Messages that are added in steps; the session's row says so with the last one. */
function* appendAll(
  tenant: Tenant,
  session: SessionEntry,
  messages: readonly NewStoredMessage[],
  now: number,
): Generator<void, StoredMessage[], void> {
  let { lastSeq, messageCount } = session.row;
  const result: StoredMessage[] = [];
  for (const { keyed, messageId, role, content, metadata, timestamp } of messages) {
    let message = keyed ? findMessage(session, messageId) : undefined;
    if (message === undefined) {
      lastSeq += 1;
      messageCount += 1;
      message = { seq: lastSeq, messageId, role, content, metadata, timestamp: timestamp ?? now };
      keepMessage(session, message);
    }
    result.push(message);
    yield;
  }
  if (lastSeq > session.row.lastSeq) {
    const updatedAt = touchedAt(session.row.updatedAt, now);
    setSession(tenant, session, { ...session.row, updatedAt, messageCount, lastSeq });
  }
  return result;
}

/** Adds a message with a `seq` that the conversation does not have. */
export function keepMessage(session: SessionEntry, message: StoredMessage): void {
  session.conversation ??= { messages: new SeqList(), byRole: new Map(), seqs: new Map() };
  const { messages, byRole, seqs } = session.conversation;
  const ofRole = byRole.get(message.role);
  if (ofRole === undefined) byRole.set(message.role, new SeqList([message]));
  else ofRole.put(message);
  messages.put(message);
  seqs.set(message.messageId, message.seq);
}

/** The message of an id (C4). */
export function findMessage({ conversation }: SessionEntry, messageId: string): StoredMessage | undefined {
  const seq = conversation?.seqs.get(messageId);
  const message = seq === undefined ? undefined : conversation?.messages.get(seq);
  return message?.messageId === messageId ? message : undefined;
}

/** Reads `limit` rows of each role at most, whatever the conversation holds besides (C3). */
function readWindow(
  { messages, byRole }: Conversation,
  { roles, limit, before, after }: HistoryWindow,
): StoredMessage[] {
  const range = { after, before };
  const read = (list: SeqList<StoredMessage> | undefined): StoredMessage[] =>
    (after === null ? list?.newestOf(range, limit) : list?.oldestOf(range, limit)) ?? [];
  if (roles === null) return read(messages);
  const found = roles.flatMap((role) => read(byRole.get(role))).sort((a, b) => a.seq - b.seq);
  return after === null ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
}

/** The messages are gone already; their ids follow in slices, but for those that have been used again. */
async function forgetIds(slices: Slices, { seqs }: Conversation, removed: readonly StoredMessage[]): Promise<void> {
  for (const { messageId, seq } of removed) {
    if (seqs.get(messageId) === seq) seqs.delete(messageId);
    if (slices.over()) await slices.pause();
  }
}
