/** Long texts on their way into the store: their pieces and their checksum are made in steps, where it can be before the transaction. */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { isLong, type StoredText, TextWindow } from "../../domain/codec/long-text.js";
import type { Call } from "../../domain/driver/call.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";
import { endOfPiece } from "../../domain/text-pieces.js";

/** Characters of a piece. */
const PIECE = 256 * 1024;

/** A text that is too long for a row. */
export interface CutText {
  /** In UTF-8. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  /** `checksum(...before, text)`. */
  readonly checksum: number;
}

/** The long ones of some texts; the checksum of each is that of it with those that come before it. */
export async function longTexts<Row>(
  call: Call,
  rows: readonly Row[],
  texts: (row: Row) => readonly [text: StoredText, ...before: readonly string[]],
): Promise<ReadonlyMap<Row, CutText>> {
  const found = new Map<Row, CutText>();
  for (const row of rows) {
    const [text, ...before] = texts(row);
    if (isLong(text)) found.set(row, await new Slices(call, EACH_STEP).run(cutText(text, ...before)));
  }
  return found;
}

/** The pieces of a long text, with a pause after each. */
export function* cutText(text: StoredText, ...before: readonly string[]): Generator<void, CutText, void> {
  const window = new TextWindow(text);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let sum = checksumBefore(before);
  for (let at = 0; at < text.length; ) {
    const end = endOfPiece(window, at + PIECE);
    const piece = Buffer.from(window.slice(at, end));
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
