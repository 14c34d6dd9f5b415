/**
 * Appends that are acknowledged before they are stored. That is less than the contract promises, so it is no layer, and its result is
 * no `Message`: who takes it says so in his code.
 */
import type {
  ConversationStorage,
  Message,
  MessageContent,
  MessageOptions,
  MessageRole,
  NewMessage,
} from "../../contract/conversation-storage.js";
import {
  ClosedError,
  InvalidArgumentError,
  isStorageError,
  StorageConnectionError,
  type StorageError,
  StorageTimeoutError,
} from "../../contract/errors.js";
import { integer, knownFields, knownOptions, oneOf, string } from "../../domain/arguments.js";
import { decodeValue } from "../../domain/codec/codec.js";
import { identifier } from "../../domain/identifiers.js";
import { decodeMetadata } from "../../domain/metadata.js";
import { encodedMessage } from "./encoded-message.js";
import { Journal, type JournalEntry } from "./journal.js";

export interface BufferedWriterOptions {
  /**
   * A file that keeps what is not stored yet; the next writer with this file stores it. One writer at a time. Default: none, and
   * what is not stored is lost with the process.
   */
  readonly journal?: string | undefined;
  /** What an append in the journal survives: kill -9 (`process`, the default), or power loss too (`crash`), at the price of a sync each. */
  readonly durability?: "process" | "crash" | undefined;
  /** Most messages of a batch. Default 200. */
  readonly maxMessages?: number | undefined;
  /** Most messages that wait; with more, `append` waits for room. Default 10,000. */
  readonly maxWaiting?: number | undefined;
  /** Longest wait between two attempts while the store is away, in milliseconds. It doubles from 50 on. Default 5,000. */
  readonly maxRetryMs?: number | undefined;
  /** Told of each message that the store refuses for good. Default: they are counted. */
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

/** A message that will not be stored, and why. */
export interface BufferedFailure {
  readonly sessionId: string;
  readonly messageId: string;
  readonly error: StorageError;
}

/** What the writer has counted, and what waits now. */
export interface BufferedWriterStats {
  readonly stored: number;
  readonly failed: number;
  /** Attempts that found the store away. */
  readonly retries: number;
  readonly waiting: number;
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
const FIRST_RETRY_MS = 50;

/**
 * A writer of messages that waits for no store. What a journal holds from before is stored first.
 * @throws InvalidArgumentError for a bad option; CorruptionError for a file that is no journal
 */
export function bufferedWriter(storage: ConversationStorage, options: BufferedWriterOptions = {}): BufferedWriter {
  const given = knownFields(options, "options", FIELDS);
  const durability = oneOf(given.durability ?? "process", "durability", ["process", "crash"]);
  if (given.durability !== undefined && given.journal === undefined) {
    throw new InvalidArgumentError("durability needs a journal");
  }
  const bounds = {
    maxMessages: integer(given.maxMessages ?? 200, "maxMessages", { min: 1, max: 10_000 }),
    maxWaiting: integer(given.maxWaiting ?? 10_000, "maxWaiting", { min: 1 }),
    maxRetryMs: integer(given.maxRetryMs ?? 5_000, "maxRetryMs", { min: 1, max: 3_600_000 }),
  };
  const opened =
    given.journal === undefined ? undefined : Journal.open(string(given.journal, "journal"), durability === "crash");
  const writer = new Writer(storage, bounds, opened?.journal, given.onFailure);
  for (const entry of opened?.entries ?? []) writer.take(entry);
  return {
    append: async (sessionId, role, content, messageOptions) => {
      const id = identifier(sessionId, "sessionId");
      const known = knownOptions(messageOptions, ["metadata", "messageId", "timestamp"]);
      const message = encodedMessage({ ...known, role, content }, "message");
      const timestamp = message.timestamp ?? Date.now();
      await writer.room();
      const { messageId, metadata } = message;
      writer.write({ sessionId: id, messageId, role: message.role, content: message.content, metadata, timestamp });
      return {
        buffered: true,
        durability: opened === undefined ? "memory" : durability,
        sessionId: id,
        messageId,
        timestamp: new Date(timestamp),
      };
    },
    flush: () => writer.flush(),
    close: (closing) => writer.close(closing?.timeoutMs ?? 10_000),
    stats: () => writer.stats(),
  };
}

interface Bounds {
  readonly maxMessages: number;
  readonly maxWaiting: number;
  readonly maxRetryMs: number;
}

class Writer {
  readonly #storage: ConversationStorage;
  readonly #bounds: Bounds;
  readonly #journal: Journal | undefined;
  readonly #onFailure: ((failure: BufferedFailure) => void) | undefined;
  /** By session, in the order in which they came. */
  readonly #lanes = new Map<string, JournalEntry[]>();
  readonly #sending = new Map<string, Promise<void>>();
  readonly #waitingForRoom: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();
  #counts = { stored: 0, failed: 0, retries: 0, waiting: 0 };
  #lastNumber = 0;
  #isClosed = false;
  #isGivenUp = false;

