/**
 * The compactions of a conversation: kept in a thread of their own beside the messages, which stay as they are.
 *
 * Each change stores a new checkpoint as a compare-and-set on the latest one (K8), so two of them never overwrite each other. The
 * latest checkpoint is what holds now: a compaction with a pointer to the one below it, or nothing. The thread is linked to
 * the session and goes with it.
 */
import type { CallOptions, LeaseHeld } from "../contract/call.js";
import type { CheckpointStorage } from "../contract/checkpoint-storage.js";
import type { MessageContent, MessageRole } from "../contract/conversation-storage.js";
import { ConflictError, CorruptionError } from "../contract/errors.js";
import { derivedId } from "./derived-ids.js";
import { callOptions } from "./engine-options.js";

/** What stands for the older part of a conversation in its windows. */
export interface Compaction {
  readonly compactionId: string;
  /** `summarize` puts a summary in the place of the messages, `truncate` nothing. */
  readonly strategy: "truncate" | "summarize";
  /** It stands for every message up to this `seq`. */
  readonly throughSeq: number;
  /** Role and content of the summary; absent after `truncate`. */
  readonly summary?: { readonly role: MessageRole; readonly content: MessageContent };
  readonly createdAt: Date;
}

/** What a checkpoint of the log holds. `below` names the checkpoint with the compaction under this one. */
interface LogState {
  readonly format: 1;
  readonly top: { readonly compaction: Compaction; readonly below?: string | undefined } | null;
}

/** The log as it was read: `version` is 0 when nothing was ever compacted. */
export interface CompactionLog {
  readonly version: number;
  readonly top?: LogEntry;
}

/** A compaction and the checkpoint that holds it. */
export interface LogEntry {
  readonly checkpointId: string;
  readonly compaction: Compaction;
  readonly below?: string | undefined;
}

/** The thread that holds the compactions of a session. */
export function compactionThread(sessionId: string): string {
  return derivedId("waystone.compactions", sessionId);
}

/** What holds now. */
export async function readLog(
  storage: CheckpointStorage,
  sessionId: string,
  options: CallOptions,
): Promise<CompactionLog> {
  const head = await storage.getCheckpoint(compactionThread(sessionId), callOptions(options));
  if (head === undefined) return { version: 0 };
  const { top } = stateOf(head.data);
  const version = Number(head.checkpointId);
  return top === null ? { version } : { version, top: { checkpointId: head.checkpointId, ...top } };
}

/** The compaction under an entry; `undefined` at the bottom. */
export async function readBelow(
  storage: CheckpointStorage,
  sessionId: string,
  entry: LogEntry,
  options: CallOptions,
): Promise<LogEntry | undefined> {
  if (entry.below === undefined) return undefined;
  const below = await storage.getCheckpoint(compactionThread(sessionId), {
    checkpointId: entry.below,
    ...callOptions(options),
  });
  if (below === undefined) throw new CorruptionError("a compaction that another one stands on is missing");
  const { top } = stateOf(below.data);
  if (top === null) throw new CorruptionError("a compaction stands on nothing");
  return { checkpointId: below.checkpointId, ...top };
}

/**
 * Makes `entry` what holds, or nothing, if the log is still as it was read. `false`: somebody was faster.
 * @throws SessionNotFoundError, FencedError
 */
export async function writeLog(
  storage: CheckpointStorage,
  sessionId: string,
  read: CompactionLog,
  top: { readonly compaction: Compaction; readonly below?: string | undefined } | undefined,
  options: CallOptions & LeaseHeld,
): Promise<boolean> {
  const state: LogState = {
    format: 1,
    top:
      top === undefined ? null : { compaction: top.compaction, ...(top.below !== undefined && { below: top.below }) },
  };
  try {
    await storage.storeCheckpoint(compactionThread(sessionId), String(read.version + 1), state, {
      sessionId,
      expectedHead: read.version === 0 ? null : String(read.version),
      // Pruning keeps what lies below as long as this one can be dropped (K6).
      ...(top?.below === undefined ? {} : { parentId: top.below, needsParent: true }),
      lease: options.lease,
      ...callOptions(options),
    });
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

function stateOf(data: unknown): LogState {
  const state = data as Partial<LogState> | null;
  if (typeof state !== "object" || state?.format !== 1 || state.top === undefined) {
    throw new CorruptionError("the log of compactions is damaged, or a newer release has written it");
  }
  return state as LogState;
}
