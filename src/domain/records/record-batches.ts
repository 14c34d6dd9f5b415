/** Bounded batches of an import: records in groups, one group a subject, and the order that an import relies on (P1). */
import { InvalidArgumentError } from "../../contract/errors.js";
import type { ImportRow, ImportSubject } from "../driver/imports.js";
import { compareNamespaces } from "../namespaces.js";
import { EACH_STEP, Slices } from "../slices.js";
import type { ParsedRecord } from "./parse-record.js";
import { encodedPart, parseRecord } from "./parse-record.js";

/** Most rows of a batch. */
export const MAX_BATCH_ROWS = 500;

/** Encoded bytes after which a batch takes no more rows: 4 MiB. One row may be larger. */
export const MAX_BATCH_BYTES: number = 4 * 1024 * 1024;

/** Rows of one subject that follow each other. */
export interface RecordGroup {
  readonly subject: ImportSubject;
  /** The subject began in the batch before. */
  readonly continues: boolean;
  /** Number of the first row's record in the stream, from 1; those of the others follow. */
  readonly firstRecord: number;
  readonly rows: readonly ImportRow[];
}

/**
 * Reads records one by one, never further ahead than the batch that it gives next.
 * @throws InvalidArgumentError with the record's number for one that is malformed, stands without the record that its
 *   subject begins with, or breaks the order of its subject
 */
export async function* recordBatches(
  records: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<readonly RecordGroup[]> {
  let current: OpenSubject | undefined;
  let batch = new OpenBatch();
  let number = 0;
  // A source that has its records at hand, and a store that takes them at once, would never let others have their turn.
  // A record is parsed in up to ten milliseconds, a larger one in steps.
  const slices = new Slices(null, EACH_STEP);
  for await (const record of records) {
    number += 1;
    if (slices.over()) await slices.pause();
    const encoding = encodedPart(record, number);
    const parsed = parseRecord(record, number, encoding === undefined ? undefined : await slices.finish(encoding));
    if (batch.rows > 0 && (batch.rows >= MAX_BATCH_ROWS || batch.bytes + parsed.sizeBytes > MAX_BATCH_BYTES)) {
      yield batch.groups;
      batch = new OpenBatch();
    }
    const continues = current?.takes(parsed, number) ?? false;
    if (!continues) current = OpenSubject.begin(parsed, number);
    batch.add(parsed, continues, number);
  }
  if (batch.rows > 0) yield batch.groups;
}

class OpenBatch {
  readonly groups: (RecordGroup & { readonly rows: ImportRow[] })[] = [];
  rows = 0;
  bytes = 0;

  add({ subject, row, sizeBytes }: ParsedRecord, continues: boolean, number: number): void {
    const last = this.groups.at(-1);
    if (continues && last !== undefined) last.rows.push(row);
    else this.groups.push({ subject, continues, firstRecord: number, rows: [row] });
    this.rows += 1;
    this.bytes += sizeBytes;
  }
}

/** Kinds of rows that a subject begins with. */
const OPENING: ReadonlySet<ImportRow["kind"]> = new Set(["session", "task_context", "thread", "item"]);

/** Kinds of rows of which a subject has only one. */
const SINGLE: ReadonlySet<ImportRow["kind"]> = new Set(["session", "thread", "item"]);

/** The subject that the stream is at. */
class OpenSubject {
  readonly #subject: ImportSubject;
  /** Position of the newest message, checkpoint or version; each must come after the one before. */
  #position = 0;
  /** The largest position that the subject says it has ever given. */
  readonly #lastPosition: number;

  private constructor(subject: ImportSubject, lastPosition: number) {
    this.#subject = subject;
    this.#lastPosition = lastPosition;
  }

  static begin(parsed: ParsedRecord, number: number): OpenSubject {
    if (!OPENING.has(parsed.row.kind)) {
      throw refusal(number, `a ${parsed.row.kind} must follow the ${parsed.subject.kind} that it belongs to`);
    }
    const opened = new OpenSubject(parsed.subject, lastPosition(parsed.row));
    opened.#advance(parsed.row, number);
    return opened;
  }

  /** Whether the record goes on with this subject; otherwise it begins another one. */
  takes({ subject, row }: ParsedRecord, number: number): boolean {
    if (!isSameSubject(this.#subject, subject)) return false;
    if (SINGLE.has(row.kind)) throw refusal(number, `the ${row.kind} stands twice`);
    this.#advance(row, number);
    return true;
  }

  #advance(row: ImportRow, number: number): void {
    const position = positionOf(row);
    if (position === undefined) return;
    const name = row.kind === "task_context" ? "version" : "seq";
    if (position <= this.#position) throw refusal(number, `${name} must be above the one before it`);
    if (position > this.#lastPosition) {
      throw refusal(number, `${name} is above the last_seq of the ${this.#subject.kind}`);
    }
    this.#position = position;
  }
}

function lastPosition(row: ImportRow): number {
  if (row.kind === "session") return row.session.lastSeq;
  return row.kind === "thread" ? row.lastSeq : Number.POSITIVE_INFINITY;
}

function positionOf(row: ImportRow): number | undefined {
  switch (row.kind) {
    case "message":
      return row.message.seq;
    case "checkpoint":
      return row.seq;
    case "task_context":
      return row.version;
    default:
      return undefined;
  }
}

function isSameSubject(a: ImportSubject, b: ImportSubject): boolean {
  if (a.kind !== "item") return b.kind === a.kind && b.id === a.id;
  return b.kind === "item" && a.key === b.key && compareNamespaces(a.namespace, b.namespace) === 0;
}

function refusal(number: number, reason: string): InvalidArgumentError {
  return new InvalidArgumentError(`record ${number}: ${reason}`);
}
