/**
 * Where a text is cut into pieces: at places that its own content chooses, so that a change moves only the cuts beside it. The last
 * 32 bytes decide, whatever stands before them: what is removed at the front or inserted in the middle leaves the rest as it was.
 */

/** No piece is shorter, except the last one. */
const MIN_BYTES = 512;

/** How long pieces are by the length of the text: a very long one would have too many of the short ones. */
const CLASSES: readonly { readonly below: number; readonly bits: number; readonly maxBytes: number }[] = [
  { below: 4 * 1024 * 1024, bits: 11, maxBytes: 16 * 1024 },
  { below: 32 * 1024 * 1024, bits: 14, maxBytes: 128 * 1024 },
  { below: Number.POSITIVE_INFINITY, bits: 16, maxBytes: 512 * 1024 },
];

/** Bytes that a cut depends on: older ones have left the 32 bits of the sum. */
const WINDOW = 32;

/** A fixed random number for each byte. Another table cuts elsewhere: texts stored with this one would share nothing with new ones. */
const GEAR: Int32Array = gearTable();

/** The ends of the pieces of a text, ascending; the last one is its length. */
export function cutPoints(bytes: Uint8Array): number[] {
  return [...nextCuts(bytes)];
}

/** As `cutPoints`, each looked for when it is asked for. */
export function* nextCuts(bytes: Uint8Array): Generator<number, void, void> {
  const length = bytes.length;
  const { bits, maxBytes } = CLASSES.find(({ below }) => length < below) ?? { bits: 16, maxBytes: 512 * 1024 };
  const shift = 32 - bits;
  let start = 0;
  while (length - start > MIN_BYTES) {
    const end = Math.min(length, start + maxBytes);
    let at = start + MIN_BYTES - WINDOW;
    const first = start + MIN_BYTES;
    let sum = 0;
    for (; at < first; at++) sum = ((sum << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    while (at < end && sum >>> shift !== 0) {
      sum = ((sum << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      at++;
    }
    yield at;
    start = at;
  }
  if (start < length || length === 0) yield length;
}

/** By a small generator of its own (mulberry32), so that the table needs no room here. */
function gearTable(): Int32Array {
  const table = new Int32Array(256);
  let state = 0x77617973;
  for (let i = 0; i < table.length; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    table[i] = mixed ^ (mixed >>> 14);
  }
  return table;
}
