/**
 * Appends and counts that are acknowledged before they are stored. That is less than the contract promises, so it is no layer, and its
 * results are no `Message` and no `Session`: who takes them says so in his code.
 */
import type { MessageContent, MessageOptions, MessageRole } from "../../contract/conversation-storage.js";
import { InvalidArgumentError, type StorageError } from "../../contract/errors.js";
import type { SessionUpdate } from "../../contract/session-storage.js";
import { integer, knownFields, knownOptions, oneOf, string } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { MAX_MESSAGES } from "../../domain/lists.js";
import { parseUpdate } from "../../domain/session-arguments.js";
import type { BufferedStorage } from "./buffered-batch.js";
import { countsNothing, countsOf, updateOf } from "./counts.js";
import { encodedMessage } from "./encoded-message.js";
import { Journal, type JournalEntry } from "./journal.js";
import { type BufferedWriterStats, PendingWrites } from "./pending-writes.js";

export interface BufferedWriterOptions {
  /**
   * A file that keeps what is not stored yet; the next writer with this file stores it. One writer at a time. Default: none, and
   * what is not stored is lost with the process.
   */
  readonly journal?: string | undefined;
  /** What a write in the journal survives: kill -9 (`process`, the default), or power loss too (`crash`), at the price of a sync each. */
  readonly durability?: "process" | "crash" | undefined;
  /** Most messages of a batch. Default 200. */
  readonly maxMessages?: number | undefined;
  /** Most messages and counts that wait; with more, `append` and `count` wait for room. Default 10,000. */
  readonly maxWaiting?: number | undefined;
  /** Longest wait between two attempts while the store is away, in milliseconds. It doubles from 50 on. Default 5,000. */
  readonly maxRetryMs?: number | undefined;
  /** Told of each write that the store refuses for good. Default: they are counted. */
  readonly onFailure?: ((failure: BufferedFailure) => void) | undefined;
}

/** A message that was taken on. It is not stored yet, and has no `seq`. */
export interface BufferedMessage {
  readonly buffered: true;
  /** What it survives until it is stored: nothing (`memory`), kill -9 (`process`), power loss (`crash`). */
  readonly durability: "memory" | "process" | "crash";
  readonly sessionId: string;
  readonly messageId: string;
  readonly timestamp: Date;
}

/** What an update of a session counts. */
export type CounterUpdate = Pick<SessionUpdate, "incrementRequests" | "addProcessingTime" | "markError">;

/** Counts that were taken on. They are not stored yet, and the session is as it was. */
export interface BufferedCounts {
  readonly buffered: true;
  /** As that of a `BufferedMessage`. */
  readonly durability: "memory" | "process" | "crash";
  readonly sessionId: string;
}

/** A write that will not be stored, and why. */
export interface BufferedFailure {
  readonly sessionId: string;
  /** Of a message. */
  readonly messageId?: string;
  /** Of counts. */
  readonly update?: CounterUpdate;
  readonly error: StorageError;
}

export interface BufferedWriter {
  /**
   * Takes a message on, to be stored soon, in the order of the calls for each session. Its `messageId` keeps it from being stored
   * twice, whatever is sent again; its `timestamp` is of now unless it is given.
   * @throws InvalidArgumentError, SerializationError, ClosedError, StorageConnectionError when the journal cannot be written
   */
  append(
    sessionId: string,
    role: MessageRole,
    content: MessageContent,
    options?: MessageOptions,
  ): Promise<BufferedMessage>;
  /**
   * Takes on what is counted of a session. What gathers until the store is free goes as one update of the sum, once: it carries an
   * idempotency key, which the store knows for 24 hours (S5). Each error is an update.
   * @throws InvalidArgumentError, also for an update that counts nothing; ClosedError; StorageConnectionError when the journal cannot be written
   */
  count(sessionId: string, update: CounterUpdate): Promise<BufferedCounts>;
  /** Waits until all that was taken on before is stored, or has failed. */
  flush(): Promise<void>;
  /**
   * Takes on nothing more, waits for what was taken on, and lets go of the journal. The storage stays open.
   * @throws StorageTimeoutError when some of it could not be stored within `timeoutMs` (default 10,000): it is in the journal, if there is one
   */
  close(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
  stats(): BufferedWriterStats;
}

const FIELDS = ["journal", "durability", "maxMessages", "maxWaiting", "maxRetryMs", "onFailure"] as const;
const COUNTERS = ["incrementRequests", "addProcessingTime", "markError"] as const;

/**
 * A writer of messages and counts that waits for no store. What a journal holds from before is stored first.
 * @throws InvalidArgumentError for a bad option; CorruptionError for a file that is no journal
 */
export function bufferedWriter(storage: BufferedStorage, options: BufferedWriterOptions = {}): BufferedWriter {
  const given = knownFields(options, "options", FIELDS);
  const durability = oneOf(given.durability ?? "process", "durability", ["process", "crash"]);
  if (given.durability !== undefined && given.journal === undefined) {
    throw new InvalidArgumentError("durability needs a journal");
  }
  const bounds = {
    maxMessages: integer(given.maxMessages ?? 200, "maxMessages", { min: 1, max: MAX_MESSAGES }),
    maxWaiting: integer(given.maxWaiting ?? 10_000, "maxWaiting", { min: 1 }),
    maxRetryMs: integer(given.maxRetryMs ?? 5_000, "maxRetryMs", { min: 1, max: 3_600_000 }),
  };
  const opened =
    given.journal === undefined ? undefined : Journal.open(string(given.journal, "journal"), durability === "crash");
  const tell = given.onFailure;
  const pending = new PendingWrites(storage, bounds, opened?.journal, (entry, error) =>
    tell?.(failureOf(entry, error)),
  );
  for (const entry of opened?.entries ?? []) pending.take(entry);
  const taken = { buffered: true, durability: opened === undefined ? "memory" : durability } as const;
  return {
    append: async (sessionId, role, content, messageOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(messageOptions, ["metadata", "messageId", "timestamp"]);
      const message = encodedMessage({ ...known, role, content }, "message");
      const timestamp = message.timestamp ?? Date.now();
      await pending.room();
      const { messageId, metadata } = message;
      pending.write({
        sessionId: id,
        messageId,
        role: message.role,
        content: String(message.content),
        metadata,
        timestamp,
      });
      return { ...taken, sessionId: id, messageId, timestamp: new Date(timestamp) };
    },
    count: async (sessionId, update) => {
      const id = identifier(sessionId, "sessionId");
      const counts = countsOf(parseUpdate(knownFields(update, "update", COUNTERS)));
      if (counts === undefined || countsNothing(counts)) throw new InvalidArgumentError("update counts nothing");
      await pending.room();
      pending.write({ sessionId: id, counts, gathered: 1, key: null });
      return { ...taken, sessionId: id };
    },
    flush: () => pending.flush(),
    close: (closing) => pending.close(closing?.timeoutMs ?? 10_000),
    stats: () => pending.stats(),
  };
}

/** A refused message by its id, refused counts by what they are. */
function failureOf(entry: JournalEntry, error: StorageError): BufferedFailure {
  const { sessionId } = entry;
  return "counts" in entry
    ? { sessionId, update: updateOf(entry.counts), error }
    : { sessionId, messageId: entry.messageId, error };
}
