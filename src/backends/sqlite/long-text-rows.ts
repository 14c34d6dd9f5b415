/**
 * Rows of long texts. A text that is too long for a row, which SQLite writes and reads in one step, is kept in pieces: the row of a
 * message, a version of a context, a write or an item has its number in `long`, and an empty text where the text would stand. Triggers
 * delete the pieces with the row that names them, or when it names them no more.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { CorruptionError } from "../../contract/errors.js";
import { isLong, LongText, type StoredText } from "../../domain/codec/long-text.js";
import type { Connection } from "./connection/connection.js";
import { type CutText, checksumBefore, cutText } from "./long-text.js";

/** What a row says of a text that is kept in pieces. */
export interface TextInPieces {
  readonly long: number;
  readonly checksum: number;
}

/** What a row has beside a text: the number of one that is kept in pieces, and the checksum. */
export interface TextOfRow {
  readonly long: number | null;
  readonly checksum: number | null;
}

type LongRow = Pick<TextOfRow, "checksum"> & { readonly long: number };

/** Numbers are never given twice: who finds the pieces of one gone knows that the text was replaced or deleted. */
const NEXT = "SELECT seq + 1 AS next FROM sqlite_sequence WHERE name = ?";

/**
 * Stores long texts, with a pause after each piece. The rows that name them come after all of them: a page that is written early in a long
 * transaction and again at its end makes COMMIT read all of the log between.
 */
export function* storeTexts<Owner>(
  tx: Connection,
  texts: ReadonlyMap<Owner, CutText>,
): Generator<void, Map<Owner, TextInPieces>, void> {
  const stored = new Map<Owner, TextInPieces>();
  if (texts.size === 0) return stored;
  let next = nextNumber(tx);
  for (const [owner, { pieces, checksum }] of texts) {
    for (const [idx, piece] of pieces.entries()) {
      tx.run("INSERT INTO text_pieces (text, idx, data) VALUES (?, ?, CAST(? AS TEXT))", next, idx, piece);
      yield;
    }
    stored.set(owner, { long: next, checksum });
    next += 1;
  }
  for (const [owner, { long }] of stored) {
    tx.run("INSERT INTO long_texts (id, bytes) VALUES (?, ?)", long, texts.get(owner)?.bytes ?? 0);
  }
  return stored;
}

function nextNumber(tx: Connection): number {
  return tx.get<{ next: number }>(NEXT, "long_texts")?.next ?? 1;
}

/** Stores one text if it is long; `undefined` for another one. The checksum is of it with those that come before it. */
export function* storeIfLong(
  tx: Connection,
  text: StoredText,
  ...before: readonly string[]
): Generator<void, TextInPieces | undefined, void> {
  if (!isLong(text)) return undefined;
  const stored = yield* storeTexts(tx, new Map([["text", yield* cutText(text, ...before)]]));
  return stored.get("text");
}

/** Deletes a text that no row has come to name. */
export function dropText(tx: Connection, long: number): void {
  tx.run("DELETE FROM long_texts WHERE id = ?", long);
}

/** Copies a text, with a pause after each piece; returns the number of the copy. */
export function* copyText(tx: Connection, from: number): Generator<void, number, void> {
  const next = nextNumber(tx);
  const copy =
    "INSERT INTO text_pieces (text, idx, data) SELECT ?, idx, data FROM text_pieces WHERE text = ? AND idx = ?";
  for (let idx = 0; tx.run(copy, next, from, idx) > 0; idx++) yield;
  tx.run("INSERT INTO long_texts (id, bytes) SELECT ?, bytes FROM long_texts WHERE id = ?", next, from);
  return next;
}

/** Whether the text of a row is kept in pieces. Who knows nothing of them puts a text into the row, which counts then. */
export function isInPieces<Row extends TextOfRow>(row: Row, text: unknown): row is Row & LongRow {
  return row.long !== null && text === "";
}

/** @throws CorruptionError when it is damaged, or, with its number as the cause, when pieces of it are gone */
export function* readText(
  db: Connection,
  row: LongRow,
  record: () => string,
  ...before: readonly string[]
): Generator<void, LongText, void> {
  const pieces: string[] = [];
  for (const piece of piecesOf(db, row, record, before)) {
    if (piece !== null) pieces.push(piece);
    yield;
  }
  return new LongText(pieces);
}

/** Whether a text that is kept in pieces is this one. @throws as `readText` does */
export function* isText(
  db: Connection,
  row: LongRow,
  record: () => string,
  expected: string,
  ...before: readonly string[]
): Generator<void, boolean, void> {
  let at = 0;
  for (const piece of piecesOf(db, row, record, before)) {
    if (piece !== null && expected.slice(at, at + piece.length) !== piece) return false;
    at += piece?.length ?? 0;
    yield;
  }
  return at === expected.length;
}

/** Each piece; `null` before the first one, which is not read beside what found the row. */
function* piecesOf(
  db: Connection,
  { long, checksum }: LongRow,
  record: () => string,
  before: readonly string[],
): Generator<string | null, void, void> {
  yield null;
  const bytes = db.get<{ bytes: number }>("SELECT bytes FROM long_texts WHERE id = ?", long)?.bytes;
  let sum = checksumBefore(before);
  for (let idx = 0, read = 0; bytes === undefined || read < bytes; idx++) {
    const piece = db.get<{ data: Uint8Array }>(PIECE, long, idx)?.data;
    if (piece === undefined) {
      throw new CorruptionError(`a piece of the content of ${record()} is missing`, { cause: long });
    }
    sum = crc32(piece, sum);
    read += piece.length;
    yield Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString();
  }
  if (checksum !== null && checksum !== sum) throw new CorruptionError(`the content of ${record()} is damaged`);
}

const PIECE = "SELECT CAST(data AS BLOB) AS data FROM text_pieces WHERE text = ? AND idx = ?";

/**
 * What `whole` makes of a row, of the row as it is then when its text is replaced meanwhile, and of none once it is gone: with a rollback
 * journal each step of a read sees a moment of its own. @throws CorruptionError when the same text lacks a piece twice
 */
export function* untilWhole<Row, Whole>(
  first: Row,
  again: () => Row | undefined,
  whole: (row: Row) => Generator<void, Whole, void>,
): Generator<void, Whole | undefined, void> {
  let before: unknown;
  for (let row: Row | undefined = first; row !== undefined; row = again()) {
    try {
      return yield* whole(row);
    } catch (error) {
      if (!(error instanceof CorruptionError) || error.cause === undefined || error.cause === before) throw error;
      before = error.cause;
    }
  }
  return undefined;
}
