/** The stored form of a block: its hash as its name, and its bytes, compressed where that pays (K5). */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";
import { DICTIONARY } from "./dictionary.js";

/** Bytes of a name: the first 128 bits of the SHA-256 of the content. */
export const NAME_BYTES = 16;

/** The longest content that a block may claim: far more than the longest piece. */
const MAX_CONTENT = 64 * 1024 * 1024;

/** Content from which on compression is tried. */
const COMPRESSED_FROM = 256;

/** The first byte of a stored block says how its content follows. Deflate, as every supported Node.js has it. */
const PLAIN = 0;
/** Deflated, for itself and open at its end: several of them, one behind the other, are one stream. */
const OPEN = 1;
/** Deflated with the dictionary. */
const WITH_DICTIONARY = 2;

/** What ends an open segment, left out of its stored form, and what ends a stream. */
const SYNC_MARK = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const STREAM_END = Buffer.from([0x03, 0x00]);

/** For content that fits its small window: setting up the large one costs more than compressing. */
const SMALL_WINDOW = { windowBits: 12, memLevel: 5 };
const LARGE_WINDOW = { windowBits: 15, memLevel: 8 };

/** Bytes of the form and of the length before the bytes of an open segment. */
const OPEN_HEADER = 5;

/** The name of a content: 32 hexadecimal digits. */
export function blockName(content: Uint8Array): string {
  return hash("sha256", content, "buffer").toString("hex", 0, NAME_BYTES);
}

/** Whether a name is that of a content; half of the time that a name to keep takes, and a read does it for each block. */
function isNameOf(name: string, content: Uint8Array): boolean {
  return name.length === 2 * NAME_BYTES && hash("sha256", content, "hex").startsWith(name);
}

/** The bytes to store of a piece of text. */
export function packPiece(content: Uint8Array): Uint8Array {
  if (content.length >= COMPRESSED_FROM) {
    const window = content.length <= 4096 ? SMALL_WINDOW : LARGE_WINDOW;
    const deflated = deflateRawSync(content, {
      level: 6,
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: roomFor(content),
      ...window,
    });
    const body = deflated.subarray(0, deflated.length - SYNC_MARK.length);
    // Less than an eighth is not worth the time of every read.
    if (body.length + OPEN_HEADER < content.length - content.length / 8) {
      const header = Buffer.allocUnsafe(OPEN_HEADER);
      header[0] = OPEN;
      header.writeUInt32LE(content.length, 1);
      return Buffer.concat([header, body]);
    }
  }
  return Buffer.concat([Buffer.of(PLAIN), content]);
}

/** The bytes to store of a root: names do not shrink, the texts between them do. */
export function packRoot(content: Uint8Array): Uint8Array {
  const window = content.length + DICTIONARY.length <= 4096 ? SMALL_WINDOW : LARGE_WINDOW;
  const deflated = deflateRawSync(content, {
    level: 6,
    dictionary: DICTIONARY,
    chunkSize: roomFor(content),
    ...window,
  });
  if (deflated.length < content.length - 8) return Buffer.concat([Buffer.of(WITH_DICTIONARY), deflated]);
  return packNode(content);
}

/** Room for what deflate makes of a content at once: it takes 16 KiB otherwise, several times a step. */
function roomFor({ length }: Uint8Array): number {
  return Math.max(64, length + (length >> 3) + 16);
}

/** The bytes to store of a node, which is names and nothing else. */
export function packNode(content: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(PLAIN), content]);
}

/** A stored block and its name. */
export interface StoredBlock {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * The contents of blocks, verified, in their order.
 * @throws CorruptionError unless each is the content of its name; UnsupportedError for a form that a newer version writes
 */
export function unpackBlocks(blocks: readonly StoredBlock[]): Uint8Array[] {
  const contents = unpackVerified(blocks);
  return contents.map((content, i) => {
    const { name } = blocks[i] as StoredBlock;
    if (!isNameOf(name, content)) throw damagedBlock(name);
    return content;
  });
}

/**
 * The contents of blocks, in their order, for who has verified their bytes in another way: a name is for errors alone.
 * @throws as `unpackBlocks` does for bytes that are no block's
 */
export function unpackVerified(blocks: readonly StoredBlock[]): Uint8Array[] {
  const open = blocks.filter(({ data }) => data[0] === OPEN);
  const inflated = open.length > 1 ? inflatedTogether(open) : null;
  return blocks.map(
    ({ name, data }) => (data[0] === OPEN ? inflated?.next().value : undefined) ?? contentOf(name, data),
  );
}

/** All segments in one stream, as setting one up costs more than a short segment; `null` if one of them is damaged. */
function inflatedTogether(open: readonly StoredBlock[]): Generator<Uint8Array, undefined, void> | null {
  const lengths = open.map(({ data }) => lengthOf(data));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > MAX_CONTENT * 16) return null;
  const stream = open.flatMap(({ data }) => [data.subarray(OPEN_HEADER), SYNC_MARK]);
  const contents = inflate(Buffer.concat([...stream, STREAM_END]), total);
  if (contents?.length !== total) return null;
  return slicesOf(contents, lengths);
}

function* slicesOf(contents: Uint8Array, lengths: readonly number[]): Generator<Uint8Array, undefined, void> {
  let start = 0;
  for (const length of lengths) {
    yield contents.subarray(start, start + length);
    start += length;
  }
  return undefined;
}

function inflate(stream: Uint8Array, length: number): Uint8Array | null {
  try {
    return inflateRawSync(stream, { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length) });
  } catch {
    // Alone, each segment is inflated again, and the damaged one is named.
    return null;
  }
}

function contentOf(name: string, data: Uint8Array): Uint8Array {
  const [form] = data;
  if (form === PLAIN) return data.subarray(1);
  if (form !== OPEN && form !== WITH_DICTIONARY) {
    if (form === undefined) throw damagedBlock(name);
    throw new UnsupportedError(`a block of a checkpoint has the form ${form}, which this version cannot read`);
  }
  try {
    if (form === WITH_DICTIONARY) {
      return inflateRawSync(data.subarray(1), { dictionary: DICTIONARY, maxOutputLength: MAX_CONTENT });
    }
    const stream = Buffer.concat([data.subarray(OPEN_HEADER), SYNC_MARK, STREAM_END]);
    return inflateRawSync(stream, { maxOutputLength: MAX_CONTENT });
  } catch (error) {
    throw damagedBlock(name, error);
  }
}

/** About how many bytes the content of a stored block has: as many as it claims. */
export function contentBytes(data: Uint8Array): number {
  return data[0] === OPEN ? Math.max(lengthOf(data), data.length) : data.length;
}

/** The length that an open segment claims to have. */
function lengthOf(data: Uint8Array): number {
  return data.length < OPEN_HEADER ? 0 : Buffer.from(data.buffer, data.byteOffset, data.length).readUInt32LE(1);
}

function damagedBlock(name: string, cause?: unknown): CorruptionError {
  return new CorruptionError(`block ${name} of a checkpoint's state is damaged`, { cause });
}
