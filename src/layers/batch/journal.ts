/** What was taken on and is not stored yet, in a file: what was written there survives the end of the process. */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { CorruptionError, StorageConnectionError } from "../../contract/errors.js";
import type { Counts } from "./counts.js";

/** An append in its encoded form. */
export interface AppendEntry {
  /** Counts the entries of this journal. */
  readonly number: number;
  readonly sessionId: string;
  readonly messageId: string;
  readonly role: string;
  /** Encoded. */
  readonly content: string;
  /** JSON. */
  readonly metadata: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** What is counted of a session. */
export interface CountEntry {
  readonly number: number;
  readonly sessionId: string;
  readonly counts: Counts;
  /** How many were taken on that this is the sum of. */
  readonly gathered: number;
  /** The idempotency key with which it goes to the store; `null` while others may still be added. */
  readonly key: string | null;
}

export type JournalEntry = AppendEntry | CountEntry;

/** A file that holds nothing open is emptied from so many bytes on. */
const EMPTIED_FROM = 64 * 1024;

export class Journal {
  readonly #file: number;
  readonly #syncs: boolean;
  readonly #open = new Set<number>();
  #bytes = 0;

  private constructor(file: number, syncs: boolean) {
    this.#file = file;
    this.#syncs = syncs;
  }

  /**
   * Opens a journal, or begins one, with the appends in it that are not done, in their order.
   * @param syncs whether each write waits for the disk, so that it survives a power loss too
   * @throws CorruptionError for a file that is none; StorageConnectionError when it cannot be opened
   */
  static open(path: string, syncs: boolean): { readonly journal: Journal; readonly entries: readonly JournalEntry[] } {
    try {
      const entries = existsSync(path) ? entriesOf(readFileSync(path, "utf8")) : [];
      // Written anew without what is done: a file that is cut off in the middle is the old one or the new one.
      const fresh = `${path}.new`;
      const file = openSync(fresh, "w", 0o600);
      const journal = new Journal(file, syncs);
      for (const entry of entries) journal.add(entry);
      fdatasyncSync(file);
      renameSync(fresh, path);
      return { journal, entries };
    } catch (error) {
      if (error instanceof CorruptionError) throw error;
      throw new StorageConnectionError("the journal cannot be opened", { cause: error, retryable: false });
    }
  }

  /** @throws StorageConnectionError when it cannot be written */
  add(entry: JournalEntry): void {
    this.#write(`${JSON.stringify(entry)}\n`);
    this.#open.add(entry.number);
  }

  /** Puts the sum in the place of those that it is the sum of, whose first number it has. */
  gather(sum: CountEntry, of: readonly number[]): void {
    this.#write(`${JSON.stringify({ ...sum, of })}\n`);
    for (const number of of) this.#open.delete(number);
    this.#open.add(sum.number);
  }

  /** They are stored, or will never be. */
  done(numbers: readonly number[]): void {
    for (const number of numbers) this.#open.delete(number);
    this.#write(`${JSON.stringify({ done: numbers })}\n`);
    if (this.#open.size > 0 || this.#bytes < EMPTIED_FROM) return;
    ftruncateSync(this.#file, 0);
    this.#bytes = 0;
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: string): void {
    try {
      const bytes = Buffer.from(line);
      let at = 0;
      // At its end, wherever that is after it was emptied.
      while (at < bytes.length) at += writeSync(this.#file, bytes, at, bytes.length - at, this.#bytes + at);
      if (this.#syncs) fdatasyncSync(this.#file);
      this.#bytes += bytes.length;
    } catch (error) {
      throw new StorageConnectionError("the journal cannot be written", { cause: error });
    }
  }
}

/** What is not done. A last line without its end was never acknowledged. */
function entriesOf(text: string): JournalEntry[] {
  const open = new Map<number, JournalEntry>();
  const lines = text.split("\n").slice(0, -1);
  for (const [i, line] of lines.entries()) {
    const record = parsed(line, i + 1);
    if ("done" in record) for (const number of record.done) open.delete(number);
    else if ("of" in record) {
      const { of, ...sum } = record;
      for (const number of of) open.delete(number);
      open.set(sum.number, sum);
    } else open.set(record.number, record);
  }
  return [...open.values()].sort((a, b) => a.number - b.number);
}

type JournalLine =
  | JournalEntry
  | (CountEntry & { readonly of: readonly number[] })
  | { readonly done: readonly number[] };

function parsed(line: string, number: number): JournalLine {
  try {
    const record: unknown = JSON.parse(line);
    if (typeof record === "object" && record !== null) {
      if ("done" in record && Array.isArray(record.done)) return record as JournalLine;
      const isEntry = "content" in record || "counts" in record;
      if ("number" in record && "sessionId" in record && isEntry) return record as JournalLine;
    }
  } catch (error) {
    // The parser's own message quotes the line, and contents stay out of errors.
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new CorruptionError(`line ${number} of the journal is damaged`);
}
