/** Makes a journal entry of a finished run: derives the ids of what it leaves, and marks it as the turn's. */
import type { CallOptions } from "../contract/call.js";
import { ConflictError } from "../contract/errors.js";
import type { Metadata } from "../contract/json.js";
import type { TaskContextStorage } from "../contract/task-context-storage.js";
import { derivedId } from "./derived-ids.js";
import { callOptions } from "./engine-options.js";
import type { Collected } from "./turn.js";
import type { AttemptRecord, PendingAttempt, PendingContext } from "./turn-journal.js";
import { ATTEMPT_KEY } from "./turn-recording.js";

/** Work that has ended, and what it leaves to be recorded. */
export interface FinishedRun extends Omit<AttemptRecord, "attempt"> {
  readonly collected: Collected;
}

/** Metadata key of messages, checkpoints and contexts that a turn has stored: the turn's id. */
export const TURN_KEY = "waystone.turn";

/**
 * The entry for a run. Ids and marks tell attempts apart, so what one attempt has left never stands for another's.
 * @throws ConflictError when the newest context is not the expected one
 */
export async function pendingAttempt(
  storage: TaskContextStorage,
  { collected, ...run }: FinishedRun,
  attempt: number,
  options: CallOptions,
): Promise<PendingAttempt> {
  const { sessionId, turnId } = run;
  const idOf = (index: number) => derivedId("waystone.turn", turnId, attempt, index);
  const marked = (metadata: Metadata): Metadata => ({ ...metadata, [TURN_KEY]: turnId });
  const context = collected.context && {
    ...collected.context,
    metadata: {
      ...marked(collected.context.metadata),
      [ATTEMPT_KEY]: derivedId("waystone.turn", sessionId, turnId, attempt),
    },
    baseVersion: await newestVersion(storage, sessionId, collected.context.expectedVersion, options),
  };
  return {
    ...run,
    state: "pending",
    attempt,
    messages: collected.messages.map((message, index) => ({
      messageId: idOf(index),
      ...message,
      metadata: marked(message.metadata),
    })),
    ...(context && { context: context satisfies PendingContext }),
    checkpoints: collected.checkpoints.map((checkpoint, index) => ({
      threadId: sessionId,
      checkpointId: idOf(index),
      ...checkpoint,
      metadata: marked(checkpoint.metadata),
    })),
  };
}

async function newestVersion(
  storage: TaskContextStorage,
  sessionId: string,
  expected: number | undefined,
  options: CallOptions,
): Promise<number> {
  const [newest] = await storage.listTaskContextVersions(sessionId, { limit: 1, ...callOptions(options) });
  const version = newest?.version ?? 0;
  if (expected !== undefined && expected !== version) throw contextConflict(version, expected);
  return version;
}

/** The refusal of a context that was made of an older one. */
export function contextConflict(version: number | undefined, expected: number | undefined): ConflictError {
  const stored = version === undefined ? "at a later version" : `at version ${version}`;
  return new ConflictError(
    `the task context is ${stored}, not at the expected version ${expected}; the turn is not recorded`,
  );
}
