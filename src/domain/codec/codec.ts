/** The lossless codec for contents, checkpoint data, writes and contexts: every value to text and back (V1, V3). */
import { Buffer } from "node:buffer";
import { CorruptionError, InvalidArgumentError, SerializationError } from "../../contract/errors.js";
import type { JsonValue } from "../../contract/json.js";
import { Intake } from "../intake.js";
import { runAtOnce } from "../slices.js";
import { EncodedText, isRow, type RowStretch, type Stretch, TextParts, ValueRow } from "./encoded-text.js";
import {
  DEFAULT_MAX_BYTES,
  DOCUMENT_KEY,
  FORMAT_VERSION,
  isDocument,
  type Json,
  MAX_DEPTH,
  malformed,
  TAG_KEY,
} from "./format.js";
import { checkOriginals } from "./late-checks.js";
import { levelsOf } from "./levels.js";
import { type StoredText, storedText, TextWindow } from "./long-text.js";
import { parseInSteps } from "./parse-in-steps.js";
import { isPlainJson, WORK_AT_ONCE, wasTooMuchWork, workLeftOver } from "./plain.js";
import { isPlainJsonInSteps } from "./plain-in-steps.js";
import { PreparedValue, stringifyAround, type TextAround } from "./prepared-value.js";
import { contentOf, fromDocument, isDeeper } from "./read.js";
import { reviveInSteps } from "./read-in-steps.js";
import type { Tape } from "./tape.js";
import { textOfTape } from "./tape-text.js";
import { writeTape } from "./tape-writer.js";
import { textInSteps } from "./text-in-steps.js";
import { NOTHING_AROUND, type Surroundings } from "./text-sink.js";
import { toStorable, toStorableIfSmall } from "./write.js";

/** Bounds of one encoded value. */
export interface CodecLimits {
  /** Most levels of nested arrays and objects in the text, from 1 to 1000. Default 1000. A Map counts as three levels, a Set as two. */
  readonly maxDepth?: number | undefined;
  /** Most bytes of the text in UTF-8. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
}

/**
 * Encodes a value as JSON text that decodes to an equal value (V1). The text has no NUL and no lone surrogate.
 *
 * - Plain JSON becomes exactly the text of `JSON.stringify`; anything else becomes a document with tagged nodes.
 * - Kept: JSON, `undefined`, bigint, NaN, ±Infinity, -0, Date (invalid ones too), RegExp, URL, Map, Set, typed arrays, DataView,
 *   ArrayBuffer, Buffer, objects without prototype, and Error of the built-in kinds with its own properties.
 * - What counts of an object are its own enumerable properties; of an error also `name`, `message`, `stack`, `cause`, `errors`.
 * - A shared reference is stored once for each place where it stands.
 * @throws SerializationError with the path of what cannot be kept: functions, symbols and symbol keys, instances of classes,
 *   holes and further properties of arrays, cycles, shared or resizable memory, and values beyond the limits
 */
export function encodeValue(value: unknown, limits?: CodecLimits): string {
  const maxDepth = limits?.maxDepth ?? MAX_DEPTH;
  const maxBytes = limits?.maxBytes ?? DEFAULT_MAX_BYTES;
  if (limits !== undefined) checkLimits(maxDepth, maxBytes);
  const text = plainText(value, maxDepth);
  if (text === undefined) return String(thoroughText(value, maxDepth, maxBytes));
  // At most three bytes a UTF-16 unit: only long texts are measured.
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) throw tooLarge(maxBytes);
  return text;
}

/** Like `encodeValue`, the text in its parts: each prepared value in it is one. @throws SerializationError as `encodeValue` does */
export function encodeText(value: unknown): EncodedText {
  const text = plainText(value, MAX_DEPTH);
  if (text === undefined) return thoroughText(value, MAX_DEPTH, DEFAULT_MAX_BYTES);
  return measured(EncodedText.of(text), DEFAULT_MAX_BYTES);
}

