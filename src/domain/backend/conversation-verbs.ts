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
import { array, knownOptions } from "../arguments.js";
import type { ConversationDriver, NewStoredMessage } from "../driver/storage-driver.js";
import { identifier } from "../identifiers.js";
import { fencingToken } from "../leases.js";
import { parseMessage, parseRange, parseWindow, toMessage } from "../messages.js";
import { mapInSlices } from "../slices.js";
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
      const [stored] = await run("addConversationMessage", known, (call) =>
        driver.addMessages(call, id, [message], fence),
      );
      return toMessage(id, stored as NonNullable<typeof stored>);
    },

    addConversationMessages: async (
      sessionId: string,
      messages: readonly NewMessage[],
      options?: AddMessagesOptions,
    ) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["lease"]);
      const parsed: NewStoredMessage[] = array(messages, "messages").map((message, index) =>
        parseMessage(message, `messages[${index}]`),
      );
      const fence = sessionFence(known.lease, id);
      return run("addConversationMessages", known, async (call) =>
        mapInSlices(call, await driver.addMessages(call, id, parsed, fence), (message) => toMessage(id, message)),
      );
    },

    getConversationHistory: async (sessionId: string, options?: HistoryOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(options, ["limit", "before", "after", "roles"]);
      const window = parseWindow(known);
      return run("getConversationHistory", known, async (call) => {
        const nothing = window.limit === 0 || window.roles?.length === 0;
        const stored = nothing ? [] : await driver.getHistory(call, id, window);
        return mapInSlices(call, stored, (message) => toMessage(id, message));
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
