/** Turns: work that is run, timed, and recorded exactly once under the turn's id. */
import { randomUUID } from "node:crypto";
import type { CallOptions, LeaseHeld } from "../contract/call.js";
import type { NewMessage } from "../contract/conversation-storage.js";
import { isError, SessionNotFoundError } from "../contract/errors.js";
import type { Session } from "../contract/session-storage.js";
import { finiteNumber, knownFields, knownOptions, oneOf } from "../domain/arguments.js";
import { identifier, kindOf } from "../domain/identifiers.js";
import { callable, list } from "./checks.js";
import { callOptions, type EngineEnvironment } from "./engine-options.js";
import { contextConflict, type FinishedRun, pendingAttempt } from "./pending-attempt.js";
import { endedSession } from "./sessions.js";
import { snapshot } from "./snapshot.js";
import {
  type Collected,
  collectCheckpoint,
  collectContext,
  collectMessage,
  type Turn,
  type TurnCheckpoint,
  type TurnContext,
  turnCollector,
} from "./turn.js";
import {
  type CheckpointPlace,
  type JournalEntry,
  type JournalOptions,
  type MessagePlace,
  openAttempt,
  type RecordedAttempt,
  readJournal,
  type TurnError,
  type VoidAttempt,
} from "./turn-journal.js";
import { recordAttempt } from "./turn-recording.js";

/** What work can leave in the store beside the counters. */
export type TurnPart = "messages" | "context" | "checkpoints";

export interface TurnOptions extends CallOptions, LeaseHeld {
  /** Names the turn in its session: the same id again is the same turn. Default: a new UUID, which nothing repeats. */
  readonly turnId?: string | undefined;
  /** What to record of what the work had collected before it failed, `true` for all. Default `false`: only the counters. */
  readonly recordOnError?: boolean | readonly TurnPart[] | undefined;
}

/** A turn that ran elsewhere. */
export interface TurnRecord {
  readonly turnId: string;
  /** How long the work took, in seconds. */
  readonly durationSeconds: number;
  /** What the work threw: anything but `undefined` means that it failed. */
  readonly error?: unknown;
  /** What the work returned; it is given back when the same turn is recorded again. */
  readonly result?: unknown;
  readonly messages?: readonly NewMessage[] | undefined;
  readonly context?: TurnContext | undefined;
  readonly checkpoints?: readonly TurnCheckpoint[] | undefined;
}

export interface RecordTurnOptions extends CallOptions, LeaseHeld {}

/** A recorded turn. The same turn gives the same again, but for `replayed`. */
export interface TurnOutcome<T = unknown> {
  readonly turnId: string;
  /** From 1; attempts whose work failed count too. */
  readonly attempt: number;
  /** The turn was recorded before, or by somebody faster: this call has left nothing. */
  readonly replayed: boolean;
  /** What the work returned. */
  readonly result: T;
  /** Present when the work failed; `turn` itself throws what the work has thrown. */
  readonly error?: TurnError;
  /** How long the work took, in seconds. */
  readonly durationSeconds: number;
  readonly messages: readonly MessagePlace[];
  readonly contextVersion?: number;
  readonly checkpoints: readonly CheckpointPlace[];
}

/** The work of a turn. */
export type TurnWork<T> = (turn: Turn) => T | Promise<T>;

/**
 * Runs work and records what it leaves, once. A turn that is recorded is not run again: its stored result is returned.
 *
 * `signal` is for the work, and for what is read before it: when work has ended, what it leaves is recorded in any case.
 * @throws what the work throws; SessionNotFoundError, ConflictError for an ended session, or for a context that changed;
 *   FencedError, SerializationError (also for a result that cannot be stored), InvalidArgumentError
 */
export async function runTurn<T>(
  environment: EngineEnvironment,
  sessionId: string,
  options: TurnOptions,
  work: TurnWork<T>,
): Promise<TurnOutcome<T>> {
  const { clock, monotonic } = environment;
  identifier(sessionId, "sessionId");
  const { turnId: given, recordOnError, lease, ...call } = knownOptions(options, ["turnId", "recordOnError", "lease"]);
  const turnId = given === undefined ? randomUUID() : identifier(given, "turnId");
  const partsOnError = parseParts(recordOnError);
  callable(work, "work");
  const { session, entry } = await find(environment, sessionId, turnId, call);
  const recording: JournalOptions = { lease, timeoutMs: call.timeoutMs };
  const previous = entry && (await settled(environment, entry, recording));
  if (previous?.state === "recorded" && previous.error === undefined) return outcome<T>(previous, true);
  if (session.status !== "active") throw endedSession(session);

  const attempt = (previous?.attempt ?? 0) + 1;
  const { turn, seal } = turnCollector({ sessionId, turnId, attempt, signal: call.signal }, clock);
  const began = monotonic();
  const finished = () => ({ sessionId, turnId, durationSeconds: Math.max(0, monotonic() - began) / 1000 });
  let result: T;
  try {
    result = await work(turn);
  } catch (workError) {
    const run = { ...finished(), error: describe(workError), result: undefined, collected: only(seal(), partsOnError) };
    try {
      await record(environment, run, previous, recording);
    } catch (recordingError) {
      environment.onTurnNotRecorded({ sessionId, turnId, workError, recordingError });
    }
    throw workError;
  }
  const recorded = await record(environment, { ...finished(), result, collected: seal() }, previous, recording);
  return recorded.replayed ? (recorded as TurnOutcome<T>) : { ...recorded, result };
}

/**
 * Records a turn whose work ran elsewhere. The first record of a turn counts, also one of a failure: the same id again
 * completes what is missing and returns the first.
 * @throws SessionNotFoundError, ConflictError for a context that changed, FencedError, SerializationError, InvalidArgumentError
 */