/** A large value as it was at one moment. Its text is made in steps, whatever becomes of the value since. */
export class ValueSnapshot {
  readonly #tape: Tape;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  /** The text that `encodeText` gives, in steps of so many characters. @throws SerializationError for one that is too long */
  *encode(step?: number): Generator<void, EncodedText, void> {
    const tape = this.#tape;
    yield* checkOriginals(tape);
    return measured(
      yield* textOfTape(tape, tape.inDocument ? DOCUMENT_AROUND : NOTHING_AROUND, step),
      DEFAULT_MAX_BYTES,
    );
  }
}

/** As `takeText`, the text as it is stored beside others. */
export function takeValue(value: unknown, intake: Intake = new Intake()): string | ValueSnapshot {
  const text = plainTextAtOnce(value, intake);
  // At most three bytes a UTF-16 unit, and a character of the text is counted as work.
  if (text !== undefined && text.length * 3 <= DEFAULT_MAX_BYTES) return text;
  const taken = text === undefined ? takeOther(value, intake) : measured(EncodedText.of(text), DEFAULT_MAX_BYTES);
  return taken instanceof ValueSnapshot ? taken : String(taken);
}

/**
 * Like `encodeText`, for a value that may be large: of such a one only a copy is taken at once, and of values of which there are many.
 * @param intake of the call that the value is given to, with others
 * @throws SerializationError as `encodeValue` does, but for text that only its escapes or its bytes in UTF-8 make too long
 */
export function takeText(value: unknown, intake: Intake = new Intake()): EncodedText | ValueSnapshot {
  const text = plainTextAtOnce(value, intake);
  return text === undefined ? takeOther(value, intake) : measured(EncodedText.of(text), DEFAULT_MAX_BYTES);
}

/** What `plainTextAtOnce` leaves, right behind it: a value that is not plain, or is more than may be encoded at once. */
function takeOther(value: unknown, intake: Intake): EncodedText | ValueSnapshot {
  if (value instanceof PreparedValue) return encodeText(value);
  if (!wasTooMuchWork() && !intake.isSpent) {
    const small = toStorableIfSmall(value, MAX_DEPTH);
    const text = small === undefined ? undefined : textOfTree(small, DEFAULT_MAX_BYTES);
    intake.spend(text === undefined ? WORK.vain : WORK.document + WORK.byte * text.bytes);
    if (text !== undefined) return text;
  }
  const tape = writeTape(value, { ...LIMITS, written: intake.written });
  if (tape === null) return encodeText(value);
  const snapshot = new ValueSnapshot(tape);
  if (tape.isLarge || intake.isSpent) return snapshot;
  const text = runAtOnce(snapshot.encode());
  intake.spend(WORK.document + WORK.byte * text.bytes);
  return text;
}

/** What the thorough ways to encode at once count for, in the work of the check of plain JSON: each, each byte of the text, and one that met too much. */
const WORK = { document: 2_048, byte: 4, vain: 1_000_000 };

function plainTextAtOnce(value: unknown, intake: Intake): string | undefined {
  const { mostWork } = intake;
  const text = plainText(value, MAX_DEPTH, mostWork);
  intake.spend(mostWork - workLeftOver());
  return text;
}

/**
 * Encodes a value as it is now, to be stored any number of times as a part of other values. What is stored then is what was
 * prepared, whatever becomes of the value since, and no time is spent on it again.
 * @throws SerializationError as `encodeValue` does
 */
export function prepareValue(value: unknown): PreparedValue {
  const inArray = textInArray(value);
  const isPlain = inArray.parts[0]?.startsWith("[") === true;
  const plain = isPlain ? inArray.slice(1, 1) : null;
  const sameInDocument = plain !== null && !plain.parts.some((part) => part.includes(`"${TAG_KEY}":`));
  const tagged = sameInDocument ? plain : textInDocument(value);
  return new PreparedValue({ plain, tagged, levels: levelsOf(String(tagged)) });
}

/** A list of prepared values, and the whole of it prepared. */
export interface PreparedList {
  readonly items: readonly PreparedValue[];
  readonly prepared: PreparedValue;
}

