/** Walks a conversation from its newest message to older ones, page by page. */
import type { CallOptions } from "../contract/call.js";
import type { ConversationStorage, Message } from "../contract/conversation-storage.js";
import { callOptions } from "./engine-options.js";

/** Pages grow from the first size to this one: a short window reads little, a long one makes few calls. */
const LARGEST_PAGE = 256;
const SMALLEST_PAGE = 16;

export interface WalkBackOptions extends CallOptions {
  /** The walk ends before this `seq`. */
  readonly downTo: number;
  /** Most messages read. */
  readonly scanLimit: number;
  /** How many messages will probably do; decides about the first page. */
  readonly expected?: number | undefined;
}

/** Messages with a `seq` above `downTo`, newest first. */
export async function* walkBack(
  storage: ConversationStorage,
  sessionId: string,
  options: WalkBackOptions,
): AsyncGenerator<Message, void, void> {
  let left = options.scanLimit;
  let before: number | undefined;
  let page = Math.min(LARGEST_PAGE, Math.max(SMALLEST_PAGE, (options.expected ?? 2 * SMALLEST_PAGE) + 1));
  while (left > 0) {
    const limit = Math.min(page, left);
    const messages = await storage.getConversationHistory(sessionId, { limit, before, ...callOptions(options) });
    for (const message of messages.toReversed()) {
      if (message.seq <= options.downTo) return;
      yield message;
    }
    before = messages[0]?.seq;
    if (messages.length < limit || before === undefined || before <= options.downTo + 1) return;
    left -= limit;
    page = Math.min(LARGEST_PAGE, 2 * page);
  }
}
