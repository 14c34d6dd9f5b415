/** How people name a session: by its id, by the beginning of its id, or as the last one. */
import { quoteIdentifier, SessionNotFoundError } from "../contract/errors.js";
import type { Session } from "../contract/session-storage.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { CommandFailure } from "./command-failure.js";

/** The session that was written to last. */
export const LAST = "@last";

/** Sessions that are looked at for one that begins with what was typed. */
const MOST_SEARCHED = 100_000;

/** Sessions that are named when a beginning fits several. */
const MOST_NAMED = 5;

/**
 * The session of a reference: `@last`, a whole id, or else the beginning of exactly one id.
 *
 * For reading only: what changes or deletes takes whole ids.
 * @throws SessionNotFoundError, CommandFailure `AMBIGUOUS_ID`
 */
export async function findSession(storage: StorageBackend, reference: string, signal: AbortSignal): Promise<Session> {
  if (reference === LAST) {
    const { items } = await storage.listSessions({ orderBy: "updatedAt", limit: 1, signal });
    if (items[0] === undefined) throw new CommandFailure("NOT_FOUND", "there is no session yet");
    return items[0];
  }
  const exact = await storage.getSession(reference, { signal });
  return exact ?? findByBeginning(storage, reference, signal);
}

async function findByBeginning(storage: StorageBackend, beginning: string, signal: AbortSignal): Promise<Session> {
  const found: Session[] = [];
  let searched = 0;
  let cursor: string | undefined;
  do {
    // By creation: a session that is written to meanwhile keeps its place and is not passed over.
    const page = await storage.listSessions({ orderBy: "createdAt", limit: 1000, cursor, signal });
    found.push(...page.items.filter((session) => session.sessionId.startsWith(beginning)));
    searched += page.items.length;
    cursor = page.nextCursor;
    if (found.length > MOST_NAMED) break;
  } while (cursor !== undefined && searched < MOST_SEARCHED);
  const complete = cursor === undefined;
  if (found.length > 1) throw ambiguous(beginning, found);
  if (found[0] !== undefined && complete) return found[0];
  if (complete) throw new SessionNotFoundError(beginning);
  throw new CommandFailure(
    "AMBIGUOUS_ID",
    `there is no session ${quoteIdentifier(beginning)}, and too many to look for one that begins so`,
    {
      hint:
        found[0] === undefined
          ? "give the whole id"
          : `give the whole id, such as ${quoteIdentifier(found[0].sessionId)}`,
    },
  );
}

function ambiguous(beginning: string, found: readonly Session[]): CommandFailure {
  const names = found.slice(0, MOST_NAMED).map((session) => quoteIdentifier(session.sessionId));
  if (found.length > MOST_NAMED) names.push("…");
  return new CommandFailure(
    "AMBIGUOUS_ID",
    `several sessions begin with ${quoteIdentifier(beginning)}: ${names.join(", ")}`,
    { hint: "type more of the id" },
  );
}