/**
 * The array of prepared values, itself prepared, in time that follows their number and not their size; with an earlier list that it
 * begins with, but for a look at each in time that follows what was added.
 */
export function prepareList(items: readonly PreparedValue[], before?: PreparedList): PreparedValue {
  const known = before !== undefined && beginsWith(items, before.items) ? before : undefined;
  return listGoingOn(items.slice(known?.items.length ?? 0), known?.prepared);
}

function beginsWith(items: readonly PreparedValue[], first: readonly PreparedValue[]): boolean {
  return first.length <= items.length && first.every((item, i) => item === items[i]);
}

/** A prepared array that goes on from another one, with no look at what that one holds. */
export function listGoingOn(added: readonly PreparedValue[], before?: PreparedValue): PreparedValue {
  if (before !== undefined && added.length === 0) return before;
  const texts = added.map(PreparedValue.textsOf);
  const earlier = before === undefined ? undefined : PreparedValue.textsOf(before);
  const tagged = listText(
    earlier?.tagged,
    texts.map((each) => each.tagged),
  );
  const isPlain = earlier?.plain !== null && texts.every((each) => each.plain !== null);
  const isSame = isPlain && earlier?.plain === earlier?.tagged && texts.every((each) => each.plain === each.tagged);
  const plain = isSame
    ? tagged
    : isPlain
      ? listText(
          earlier?.plain ?? undefined,
          texts.map((each) => each.plain ?? each.tagged),
        )
      : null;
  const levels = texts.reduce((most, each) => Math.max(most, 1 + each.levels), earlier?.levels ?? 1);
  return new PreparedValue({ plain, tagged, levels });
}

/** The text of a list that goes on from another one: its elements are a row, unless one of them is made of several parts. */
function listText(before: EncodedText | undefined, added: readonly EncodedText[]): EncodedText {
  const earlier = before === undefined || before.bytes === EMPTY_LIST_BYTES ? NO_ROW : before.row;
  const areWhole = added.length > 0 && added.every(({ stretches }) => stretches.length === 1 && isOne(stretches[0]));
  if (earlier !== undefined && areWhole) {
    const commas = added.length - (earlier.count === 0 ? 1 : 0);
    const bytes = added.reduce((sum, each) => sum + each.bytes, (before?.bytes ?? EMPTY_LIST_BYTES) + commas);
    return EncodedText.ofRow(longerRow(earlier, added), bytes);
  }
  const goesOn = before !== undefined && before.bytes > EMPTY_LIST_BYTES;
  const text = goesOn ? TextParts.of(before.slice(0, 1)) : new TextParts("[");
  for (const [i, item] of added.entries()) {
    if (goesOn || i > 0) text.addLoose(",");
    text.addPrepared(item);
  }
  text.addLoose("]");
  return text.encoded();
}

const EMPTY_LIST_BYTES = 2;
const NO_ROW: RowStretch = { row: new ValueRow([]), count: 0 };

function isOne(stretch: Stretch | undefined): boolean {
  return stretch !== undefined && !isRow(stretch) && stretch.length === 1;
}

/** Adds to the row, or to a copy where another list has gone on from it already. */
function longerRow({ row, count }: RowStretch, added: readonly EncodedText[]): RowStretch {
  const longer = count > 0 && row.parts.length === count ? row : new ValueRow(row.parts.slice(0, count));
  for (const item of added) {
    if (longer.parts.length > 0) longer.parts.push(",");
    longer.parts.push(String(item));
  }
  return { row: longer, count: longer.parts.length };
}

/** A fresh copy of a prepared value. */
export function copyOfPrepared(value: PreparedValue): unknown {
  const { plain, tagged } = PreparedValue.textsOf(value);
  return plain === null ? decodeValue(`${DOCUMENT_START}${tagged}}`) : JSON.parse(String(plain));
}

/**
 * Decodes what `encodeValue` has written. No class is looked up and no code named by the text runs (V3).
 * @throws CorruptionError for any other text
 */
