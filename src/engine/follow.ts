/** Follows a conversation: every message once, in order, as it comes. */
import type { CallOptions } from "../contract/call.js";
import type { Message } from "../contract/conversation-storage.js";
import { integer, knownOptions } from "../domain/arguments.js";
import { identifier } from "../domain/identifiers.js";
import { flag } from "./checks.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";

export interface FollowOptions extends CallOptions {
  /** Only messages with a larger `seq`. Default 0: from the beginning. */
  readonly after?: number | undefined;
  /** How long to wait before asking again when there is nothing new, in milliseconds. Default 250. */
  readonly pollMs?: number | undefined;
  /** Most messages read at once, 1 to 10,000. Default 100. */
  readonly pageSize?: number | undefined;
  /** Ends after the last message of a session that has ended or is gone. Default `false`: it waits for ever. */
  readonly untilEnded?: boolean | undefined;
}

/**
 * Yields each message exactly once, also while others write (C2). The iteration ends, without an error, when `signal` fires; it
 * asks the storage anew every `pollMs`, and leaves no timer behind.
 * @throws InvalidArgumentError at once; errors of the storage while iterating
 */
export function follow(
  environment: EngineEnvironment,
  sessionId: string,
  options: FollowOptions = {},
): AsyncGenerator<Message, void, void> {
  identifier(sessionId, "sessionId");
  const known = knownOptions(options, ["after", "pollMs", "pageSize", "untilEnded"]);
  return messages(environment, sessionId, {
    after: known.after === undefined ? 0 : integer(known.after, "after", { min: 0 }),
    pollMs: known.pollMs === undefined ? 250 : integer(known.pollMs, "pollMs", { min: 0, max: 86_400_000 }),
    limit: known.pageSize === undefined ? 100 : integer(known.pageSize, "pageSize", { min: 1, max: 10_000 }),
    untilEnded: flag(known.untilEnded, "untilEnded"),
    call: callOptions(known),
  });
}

interface FollowPlan {
  readonly after: number;
  readonly pollMs: number;
  readonly limit: number;
  readonly untilEnded: boolean;
  readonly call: CallOptions;
}

async function* messages(
  { storage, wait }: EngineEnvironment,
  sessionId: string,
  { after, pollMs, limit, untilEnded, call }: FollowPlan,
): AsyncGenerator<Message, void, void> {
  const { signal } = call;
  let position = after;
  try {
    while (!signal?.aborted) {
      // Asked before the page: a session that has ended by now gets no message that the page would miss.
      const ended = untilEnded && (await storage.getSession(sessionId, call))?.status !== "active";
      const page = await storage.getConversationHistory(sessionId, { after: position, limit, ...call });
      for (const message of page) {
        position = message.seq;
        yield message;
        if (signal?.aborted) return;
      }
      if (page.length > 0) continue;
      if (ended) return;
      await wait(pollMs, signal);
    }
  } catch (error) {
    // What was given up because the signal fired is the end of the iteration, as asked for.
    if (!signal?.aborted) throw error;
  }
}
