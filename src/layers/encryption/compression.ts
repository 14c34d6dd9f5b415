/** Contents made smaller before they are sealed: afterwards nothing makes them smaller. */
import { Buffer } from "node:buffer";
import { packPiece, packRoot, type StoredBlock, unpackVerified } from "../../domain/segments/block.js";

/** Below, setting up costs more than it saves. */
const MIN_COMPRESSED = 192;

/** One text may not hold the event loop for long, unless its length matters: */
const MAX_COMPRESSED = 256 * 1024;

/** from here on metadata would not fit into 1 MiB, or an item's value into 16 MiB, as the text that it is sealed into. */
export const METADATA_MUST_SHRINK: number = 700 * 1024;
const VALUE_MUST_SHRINK = 11 * 1024 * 1024;

/** Without compression a content is what follows this byte, as in a block that did not shrink. */
const PLAIN = Buffer.of(0);

/** How contents are packed: `compress: false` tells nobody by its length how often a content repeats itself. */
export interface Packing {
  readonly compress: boolean;
}

/**
 * A whole content.
 * @param mustShrink bytes from which on it would not fit where it goes
 */
export function packWhole(
  content: Uint8Array,
  { compress }: Packing,
  mustShrink: number = VALUE_MUST_SHRINK,
): Uint8Array {
  const isUsual = content.length >= MIN_COMPRESSED && content.length <= MAX_COMPRESSED;
  const tries = compress && (isUsual || content.length >= mustShrink);
  return tries ? packRoot(content) : Buffer.concat([PLAIN, content]);
}

/** One of many contents that are read together, such as a message: they are unpacked at once. */
export function packOneOfMany(content: Uint8Array, packing: Packing): Uint8Array {
  return content.length > MAX_COMPRESSED ? packWhole(content, packing) : packPart(content, packing);
}

/** A piece of a state: several of them are unpacked at once. */
export function packPart(content: Uint8Array, { compress }: Packing): Uint8Array {
  return compress ? packPiece(content) : Buffer.concat([PLAIN, content]);
}

/** What packed contents hold, in their order. They have been verified: nobody else can have made them. */
export function unpackAll(packed: readonly Uint8Array[], what: string): Uint8Array[] {
  return unpackVerified(packed.map((data): StoredBlock => ({ name: what, data })));
}

/** The text of one packed content. */
export function unpackText(packed: Uint8Array, what: string): string {
  const [content] = unpackAll([packed], what);
  return Buffer.from(content as Uint8Array).toString();
}