export function decodeValue(text: string): unknown {
  const root = parse(text);
  if (isDocument(root)) return decodeDocument(root);
  // A text of n levels has at least 2n characters.
  if (text.length > 2 * MAX_DEPTH && isDeeper(root, MAX_DEPTH)) throw malformed(`more than ${MAX_DEPTH} levels deep`);
  return root;
}

/** Characters of text that are decoded at once. */
const DECODED_AT_ONCE = 1024 * 1024;

/** Whether the text of a value is so long that it is decoded in steps. */
export function isLongText(text: StoredText): boolean {
  return text.length > DECODED_AT_ONCE;
}

/** As `decodeValue`, in steps of so many characters. @throws CorruptionError */
export function* decodeInSteps(text: StoredText, step?: number): Generator<void, unknown, void> {
  const looksLikeDocument = new TextWindow(text).slice(0, DOCUMENT_START.length) === DOCUMENT_START;
  const parsed = yield* parseInSteps(text, step, looksLikeDocument);
  if (parsed === null) return decodeValue(String(text));
  const { root, levels, heavy } = parsed;
  if (isDocument(root)) return yield* decodeDocumentInSteps(root, heavy);
  if (levels > MAX_DEPTH) throw malformed(`more than ${MAX_DEPTH} levels deep`);
  return root;
}

/**
 * The JSON form of an encoded value, for a portable record: what a program in another language reads.
 * @throws CorruptionError if the text is not JSON
 */
export function toPortable(text: string): JsonValue {
  return parse(text);
}

/** As `toPortable`, in steps. @throws CorruptionError */
export function* toPortableInSteps(text: StoredText): Generator<void, JsonValue, void> {
  const parsed = yield* parseInSteps(text);
  return parsed === null ? parse(String(text)) : (parsed.root as JsonValue);
}

/**
 * The encoded text of a value from a portable record; for one that `toPortable` made, the very text it was made of.
 * @throws CorruptionError if it is JSON that `encodeValue` does not write
 * @throws SerializationError if it is not even JSON
 */
export function fromPortable(json: unknown): string {
  // In an array, so that a document is taken for the object it is.
  const thorough = (): string =>
    withPathOf(
      () => String(thoroughText([json], MAX_DEPTH + 2, DEFAULT_MAX_BYTES + 2)),
      () => thoroughText(json, MAX_DEPTH + 1, DEFAULT_MAX_BYTES),
    );
  const text = plainText([json], MAX_DEPTH + 2) ?? thorough();
  if (!text.startsWith("[")) throw malformed("a portable value that is not plain JSON");
  return encodeValue(decodeValue(text.slice(1, -1)));
}

/** Whether `fromPortable` takes so long that `fromPortableInSteps` does better. */
export function isLargePortable(json: unknown): boolean {
  return !isPlainJson(json, MAX_DEPTH + 1, WORK_AT_ONCE);
}

/**
 * As `fromPortable`, in steps, for a value that nobody changes meanwhile; the text and what it says. The limits on how many arrays and objects there are are
 * not asked: values that hold prepared ones may have more.
 * @throws CorruptionError, SerializationError
 */
export function* fromPortableInSteps(json: unknown): Generator<void, { text: StoredText; value: unknown }, void> {
  if (!(yield* isPlainJsonInSteps(json, MAX_DEPTH + 1))) {
    const text = fromPortable(json);
    return { text, value: decodeValue(text) };
  }
  const text = storedText(measured(yield* textInSteps(json as Json), DEFAULT_MAX_BYTES));
  return { text, value: yield* decodeInSteps(text) };
}

const LIMITS = { maxDepth: MAX_DEPTH, maxBytes: DEFAULT_MAX_BYTES };

const DOCUMENT_START = `{"${DOCUMENT_KEY}":${FORMAT_VERSION},"value":`;

const DOCUMENT_AROUND: Surroundings = { before: DOCUMENT_START, behind: "}", inDocument: true };

