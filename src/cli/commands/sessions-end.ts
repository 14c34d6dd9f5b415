/** `waystone sessions end`: ends a session. */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { SessionEndStatus } from "../../contract/session-storage.js";
import type { Invocation } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { withStore } from "../store.js";

export interface SessionsEndOptions {
  readonly status: SessionEndStatus;
}

export async function sessionsEnd(
  invocation: Invocation,
  [sessionId]: readonly [string],
  { status }: SessionsEndOptions,
): Promise<void> {
  const { signal } = invocation;
  const changed = await withStore(invocation, async (storage) => {
    const before = await storage.getSession(sessionId, { signal });
    if (before === undefined) throw new SessionNotFoundError(sessionId);
    const after = await storage.endSession(sessionId, status, { signal });
    return before.version !== after.version;
  });
  const sentence = changed ? `ended ${sessionId}: ${status}` : `${sessionId} was ${status} already`;
  await printChange(invocation, { changed: changed ? 1 : 0, status }, sentence);
}