export async function recordTurn(
  environment: EngineEnvironment,
  sessionId: string,
  turn: TurnRecord,
  options: RecordTurnOptions = {},
): Promise<TurnOutcome> {
  identifier(sessionId, "sessionId");
  const { lease, ...call } = knownOptions(options, ["lease"]);
  const run = parseRecord(environment, sessionId, turn);
  const { entry } = await find(environment, sessionId, run.turnId, call);
  const recording: JournalOptions = { lease, ...callOptions(call) };
  const previous = entry && (await settled(environment, entry, recording));
  if (previous?.state === "recorded") return outcome(previous, true);
  return record(environment, run, previous, recording, true);
}

/** A turn that is completely recorded; `undefined` for any other. */
export async function findTurn(
  { storage }: EngineEnvironment,
  sessionId: string,
  turnId: string,
  options: CallOptions = {},
): Promise<TurnOutcome | undefined> {
  identifier(sessionId, "sessionId");
  identifier(turnId, "turnId");
  const entry = await readJournal(storage, sessionId, turnId, knownOptions(options, []));
  return entry?.state === "recorded" ? outcome(entry, true) : undefined;
}

async function find(
  { storage }: EngineEnvironment,
  sessionId: string,
  turnId: string,
  call: CallOptions,
): Promise<{ readonly session: Session; readonly entry: JournalEntry | undefined }> {
  const [session, entry] = await Promise.all([
    storage.getSession(sessionId, call),
    readJournal(storage, sessionId, turnId, call),
  ]);
  // Said before the work runs, not after.
  if (session === undefined) throw new SessionNotFoundError(sessionId);
  return { session, entry };
}

/** The entry when nothing of it is missing any more. */
async function settled(
  { storage }: EngineEnvironment,
  entry: JournalEntry,
  options: JournalOptions,
): Promise<RecordedAttempt | VoidAttempt> {
  return entry.state === "pending" ? recordAttempt(storage, entry, options) : entry;
}

/** Records a run as the attempt after `previous`, unless another has recorded the turn in the meantime. */
async function record(
  environment: EngineEnvironment,
  run: FinishedRun,
  previous: RecordedAttempt | VoidAttempt | undefined,
  options: JournalOptions,
  failuresStand = false,
): Promise<TurnOutcome> {
  const { storage } = environment;
  let last = previous;
  for (;;) {
    const pending = await pendingAttempt(storage, run, (last?.attempt ?? 0) + 1, options);
    if (await openAttempt(storage, pending, last, options)) {
      const entry = await recordAttempt(storage, pending, options);
      if (entry.state === "void") throw contextConflict(undefined, pending.context?.expectedVersion);
      return outcome(entry, false);
    }
    const entry = await readJournal(storage, run.sessionId, run.turnId, options);
    last = entry && (await settled(environment, entry, options));
    if (last?.state === "recorded" && (last.error === undefined || failuresStand)) return outcome(last, true);
  }
}

function outcome<T>(entry: RecordedAttempt, replayed: boolean): TurnOutcome<T> {
  const { turnId, attempt, durationSeconds, error, messages, contextVersion, checkpoints } = entry;
  return {
    turnId,
    attempt,
    replayed,
    result: entry.result as T,
    ...(error && { error }),
    durationSeconds,
    messages,
    ...(contextVersion !== undefined && { contextVersion }),
    checkpoints,
  };
}

const PARTS: readonly TurnPart[] = ["messages", "context", "checkpoints"];

function parseParts(value: unknown): ReadonlySet<TurnPart> {
  if (value === undefined || value === false) return new Set();
  if (value === true) return new Set(PARTS);
  return new Set(list(value, "recordOnError", (part, name) => oneOf(part, name, PARTS)));
}

function only(collected: Collected, parts: ReadonlySet<TurnPart>): Collected {
  return {
    messages: parts.has("messages") ? collected.messages : [],
    ...(parts.has("context") && collected.context && { context: collected.context }),
    checkpoints: parts.has("checkpoints") ? collected.checkpoints : [],
  };
}

const RECORD_FIELDS = ["turnId", "durationSeconds", "error", "result", "messages", "context", "checkpoints"] as const;

function parseRecord({ clock }: EngineEnvironment, sessionId: string, value: TurnRecord): FinishedRun {
  const turn = knownFields(value, "record", RECORD_FIELDS);
  return {
    sessionId,
    turnId: identifier(turn.turnId, "record.turnId"),
    durationSeconds: finiteNumber(turn.durationSeconds, "record.durationSeconds", { min: 0 }),
    ...(turn.error !== undefined && { error: describe(turn.error) }),
    result: snapshot(turn.result),
    collected: {
      messages: list(turn.messages ?? [], "record.messages", (each, name) =>
        collectMessage(each as NewMessage, name, clock),
      ),
      ...(turn.context !== undefined && { context: collectContext(turn.context, "record.context") }),
      checkpoints: list(turn.checkpoints ?? [], "record.checkpoints", (each, name) =>
        collectCheckpoint(each as TurnCheckpoint, name),
      ),
    },
  };
}

/** Most characters that are kept of an error's name and message. */
const MAX_ERROR_TEXT = 1000;

function describe(error: unknown): TurnError {
  const text = (value: unknown) => String(value).slice(0, MAX_ERROR_TEXT).toWellFormed();
  if (isError(error)) return { name: text(error.name), message: text(error.message) };
  return { name: "Error", message: typeof error === "string" ? text(error) : `${kindOf(error)} was thrown` };
}
