/** Values on their way in and out of a driver: a large one is encoded and decoded in slices, any other at once. */
import { decodeInSteps, decodeValue, isLongText, ValueSnapshot } from "./codec/codec.js";
import type { EncodedText } from "./codec/encoded-text.js";
import { type StoredText, storedText } from "./codec/long-text.js";
import type { Call } from "./driver/call.js";
import { EACH_STEP, Slices } from "./slices.js";
import { turnIsSpent } from "./turns.js";

/** Hands on the text of a value that was taken at the moment of the call. */
export function withText<T>(
  call: Call,
  taken: EncodedText | ValueSnapshot,
  use: (text: EncodedText) => Promise<T>,
): Promise<T> {
  return taken instanceof ValueSnapshot ? new Slices(call, EACH_STEP).run(taken.encode()).then(use) : use(taken);
}

/** Something with a value that was taken. */
export interface Taken<Stored> {
  readonly value: string | ValueSnapshot;
  readonly stored: (text: StoredText) => Stored;
}

/** Hands on what is stored, in its order. */
export function withTexts<Stored, T>(
  call: Call,
  taken: readonly Taken<Stored>[],
  use: (stored: readonly Stored[]) => Promise<T>,
): Promise<T> {
  if (taken.some(({ value }) => value instanceof ValueSnapshot)) return encodeAll(call, taken).then(use);
  return use(taken.map(({ value, stored }) => stored(value as string)));
}

async function encodeAll<Stored>(call: Call, taken: readonly Taken<Stored>[]): Promise<Stored[]> {
  const slices = new Slices(call, EACH_STEP);
  const all: Stored[] = [];
  for (const { value, stored } of taken) {
    all.push(stored(typeof value === "string" ? value : storedText(await slices.run(value.encode()))));
    if (slices.over()) await slices.next();
  }
  return all;
}

/** Bytes of a text that is put together beside other work. */
const TOGETHER_AT_ONCE = 256 * 1024;

/** The text of a value that was taken. Putting a long one together is one step. */
export async function textOf(
  slices: Slices,
  value: { readonly encode: () => Generator<void, EncodedText, void> },
): Promise<string> {
  const encoded = await slices.run(value.encode());
  if (encoded.bytes <= TOGETHER_AT_ONCE) return String(encoded);
  await slices.next();
  const text = String(encoded);
  await slices.next();
  return text;
}

/** Decodes a stored value, in steps if it is long. @throws CorruptionError */
export function* decoding(text: StoredText): Generator<void, unknown, void> {
  return isLongText(text) ? yield* decodeInSteps(text) : decodeValue(String(text));
}

/** How stored rows become what callers see. */
export interface RowDecoder<Row, T> {
  readonly isLong: (row: Row) => boolean;
  readonly decode: (row: Row) => T;
  readonly inSteps: (row: Row) => Generator<void, T, void>;
}

/** What becomes of one row: at once, unless it is long, or other work has taken the time of this turn. */
export function decodeRow<Row, T>(
  call: Call,
  row: Row,
  { isLong, decode, inSteps }: RowDecoder<Row, T>,
): T | Promise<T> {
  if (isLong(row)) return decodeLong(call, inSteps(row));
  return turnIsSpent() ? new Slices(call).next().then(() => decode(row)) : decode(row);
}

/** In a turn of its own: what came before it may have taken its time. */
async function decodeLong<T>(call: Call, decoding: Generator<void, T, void>): Promise<T> {
  const slices = new Slices(call, EACH_STEP);
  await slices.next();
  return slices.run(decoding);
}

/** What becomes of each row, in the order of the rows. */
export async function decodeRows<Row, T>(call: Call, rows: readonly Row[], decoder: RowDecoder<Row, T>): Promise<T[]> {
  const slices = new Slices(call, EACH_STEP, true);
  const results: T[] = [];
  for (const row of rows) {
    results.push(decoder.isLong(row) ? await decodeRow(call, row, decoder) : decoder.decode(row));
    if (slices.over()) await slices.next();
  }
  return results;
}