  constructor(
    storage: ConversationStorage,
    bounds: Bounds,
    journal: Journal | undefined,
    onFailure: ((failure: BufferedFailure) => void) | undefined,
  ) {
    this.#storage = storage;
    this.#bounds = bounds;
    this.#journal = journal;
    this.#onFailure = onFailure;
  }

  stats(): BufferedWriterStats {
    return { ...this.#counts };
  }

  /** Waits until one more may wait, in the order of the calls. @throws ClosedError */
  async room(): Promise<void> {
    this.#assertOpen();
    if (this.#counts.waiting < this.#bounds.maxWaiting && this.#waitingForRoom.length === 0) return;
    await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    this.#assertOpen();
  }

  write(entry: Omit<JournalEntry, "number">): void {
    const numbered = { ...entry, number: this.#lastNumber + 1 };
    this.#journal?.add(numbered);
    this.take(numbered);
  }

  take(entry: JournalEntry): void {
    this.#lastNumber = Math.max(this.#lastNumber, entry.number);
    this.#counts.waiting += 1;
    const lane = this.#lanes.get(entry.sessionId);
    if (lane !== undefined) {
      lane.push(entry);
      return;
    }
    this.#lanes.set(entry.sessionId, [entry]);
    this.#sending.set(entry.sessionId, this.#run(entry.sessionId));
  }

  async flush(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending.values());
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const go of this.#waitingForRoom.splice(0)) go();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), timeoutMs);
    });
    const outcome = await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    if (outcome === "late") {
      this.#isGivenUp = true;
      for (const go of this.#pauses) go();
    }
    const { waiting } = this.#counts;
    this.#journal?.close();
    if (outcome === "late" && waiting > 0) {
      const where = this.#journal === undefined ? "they are lost" : "they are in the journal";
      throw new StorageTimeoutError(`${waiting} messages could not be stored within ${timeoutMs} ms: ${where}`);
    }
  }

  /** Stores what waits of a session until nothing does. */
  async #run(sessionId: string): Promise<void> {
    // What comes at the same moment goes together.
    await new Promise((resolve) => setImmediate(resolve));
    const lane = this.#lanes.get(sessionId) ?? [];
    while (lane.length > 0 && !this.#isGivenUp) {
      const batch = lane.slice(0, this.#bounds.maxMessages);
      const settled = await this.#store(sessionId, batch);
      lane.splice(0, settled);
    }
    this.#lanes.delete(sessionId);
    this.#sending.delete(sessionId);
  }

  /** Tries until the store has answered; returns how many are stored or refused. */
  async #store(sessionId: string, batch: readonly JournalEntry[]): Promise<number> {
    const messages = batch.map(messageOf);
    for (let delay = FIRST_RETRY_MS; !this.#isGivenUp; delay = Math.min(delay * 2, this.#bounds.maxRetryMs)) {
      try {
        await this.#storage.addConversationMessages(sessionId, messages);
        if (this.#isGivenUp) return 0;
        this.#counts.stored += batch.length;
        this.#leave(batch);
        return batch.length;
      } catch (error) {
        if (this.#isGivenUp) return 0;
        if (isStorageError(error) && error.retryable) {
          this.#counts.retries += 1;
          await this.#pause(delay / 2 + (Math.random() * delay) / 2);
        } else if (batch.length > 1) {
          // One of them is at fault, and the others are stored in their order.
          for (const entry of batch) if ((await this.#store(sessionId, [entry])) === 0) return batch.indexOf(entry);
          return batch.length;
        } else {
          this.#fail(batch[0] as JournalEntry, error);
          this.#leave(batch);
          return 1;
        }
      }
    }
    return 0;
  }

  #fail({ sessionId, messageId }: JournalEntry, cause: unknown): void {
    const error = isStorageError(cause)
      ? cause
      : new StorageConnectionError("the storage failed unexpectedly", { retryable: false, cause });
    this.#counts.failed += 1;
    const tell = this.#onFailure;
    // What the caller's function throws is its own, and stops nothing here.
    if (tell !== undefined) queueMicrotask(() => tell({ sessionId, messageId, error }));
  }

  #leave(batch: readonly JournalEntry[]): void {
    this.#counts.waiting -= batch.length;
    try {
      this.#journal?.done(batch.map(({ number }) => number));
    } catch (error) {
      // The next writer sends them again, and the store knows their ids.
      if (!(error instanceof StorageConnectionError)) throw error;
    }
    const free = this.#bounds.maxWaiting - this.#counts.waiting;
    for (const go of this.#waitingForRoom.splice(0, free)) go();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.#pauses.delete(go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      this.#pauses.add(go);
    });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ClosedError("the writer is closed");
  }
}

function messageOf({ messageId, role, content, metadata, timestamp }: JournalEntry): NewMessage {
  return {
    role,
    content: decodeValue(content) as Message["content"],
    metadata: decodeMetadata(metadata),
    messageId,
    timestamp: new Date(timestamp),
  };
}
