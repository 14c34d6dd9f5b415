/** Long texts on their way into a row: their bytes and their checksum are made in slices, before the transaction. */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { Call } from "../../domain/driver/call.js";
import { EACH_STEP, Slices } from "../../domain/slices.js";

/** Characters from which on a text is long. */
const LONG = 512 * 1024;

/** Characters of one step. */
const STEP = 128 * 1024;

export interface LongText {
  /** What is stored, as a text: `CAST(? AS TEXT)`. */
  readonly bytes: Uint8Array;
  /** `checksum(...before, text)`. */
  readonly checksum: number;
}

export function isLong(text: string): boolean {
  return text.length > LONG;
}

/** The bytes of a long text, and the checksum of it with those that come before it. */
export function longText(call: Call, text: string, ...before: readonly string[]): Promise<LongText> {
  return new Slices(call, EACH_STEP).run(inSteps(text, before));
}

/** The long ones of some texts. */
export async function longTexts<Row>(
  call: Call,
  rows: readonly Row[],
  texts: (row: Row) => readonly [text: string, ...before: readonly string[]],
): Promise<ReadonlyMap<Row, LongText>> {
  const found = new Map<Row, LongText>();
  for (const row of rows) {
    const [text, ...before] = texts(row);
    if (isLong(text)) found.set(row, await longText(call, text, ...before));
  }
  return found;
}

function* inSteps(text: string, before: readonly string[]): Generator<void, LongText, void> {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  let sum = crc32(before.map((each) => `${each}\0`).join(""));
  let filled = 0;
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + STEP);
    // The half of a pair has no bytes of its own.
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end += 1;
    const written = bytes.write(text.slice(at, end), filled);
    sum = crc32(bytes.subarray(filled, filled + written), sum);
    filled += written;
    at = end;
    yield;
  }
  return { bytes, checksum: sum };
}
