/** Texts in a smaller form, for a medium that keeps them whole: deflated with the keys that they often hold, where that pays. */
import { Buffer, isUtf8 } from "node:buffer";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { CorruptionError, UnsupportedError } from "../contract/errors.js";
import { DICTIONARY } from "./segments/dictionary.js";

/** Bytes of text from which on compression is tried: below, the smaller form saves less than the names around it take. */
const COMPACTED_FROM = 256;

/** Most bytes of text that are compacted: one text may not hold the event loop for long, nor a damaged one claim much memory. */
const COMPACTED_UP_TO = 256 * 1024;

/** The first byte of a compacted text says how the rest follows. Deflate, as every supported Node.js has it. */
const WITH_DICTIONARY = 1;

/** The form, and the UTF-8 bytes of the text as a number of three bytes. */
export const HEADER_BYTES = 4;

/** By the bytes that they are for: setting up a large window costs more than a short text, and a high level most for a long one. */
const SHORT = { upTo: 4 * 1024, settings: { level: 6, windowBits: 12, memLevel: 5 } };
const MIDDLE = { upTo: 32 * 1024, settings: { level: 6, windowBits: 15, memLevel: 8 } };
const LONG = { settings: { level: 1, windowBits: 15, memLevel: 8 } };

/** The bytes to store of a text, or the text itself where they would not be much less. A text has no lone surrogates, as encoded values. */
export function compactText(text: string): string | Uint8Array {
  // No character is less than a byte.
  if (text.length > COMPACTED_UP_TO) return text;
  const content = Buffer.from(text);
  if (content.length < COMPACTED_FROM || content.length > COMPACTED_UP_TO) return text;
  const { settings } = content.length <= SHORT.upTo ? SHORT : content.length <= MIDDLE.upTo ? MIDDLE : LONG;
  const deflated = deflateRawSync(content, { dictionary: DICTIONARY, ...settings });
  // Less than an eighth is not worth the time of every read.
  if (deflated.length + HEADER_BYTES >= content.length - content.length / 8) return text;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(WITH_DICTIONARY);
  header.writeUIntLE(content.length, 1, 3);
  return Buffer.concat([header, deflated]);
}

/**
 * The text that `compactText` was given. A changed byte may give another text of the same length: who keeps it has a checksum.
 * @throws CorruptionError naming the record when the bytes are none of a text of that length; UnsupportedError for a form that a
 *   newer version writes
 */
export function plainText(stored: string | Uint8Array, record: () => string): string {
  if (typeof stored === "string") return stored;
  const [form] = stored;
  if (form !== undefined && form !== WITH_DICTIONARY) {
    throw new UnsupportedError(`the content of ${record()} has the form ${form}, which this version cannot read`);
  }
  const length = textBytes(stored);
  if (length < COMPACTED_FROM || length > COMPACTED_UP_TO) throw damaged(record);
  const content = inflated(stored.subarray(HEADER_BYTES), length, record);
  if (content.length !== length || !isUtf8(content)) throw damaged(record);
  return content.toString();
}

/** The UTF-8 bytes of the text that a compacted one, or its header alone, claims to hold; 0 where there is no header. */
export function textBytes(compacted: Uint8Array): number {
  if (compacted.length < HEADER_BYTES) return 0;
  return Buffer.from(compacted.buffer, compacted.byteOffset, compacted.length).readUIntLE(1, 3);
}

function inflated(body: Uint8Array, length: number, record: () => string): Buffer {
  try {
    return inflateRawSync(body, { dictionary: DICTIONARY, maxOutputLength: length, chunkSize: length });
  } catch (error) {
    throw damaged(record, error);
  }
}

function damaged(record: () => string, cause?: unknown): CorruptionError {
  return new CorruptionError(`the content of ${record()} is damaged`, { cause });
}
