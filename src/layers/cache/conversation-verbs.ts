/** Messages: the newest ones of a conversation are kept, and go on with what this process appends. */
import type {
  AddMessageOptions,
  AddMessagesOptions,
  ConversationStorage,
  HistoryOptions,
  Message,
  MessageContent,
  MessageRange,
  MessageRole,
  NewMessage,
} from "../../contract/conversation-storage.js";
import type { Session } from "../../contract/session-storage.js";
import { knownOptions } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { parseWindow } from "../../domain/messages.js";
import { KeptWindow } from "./kept-window.js";
import { isAborted, isShared, type TenantCache } from "./tenant-cache.js";

/** A window, with what its session said before it was read. */
interface ValidatedWindow {
  readonly bytes: number;
  readonly stamp: string;
  readonly window: KeptWindow;
}

export function conversationVerbs(cache: TenantCache): ConversationStorage {
  const { inner, entries, subjects, lifetimes } = cache;
  const dependsOn = (id: string): readonly string[] => [subjects.messages(id), subjects.allMessages];

  /** Appends, and puts what was appended behind the messages that are kept. */
  const adding = <T>(
    sessionId: unknown,
    call: () => Promise<T>,
    added: (result: T) => readonly Message[],
  ): Promise<T> => {
    const id = String(sessionId);
    const key = subjects.messages(id);
    // What was kept before is looked at before the write is over: afterwards it counts as old.
    const before = cache.validates ? undefined : entries.get<KeptWindow>(key);
    return cache.writing([subjects.session(id), key], call, (result, moment) => {
      const window = moment === undefined ? undefined : before?.with(added(result));
      if (window !== undefined && moment !== undefined) entries.goOn(key, window, dependsOn(id), moment);
    });
  };

  const readValidated = async (id: string, limit: number, options: HistoryOptions | undefined): Promise<Message[]> => {
    const key = subjects.messages(id);
    const call = { signal: options?.signal, timeoutMs: options?.timeoutMs };
    const moment = entries.freshness.now;
    // Asked first: what is read afterwards is never older than the stamp.
    const stamp = stampOf(await inner.getSession(id, call));
    const kept = entries.get<ValidatedWindow>(key);
    if (kept !== undefined && kept.stamp === stamp && kept.window.answers(limit)) {
      entries.hit();
      return kept.window.give(limit);
    }
    entries.miss();
    const messages = await inner.getConversationHistory(id, options);
    const window = KeptWindow.of(limit, messages);
    entries.set(key, { bytes: window.bytes, stamp, window }, dependsOn(id), moment);
    return messages;
  };

  return {
    addConversationMessage: (
      sessionId: string,
      role: MessageRole,
      content: MessageContent,
      options?: AddMessageOptions,
    ) =>
      adding(
        sessionId,
        () => inner.addConversationMessage(sessionId, role, content, options),
        (message) => [message],
      ),

    addConversationMessages: (sessionId: string, messages: readonly NewMessage[], options?: AddMessagesOptions) =>
      adding(
        sessionId,
        () => inner.addConversationMessages(sessionId, messages, options),
        (added) => added,
      ),

    getConversationHistory: async (sessionId: string, options?: HistoryOptions) => {
      const id = identifier(sessionId, "sessionId");
      const { limit, before, after, roles } = parseWindow(knownOptions(options, ["limit", "before", "after", "roles"]));
      const isNewest = before === null && after === null && roles === null && limit > 0;
      if (!isNewest || isAborted(options)) return inner.getConversationHistory(sessionId, options);
      if (cache.validates) return readValidated(id, limit, options);
      let lasts: Promise<boolean> | undefined;
      return entries.read<Message[], KeptWindow>({
        key: subjects.messages(id),
        subjects: dependsOn(id),
        shared: isShared(options),
        give: (window) => (window.answers(limit) ? { result: window.give(limit) } : undefined),
        fetch: () => {
          lasts = lifetimes.sessionLasts(id);
          return inner.getConversationHistory(id, options);
        },
        keep: async (messages) => ((await lasts) === true ? KeptWindow.of(limit, messages) : undefined),
        isAbsent: (messages) => messages.length === 0,
      });
    },

    deleteConversationMessages: (sessionId: string, range: MessageRange, options?: AddMessagesOptions) =>
      cache.writing([subjects.session(String(sessionId)), subjects.messages(String(sessionId))], () =>
        inner.deleteConversationMessages(sessionId, range, options),
      ),
  };
}

/** What changes when the conversation does. */
function stampOf(session: Session | undefined): string {
  if (session === undefined) return "";
  const { createdAt, updatedAt, lastSeq, messageCount } = session;
  return `${createdAt.getTime()} ${updatedAt.getTime()} ${lastSeq} ${messageCount}`;
}
