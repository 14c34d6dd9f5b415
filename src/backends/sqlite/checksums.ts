/** Checksums of contents: a bit that flipped on the disk is reported, never returned. A person who edits a row sets it to NULL. */
import { crc32 } from "node:zlib";
import { CorruptionError } from "../../contract/errors.js";

export function checksum(...texts: readonly string[]): number {
  return crc32(texts.length === 1 ? (texts[0] as string) : texts.join("\0"));
}

/** @throws CorruptionError naming the record */
export function assertIntact(stored: number | null, record: () => string, ...texts: readonly string[]): void {
  if (stored !== null && stored !== checksum(...texts))
    throw new CorruptionError(`the content of ${record()} is damaged`);
}
