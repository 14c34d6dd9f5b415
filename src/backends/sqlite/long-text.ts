/** Long texts on their way into the store: their pieces and their checksum are made in steps, where it can be before the transaction. */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { Call } from "../../domain/driver/call.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { endOfPiece } from "../../domain/text-pieces.js";

/** Characters from which on a text is long: it is kept in pieces. A row of this length takes some 2 ms to write or to read. */
const LONG = 1024 * 1024;

/** Characters of a piece. */
const PIECE = 256 * 1024;

/** A text that is too long for a row. */
export interface LongText {
  /** In UTF-8. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  /** `checksum(...before, text)`. */
  readonly checksum: number;
}

export function isLong(text: string): boolean {
  return text.length > LONG;
}

/** The long ones of some texts; the checksum of each is that of it with those that come before it. */
export async function longTexts<Row>(
  call: Call,
  rows: readonly Row[],
  texts: (row: Row) => readonly [text: string, ...before: readonly string[]],
): Promise<ReadonlyMap<Row, LongText>> {
  const found = new Map<Row, LongText>();
  for (const row of rows) {
    const [text, ...before] = texts(row);
    if (isLong(text)) found.set(row, await new Slices(call, EACH_STEP).run(cutText(text, ...before)));
  }
  return found;
}

/** The pieces of a long text, with a pause after each. */
export function* cutText(text: string, ...before: readonly string[]): Generator<void, LongText, void> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let sum = checksumBefore(before);
  for (let at = 0; at < text.length; ) {
    const end = endOfPiece(text, at + PIECE);
    const piece = Buffer.from(text.slice(at, end));
    sum = crc32(piece, sum);
    bytes += piece.length;
    pieces.push(piece);
    at = end;
    yield;
  }
  return { pieces, bytes, checksum: sum };
}

/** The checksum of the texts before another one, to go on from. */
export function checksumBefore(texts: readonly string[]): number {
  return crc32(texts.map((each) => `${each}\0`).join(""));
}
