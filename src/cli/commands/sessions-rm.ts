/** `waystone sessions rm`: deletes sessions with all that belongs to them. */
import { SessionNotFoundError } from "../../contract/errors.js";
import type { Session } from "../../contract/session-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { MAX_IDENTIFIERS, partsOf } from "../../domain/lists.js";
import { confirm } from "../confirm.js";
import { type Invocation, longCall } from "../invocation.js";
import { printChange } from "../output/thing.js";
import { counted, relativeTime } from "../output/units.js";
import { withStore } from "../store.js";

export interface DeleteOptions {
  readonly dryRun?: boolean;
}

export async function sessionsRm(
  invocation: Invocation,
  [ids]: readonly [readonly string[]],
  { dryRun = false }: DeleteOptions,
): Promise<void> {
  const { signal } = invocation;
  await withStore(invocation, async (storage) => {
    const sessions = await present(storage, [...new Set(ids)], signal);
    const plan = sessions.map((session) => planLine(session, invocation.style.now));
    if (dryRun) {
      for (const line of plan) invocation.note(line);
      return printChange(
        invocation,
        { changed: 0, planned: sessions.length },
        `would delete ${counted(sessions.length, "session")}`,
      );
    }
    await confirm(invocation, plan);
    let changed = 0;
    for (const { sessionId } of sessions)
      if (await storage.deleteSession(sessionId, longCall(invocation))) changed += 1;
    return printChange(invocation, { changed }, `deleted ${counted(changed, "session")}`);
  });
}

/** All of the sessions, or none is deleted. */
async function present(storage: StorageBackend, ids: readonly string[], signal: AbortSignal): Promise<Session[]> {
  const found: (Session | undefined)[] = [];
  for (const part of partsOf(ids, MAX_IDENTIFIERS)) found.push(...(await storage.batchGetSessions(part, { signal })));
  return found.map((session, index) => {
    if (session === undefined) throw new SessionNotFoundError(ids[index] ?? "");
    return session;
  });
}

function planLine(session: Session, now: number): string {
  const messages = counted(session.messageCount, "message");
  const updated = relativeTime(session.updatedAt, now);
  return `delete session ${session.sessionId} of ${session.userId}: ${messages}, last written ${updated}, with contexts and linked threads`;
}
