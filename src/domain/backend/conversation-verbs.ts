/** The verbs of `ConversationStorage`: arguments checked and encoded, results decoded. */
import type {
  AddMessageOptions,
  AddMessagesOptions,
  ConversationStorage,
  HistoryOptions,
  MessageContent,
  MessageRange,
  MessageRole,
  NewMessage,
} from "../../contract/conversation-storage.js";
import { knownOptions } from "../arguments.js";
import type { ConversationDriver } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { Intake } from "../intake.js";
import { decodeRow, decodeRows, withTexts } from "../large-values.js";
import { fencingToken } from "../leases.js";
import { listOf, MAX_MESSAGES } from "../lists.js";
import { messageDecoder, parseMessage, parseRange, parseWindow } from "../messages.js";
import type { RunCall } from "./run-call.js";

export function conversationVerbs(run: RunCall, driver: ConversationDriver): ConversationStorage {
  return {
    addConversationMessage: async (
      sessionId: string,
      role: MessageRole,
      content: MessageContent,
      options?: AddMessageOptions,
    ) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["metadata", "messageId", "timestamp", "lease"]);
      const { metadata, messageId, timestamp } = known;
      const message = parseMessage({ role, content, metadata, messageId, timestamp }, "message");
      const fence = sessionFence(known.lease, id);
      const decoder = messageDecoder(id);
      return run("addConversationMessage", known, async (call) => {
        const [stored] = await withTexts(call, [message], (messages) => driver.addMessages(call, id, messages, fence));
        return decodeRow(call, stored as NonNullable<typeof stored>, decoder);
      });
    },

    addConversationMessages: async (
      sessionId: string,
      messages: readonly NewMessage[],
      options?: AddMessagesOptions,
    ) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const intake = new Intake();
      const parsed = listOf(messages, "messages", MAX_MESSAGES).map((each, i) =>
        parseMessage(each, `messages[${i}]`, intake),
      );
      const fence = sessionFence(known.lease, id);
      return run("addConversationMessages", known, async (call) => {
        const stored = await withTexts(call, parsed, (all) => driver.addMessages(call, id, all, fence));
        return decodeRows(call, stored, messageDecoder(id));
      });
    },

    getConversationHistory: async (sessionId: string, options?: HistoryOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["limit", "before", "after", "roles"]);
      const window = parseWindow(known);
      return run("getConversationHistory", known, async (call) => {
        const nothing = window.limit === 0 || window.roles?.length === 0;
        const stored = nothing ? [] : await driver.getHistory(call, id, window);
        return decodeRows(call, stored, messageDecoder(id));
      });
    },

    deleteConversationMessages: async (sessionId: string, range: MessageRange, options?: AddMessagesOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const bounds = parseRange(range);
      const fence = sessionFence(known.lease, id);
      return run("deleteConversationMessages", known, (call) => driver.deleteMessages(call, id, bounds, fence));
    },
  };
}

const sessionFence = (lease: unknown, id: string): ReturnType<typeof fencingToken> =>
  fencingToken(lease, [{ kind: "session", id }]);
