/** The stored form of a block: its hash as its name, and its bytes, compressed where that pays (K5). */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";

/** Bytes of a name: the first 128 bits of the SHA-256 of the content. */
export const NAME_BYTES = 16;

/** The longest content that a block may claim: far more than the longest piece. */
const MAX_CONTENT = 4 * 1024 * 1024;

/** Content from which on compression is tried. */
const COMPRESSED_FROM = 1024;

/** The first byte of a stored block says how its content follows. Deflate, as every supported Node.js has it. */
const PLAIN = 0;
const DEFLATED = 1;

/** For content that fits its small window: setting up the large one costs more than compressing. */
const SMALL_WINDOW = { windowBits: 12, memLevel: 5 };
const LARGE_WINDOW = { windowBits: 15, memLevel: 8 };

/** The name of a content: 32 hexadecimal digits. */
export function blockName(content: Uint8Array): string {
  return hash("sha256", content, "buffer").toString("hex", 0, NAME_BYTES);
}

/** The bytes to store. */
export function packBlock(content: Uint8Array): Uint8Array {
  if (content.length >= COMPRESSED_FROM) {
    const window = content.length <= 4096 ? SMALL_WINDOW : LARGE_WINDOW;
    const deflated = deflateRawSync(content, { level: 6, ...window });
    // Less than an eighth is not worth the time of every read.
    if (deflated.length < content.length - content.length / 8) return Buffer.concat([Buffer.of(DEFLATED), deflated]);
  }
  return Buffer.concat([Buffer.of(PLAIN), content]);
}

/**
 * The content of a block, verified.
 * @throws CorruptionError unless it is the content of that name; UnsupportedError for a form that a newer version writes
 */
export function unpackBlock(name: string, stored: Uint8Array): Uint8Array {
  const content = contentOf(name, stored);
  if (blockName(content) !== name) throw damagedBlock(name);
  return content;
}

function contentOf(name: string, stored: Uint8Array): Uint8Array {
  const body = stored.subarray(1);
  if (stored[0] === PLAIN) return body;
  if (stored[0] !== DEFLATED) {
    if (stored[0] === undefined) throw damagedBlock(name);
    throw new UnsupportedError(`a block of a checkpoint has the form ${stored[0]}, which this version cannot read`);
  }
  try {
    return inflateRawSync(body, { maxOutputLength: MAX_CONTENT });
  } catch (error) {
    throw damagedBlock(name, error);
  }
}

function damagedBlock(name: string, cause?: unknown): CorruptionError {
  return new CorruptionError(`block ${name} of a checkpoint's state is damaged`, { cause });
}
