/** Restoring a state from its manifest and its blocks, byte for byte or not at all (K5). */
import { Buffer } from "node:buffer";
import { CorruptionError } from "../../contract/errors.js";
import { unpackBlock } from "./block.js";
import { rootOf } from "./manifest.js";
import { childrenOf } from "./node.js";

/** Looks a stored block up. */
export type ReadBlock = (name: string) => Uint8Array | undefined;

/**
 * The text that `splitState` was given.
 * @throws CorruptionError when a block is missing, damaged or not where it belongs
 * @throws UnsupportedError for what a newer version has written
 */
export function restoreState(manifest: string, read: ReadBlock): string {
  const root = rootOf(manifest);
  if (root === null) return manifest;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const { content } of blocksBelow(root, read, () => true)) {
    if (content === null) continue;
    bytes += content.length;
    // A damaged tree may name one piece again and again.
    if (bytes > root.bytes) break;
    pieces.push(content);
  }
  if (bytes !== root.bytes) throw new CorruptionError("a checkpoint's state is not as long as its manifest says");
  return Buffer.concat(pieces, bytes).toString();
}

/**
 * Notes the names of all blocks that a manifest needs in `needed`. What is noted there already is not read again, and pieces of
 * text are not read at all: marking a thread costs what its nodes cost.
 * @throws CorruptionError when a node is missing or damaged
 */
export function markBlocks(manifest: string, read: ReadBlock, needed: Set<string>): void {
  const root = rootOf(manifest);
  if (root === null) return;
  const isNew = (name: string): boolean => !needed.has(name);
  for (const { name } of blocksBelow(root, read, isNew, false)) needed.add(name);
}

interface Visited {
  readonly name: string;
  /** The text of a piece; `null` for a node, and for a piece that was not to be read. */
  readonly content: Uint8Array | null;
}

/** From the root down, pieces in the order of the text. */
function* blocksBelow(
  root: { readonly name: string; readonly level: number },
  read: ReadBlock,
  isWanted: (name: string) => boolean,
  withText = true,
): Generator<Visited, void, void> {
  const waiting = [{ name: root.name, level: root.level }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { name, level } = next;
    if (!isWanted(name)) continue;
    if (level === 0 && !withText) {
      yield { name, content: null };
      continue;
    }
    const content = verified(name, read);
    yield { name, content: level === 0 ? content : null };
    if (level === 0) continue;
    const children = childrenOf(name, level, content);
    for (let i = children.length - 1; i >= 0; i--) waiting.push({ name: children[i] as string, level: level - 1 });
  }
}

function verified(name: string, read: ReadBlock): Uint8Array {
  const stored = read(name);
  if (stored === undefined) throw new CorruptionError(`block ${name} of a checkpoint's state is missing`);
  return unpackBlock(name, stored);
}
