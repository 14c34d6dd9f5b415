/** Restoring a state from its manifest and its blocks, byte for byte or not at all (K5). */
import { Buffer } from "node:buffer";
import { CorruptionError } from "../../contract/errors.js";
import { unpackBlocks } from "./block.js";
import { type Child, type Item, itemsOf } from "./items.js";
import { rootOf } from "./manifest.js";

/** Looks stored blocks up, in the order of their names. */
export type ReadBlocks = (names: readonly string[]) => readonly (Uint8Array | undefined)[];

/** Blocks read at once: no more of them are held in both forms. */
const AT_ONCE = 4_096;

/**
 * The text that `splitState` was given. Reads level by level, and all pieces together.
 * @throws CorruptionError when a block is missing, damaged or not where it belongs
 * @throws UnsupportedError for what a newer version has written
 */
export function restoreState(manifest: string, read: ReadBlocks): string {
  const root = rootOf(manifest);
  if (root === null) return manifest;
  const nodes = new Map<string, readonly Item[]>();
  readNodes([root.name], read, nodes);
  const sequence = [...inOrder(root.name, nodes, root.bytes)];
  const contents = readPieces(sequence, read);
  const texts: Uint8Array[] = [];
  for (const item of sequence) {
    if (typeof item === "string") texts.push(Buffer.from(item));
    else {
      if (item.comma) texts.push(COMMA);
      texts.push(contents.get(item.name) as Uint8Array);
    }
  }
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  if (bytes !== root.bytes) throw wrongLength();
  return Buffer.concat(texts, bytes).toString();
}

const COMMA = Buffer.from(",");

/**
 * Notes the names of all blocks that a manifest needs in `needed`. What is noted there already is not read again, and pieces of
 * text are not read at all: marking a thread costs what its nodes cost.
 * @throws CorruptionError when a node is missing or damaged
 */
export function markBlocks(manifest: string, read: ReadBlocks, needed: Set<string>): void {
  const root = rootOf(manifest);
  if (root === null || needed.has(root.name)) return;
  needed.add(root.name);
  for (let level: readonly string[] = [root.name]; level.length > 0; ) {
    const below: string[] = [];
    for (const items of itemsOfNodes(level, read)) {
      for (const child of childrenOf(items)) {
        if (needed.has(child.name)) continue;
        needed.add(child.name);
        if (child.isNode) below.push(child.name);
      }
    }
    level = below;
  }
}

function readNodes(names: readonly string[], read: ReadBlocks, nodes: Map<string, readonly Item[]>): void {
  for (let level = names; level.length > 0; ) {
    const below = new Set<string>();
    const found = itemsOfNodes(level, read);
    for (const [i, name] of level.entries()) nodes.set(name, found[i] as readonly Item[]);
    for (const child of found.flatMap(childrenOf)) if (child.isNode && !nodes.has(child.name)) below.add(child.name);
    level = [...below];
  }
}

function itemsOfNodes(names: readonly string[], read: ReadBlocks): Item[][] {
  const contents = unpackBlocks(stored(names, read));
  return names.map((name, i) => itemsOf(name, contents[i] as Uint8Array));
}

function childrenOf(items: readonly Item[]): Child[] {
  return items.filter((item) => typeof item !== "string");
}

/** Texts and pieces as they follow each other. A comma before a node stands before its first piece. */
function* inOrder(
  root: string,
  nodes: ReadonlyMap<string, readonly Item[]>,
  bytes: number,
): Generator<Item, void, void> {
  const waiting: Item[] = [{ name: root, isNode: true, comma: false }];
  // Nobody writes an empty piece, or a node without a child: more items than bytes are a tree that was made to burst.
  let left = 2 * bytes + 2;
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    left -= 1;
    if (left < 0) throw wrongLength();
    if (typeof item === "string" || !item.isNode) {
      yield item;
      continue;
    }
    const below = nodes.get(item.name) as readonly Item[];
    for (let i = below.length - 1; i >= 0; i--) waiting.push(below[i] as Item);
  }
}

function readPieces(sequence: readonly Item[], read: ReadBlocks): Map<string, Uint8Array> {
  const names = [...new Set(childrenOf(sequence).map(({ name }) => name))];
  const contents = new Map<string, Uint8Array>();
  for (let start = 0; start < names.length; start += AT_ONCE) {
    const some = names.slice(start, start + AT_ONCE);
    const found = unpackBlocks(stored(some, read));
    for (const [i, name] of some.entries()) contents.set(name, found[i] as Uint8Array);
  }
  return contents;
}

function stored(names: readonly string[], read: ReadBlocks): { readonly name: string; readonly data: Uint8Array }[] {
  const found = read(names);
  return names.map((name, i) => {
    const data = found[i];
    if (data === undefined) throw new CorruptionError(`block ${name} of a checkpoint's state is missing`);
    return { name, data };
  });
}

function wrongLength(): CorruptionError {
  return new CorruptionError("a checkpoint's state is not as long as its manifest says");
}
