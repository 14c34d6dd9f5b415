/**
 * Does what a journal entry says. Every step is idempotent, so whoever reads the entry after a crash does the same again: it
 * completes what is missing and doubles nothing.
 */

import { ConflictError } from "../contract/errors.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import type { TaskContextInfo } from "../contract/task-context-storage.js";
import { MAX_MESSAGES, partsOf } from "../domain/lists.js";
import { derivedId } from "./derived-ids.js";
import { callOptions } from "./engine-options.js";
import {
  closeAttempt,
  type JournalOptions,
  type MessagePlace,
  type PendingAttempt,
  type PendingContext,
  type RecordedAttempt,
  type VoidAttempt,
} from "./turn-journal.js";

/** Metadata key of a context that tells which attempt at which turn of which session has stored it. */
export const ATTEMPT_KEY = "waystone.attempt";

/** Versions read at once in search of the turn's own. */
const VERSIONS_PAGE = 50;

/** Completes an attempt. It is void, and nothing of it is done, when the context's `expectedVersion` is not the newest. */
export async function recordAttempt(
  storage: StorageBackend,
  pending: PendingAttempt,
  options: JournalOptions,
): Promise<RecordedAttempt | VoidAttempt> {
  // The only step that the store may refuse for what others did: it comes first, so a refusal leaves nothing behind.
  const contextVersion = pending.context && (await storeContext(storage, pending, pending.context, options));
  if (contextVersion === "refused") {
    const { sessionId, turnId, attempt, durationSeconds } = pending;
    const nothing: VoidAttempt = { state: "void", sessionId, turnId, attempt, durationSeconds, result: undefined };
    await closeAttempt(storage, nothing, options);
    return nothing;
  }
  const [messages] = await allOf([
    appendMessages(storage, pending, options),
    storeCheckpoints(storage, pending, options),
    count(storage, pending, options),
  ]);
  const { sessionId, turnId, attempt, durationSeconds, error, result, checkpoints } = pending;
  const recorded: RecordedAttempt = {
    state: "recorded",
    sessionId,
    turnId,
    attempt,
    durationSeconds,
    ...(error && { error }),
    result,
    messages,
    ...(contextVersion !== undefined && { contextVersion }),
    checkpoints: checkpoints.map(({ threadId, namespace, checkpointId }) => ({ threadId, namespace, checkpointId })),
  };
  await closeAttempt(storage, recorded, options);
  return recorded;
}

/**
 * Stores the context once: as a compare-and-set on the version that the entry was written at; when that is not the newest any
 * more, the turn's own may be among the later ones. `undefined` when newer versions have pushed it out.
 */
async function storeContext(
  storage: StorageBackend,
  pending: PendingAttempt,
  context: PendingContext,
  options: JournalOptions,
): Promise<number | "refused" | undefined> {
  const { value, metadata } = context;
  const { lease } = options;
  let expectedVersion = context.expectedVersion ?? context.baseVersion;
  for (;;) {
    try {
      const call = callOptions(options);
      const stored = await storage.storeTaskContext(pending.sessionId, value, {
        expectedVersion,
        metadata,
        lease,
        ...call,
      });
      return stored.version;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const { own, newest, complete } = await findContext(storage, pending, context, options);
      if (own !== undefined) return own;
      if (context.expectedVersion !== undefined) return "refused";
      // So many versions came after it that the turn's own may be among those that are no longer kept: it is history.
      if (!complete) return undefined;
      expectedVersion = newest;
    }
  }
}

/** Looks for the turn's own version among those after `baseVersion`; `complete` when none of them is missing. */
async function findContext(
  storage: StorageBackend,
  { sessionId }: PendingAttempt,
  { metadata: own, baseVersion }: PendingContext,
  options: JournalOptions,
): Promise<{ readonly own?: number; readonly newest: number; readonly complete: boolean }> {
  let newest = 0;
  let before: number | undefined;
  for (;;) {
    const page: TaskContextInfo[] = await storage.listTaskContextVersions(sessionId, {
      limit: VERSIONS_PAGE,
      before,
      ...callOptions(options),
    });
    newest = Math.max(newest, page[0]?.version ?? 0);
    const found = page.find(({ metadata }) => metadata[ATTEMPT_KEY] === own[ATTEMPT_KEY]);
    if (found !== undefined) return { own: found.version, newest, complete: true };
    const oldest = page.at(-1)?.version;
    if (oldest === undefined || oldest <= baseVersion + 1) {
      return { newest, complete: oldest !== undefined || (before ?? newest) <= baseVersion + 1 };
    }
    before = oldest;
  }
}

async function appendMessages(
  storage: StorageBackend,
  { sessionId, messages }: PendingAttempt,
  options: JournalOptions,
): Promise<MessagePlace[]> {
  const places: MessagePlace[] = [];
  // Each has an id of its own: those that are stored already are told where they are.
  for (const part of partsOf(messages, MAX_MESSAGES)) {
    const { lease } = options;
    const stored = await storage.addConversationMessages(sessionId, part, { lease, ...callOptions(options) });
    for (const { seq, messageId } of stored) places.push({ seq, messageId });
  }
  return places;
}

/** One after the other: their order is the order of the thread. */
async function storeCheckpoints(
  storage: StorageBackend,
  { sessionId, checkpoints }: PendingAttempt,
  options: JournalOptions,
): Promise<void> {
  for (const { threadId, checkpointId, data, ...rest } of checkpoints) {
    const { lease } = options;
    await storage.storeCheckpoint(threadId, checkpointId, data, { ...rest, sessionId, lease, ...callOptions(options) });
  }
}

async function count(storage: StorageBackend, pending: PendingAttempt, options: JournalOptions): Promise<void> {
  const { sessionId, turnId, attempt, durationSeconds, error } = pending;
  await storage.updateSession(
    sessionId,
    {
      incrementRequests: true,
      addProcessingTime: durationSeconds,
      markError: error !== undefined,
      idempotencyKey: derivedId("waystone.turn", turnId, attempt),
    },
    { lease: options.lease, ...callOptions(options) },
  );
}

/** Waits for all of them, also when one fails: no write goes on after the call has settled. */
async function allOf<T extends readonly Promise<unknown>[]>(
  steps: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(steps);
  return Promise.all(steps) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>;
}
