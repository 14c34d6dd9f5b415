/**
 * The journal of turns: what a turn is to leave in the store is written down whole, in one step, before any of it is done.
 *
 * Each turn has a namespace of its own in a thread of the session, each attempt at it a checkpoint there. The first entry of an
 * attempt is a compare-and-set on the attempt before it (K8), so of two that record the same turn one wins. When everything is
 * done the entry is replaced by a short one with the result. The thread is linked to the session and goes with it.
 */
import type { CallOptions, Lease } from "../contract/call.js";
import type { CheckpointStorage } from "../contract/checkpoint-storage.js";
import type { NewMessage } from "../contract/conversation-storage.js";
import { ConflictError, CorruptionError, quoteIdentifier } from "../contract/errors.js";
import type { JsonValue, Metadata } from "../contract/json.js";
import { derivedId } from "./derived-ids.js";
import { callOptions } from "./engine-options.js";

/** What the work threw, as far as it is kept. */
export interface TurnError {
  readonly name: string;
  readonly message: string;
}

/** What is known of an attempt from the moment when its work has ended. */
export interface AttemptRecord {
  readonly sessionId: string;
  readonly turnId: string;
  /** From 1. */
  readonly attempt: number;
  /** How long the work took, in seconds. */
  readonly durationSeconds: number;
  /** Present when the work failed. */
  readonly error?: TurnError;
  /** What the work returned. */
  readonly result: unknown;
}

/** An attempt of which something may still have to be done. */
export interface PendingAttempt extends AttemptRecord {
  readonly state: "pending";
  readonly messages: readonly NewMessage[];
  readonly context?: PendingContext;
  readonly checkpoints: readonly PendingCheckpoint[];
}

export interface PendingContext {
  readonly value: unknown;
  readonly metadata: Metadata;
  readonly expectedVersion?: number;
  /** The newest version when the entry was written: the turn's own is a later one. */
  readonly baseVersion: number;
}

export interface PendingCheckpoint extends CheckpointPlace {
  readonly data: unknown;
  readonly parentId?: string;
  readonly needsParent: boolean;
  readonly metadata: Metadata;
}

/** Where a checkpoint was stored. */
export interface CheckpointPlace {
  readonly threadId: string;
  readonly namespace: string;
  readonly checkpointId: string;
}

/** Where a message was stored. */
export interface MessagePlace {
  readonly seq: number;
  readonly messageId: string;
}

/** An attempt of which everything is done. */
export interface RecordedAttempt extends AttemptRecord {
  readonly state: "recorded";
  readonly messages: readonly MessagePlace[];
  /** Absent when no context was asked for, or when newer ones had already pushed it out. */
  readonly contextVersion?: number;
  readonly checkpoints: readonly CheckpointPlace[];
}

/** An attempt of which nothing was done, because its context was refused. */
export interface VoidAttempt extends AttemptRecord {
  readonly state: "void";
}

export type JournalEntry = PendingAttempt | RecordedAttempt | VoidAttempt;

export interface JournalOptions extends CallOptions {
  readonly lease: Lease | undefined;
}

const FORMAT = 1;

/** The thread that holds the journal of a session's turns. */
export function journalThread(sessionId: string): string {
  return derivedId("waystone.turns", sessionId);
}

/** The newest attempt at a turn. */
export async function readJournal(
  storage: CheckpointStorage,
  sessionId: string,
  turnId: string,
  options: CallOptions,
): Promise<JournalEntry | undefined> {
  const namespace = turnNamespace(turnId);
  const stored = await storage.getCheckpoint(journalThread(sessionId), { namespace, ...callOptions(options) });
  if (stored === undefined) return undefined;
  const entry = entryOf(stored.data);
  if (entry?.turnId !== turnId || entry.sessionId !== sessionId) {
    throw new CorruptionError(
      `the journal of turn ${quoteIdentifier(turnId)} is damaged, or a newer release has written it`,
    );
  }
  return entry;
}

/** Writes the first entry of an attempt. `false`: somebody else has recorded an attempt since `previous` was read. */
export async function openAttempt(
  storage: CheckpointStorage,
  entry: PendingAttempt,
  previous: JournalEntry | undefined,
  options: JournalOptions,
): Promise<boolean> {
  const expectedHead = previous === undefined ? null : attemptId(previous.attempt);
  try {
    await storeEntry(storage, entry, expectedHead, options);
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

/** Replaces the entry of an attempt by its last one. */
export async function closeAttempt(
  storage: CheckpointStorage,
  entry: RecordedAttempt | VoidAttempt,
  options: JournalOptions,
): Promise<void> {
  await storeEntry(storage, entry, undefined, options);
}

async function storeEntry(
  storage: CheckpointStorage,
  entry: JournalEntry,
  expectedHead: string | null | undefined,
  options: JournalOptions,
): Promise<void> {
  const { sessionId, turnId, attempt, state } = entry;
  const metadata: Metadata = { "waystone.turn": turnId, "waystone.state": state };
  // Shown to the storage as metadata too: what it would refuse later it refuses now, and an entry can always be completed.
  if (state === "pending") metadata["waystone.metadata"] = metadataOf(entry);
  await storage.storeCheckpoint(
    journalThread(sessionId),
    attemptId(attempt),
    { format: FORMAT, entry },
    {
      namespace: turnNamespace(turnId),
      sessionId,
      metadata,
      expectedHead,
      lease: options.lease,
      ...callOptions(options),
    },
  );
}

function entryOf(data: unknown): JournalEntry | undefined {
  const stored = data as { readonly format?: unknown; readonly entry?: JournalEntry } | null | undefined;
  return stored?.format === FORMAT ? stored.entry : undefined;
}

function metadataOf({ messages, context, checkpoints }: PendingAttempt): JsonValue {
  const all = [...messages, ...checkpoints, ...(context ? [context] : [])].map(({ metadata }) => metadata);
  return all as JsonValue;
}

function turnNamespace(turnId: string): string {
  return derivedId("waystone.turn", turnId);
}

function attemptId(attempt: number): string {
  return `attempt-${attempt}`;
}