/** Inside an array plain JSON stays what it is, also where it looks like a document. */
function textInArray(value: unknown): EncodedText {
  return withPathOf(
    () => encodeText([value]),
    () => encodeText(value),
  );
}

/** What is refused inside an array says where by its path without the array. */
function withPathOf<T>(inArray: () => T, alone: () => unknown): T {
  try {
    return inArray();
  } catch (error) {
    alone();
    throw error;
  }
}

/** The text of a value as it stands inside a document. */
function textInDocument(value: unknown): EncodedText {
  // The second one makes a document of any array.
  return encodeText([value, undefined]).slice(DOCUMENT_START.length + 1, UNDEFINED_BEHIND.length);
}

const UNDEFINED_BEHIND = `,{"${TAG_KEY}":"undefined"}]}`;

/** The text of plain JSON, `undefined` if the value is not known to be plain. */
function plainText(value: unknown, maxDepth: number, mostWork?: number): string | undefined {
  try {
    if (!isPlainJson(value, maxDepth, mostWork) || isDocument(value)) return undefined;
    return JSON.stringify(value);
  } catch {
    // A getter has thrown, or the text has no room in a string: the thorough encoder meets it again and says where.
    return undefined;
  }
}

function thoroughText(value: unknown, maxDepth: number, maxBytes: number): EncodedText {
  if (value instanceof PreparedValue) return thoroughText(copyOfPrepared(value), maxDepth, maxBytes);
  return textOfTree(toStorable(value, maxDepth, maxBytes), maxBytes);
}

function textOfTree(tree: Json, maxBytes: number): EncodedText {
  let around: TextAround | undefined;
  try {
    around = stringifyAround(tree);
  } catch (error) {
    // Escapes can make a text six times longer than was counted, more than the longest string.
    if (error instanceof RangeError) throw tooLarge(maxBytes, error);
    throw new SerializationError("$", "a value that cannot be read cannot be stored", { cause: error });
  }
  if (around === undefined) throw new SerializationError("$", "a value that changes while it is read cannot be stored");
  return measured(joined(around), maxBytes);
}

/** The texts and the prepared values between them, in the form that goes with the whole. */
function joined({ texts: [first = "", ...rest], values }: TextAround): EncodedText {
  const inDocument = first.startsWith(DOCUMENT_START);
  const text = new TextParts(first);
  for (const [i, value] of values.entries()) {
    const { plain, tagged } = PreparedValue.textsOf(value);
    text.addPrepared(inDocument || plain === null ? tagged : plain);
    text.addLoose(rest[i] ?? "");
  }
  return text.encoded();
}

function measured(text: EncodedText, maxBytes: number): EncodedText {
  if (text.bytes > maxBytes) throw tooLarge(maxBytes);
  return text;
}

function tooLarge(maxBytes: number, cause?: unknown): SerializationError {
  return new SerializationError("$", `a value of more than ${maxBytes} bytes cannot be stored`, { cause });
}

function checkLimits(maxDepth: number, maxBytes: number): void {
  if (!Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > MAX_DEPTH) {
    throw new InvalidArgumentError(`maxDepth must be an integer from 1 to ${MAX_DEPTH}`);
  }
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1)
    throw new InvalidArgumentError("maxBytes must be a positive integer");
}

function parse(text: string): Json & JsonValue {
  if (typeof text !== "string") throw malformed("it is no text");
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and contents stay out of errors.
    throw malformed("it is not JSON");
  }
}

function decodeDocument(root: { [key: string]: Json }): unknown {
  try {
    return fromDocument(root);
  } catch (error) {
    throw unreadable(error);
  }
}

function* decodeDocumentInSteps(
  root: { [key: string]: Json },
  heavy: ReadonlySet<object>,
): Generator<void, unknown, void> {
  try {
    return yield* reviveInSteps(contentOf(root), 0, heavy);
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): CorruptionError {
  return error instanceof CorruptionError
    ? error
    : new CorruptionError("the stored value cannot be read", { cause: error });
}
