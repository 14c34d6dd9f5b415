/** Restoring a state from its manifest and its blocks, byte for byte or not at all (K5). */
import { Buffer } from "node:buffer";
import { StringDecoder } from "node:string_decoder";
import { CorruptionError } from "../../contract/errors.js";
import { type StoredText, textOfPieces } from "../codec/long-text.js";
import { runAtOnce } from "../slices.js";
import { contentBytes, type StoredBlock, unpackBlocks } from "./block.js";
import { type Child, type Item, itemsOf } from "./items.js";
import { rootOf } from "./manifest.js";

/** Looks stored blocks up, in the order of their names. */
export type ReadBlocks = (names: readonly string[]) => readonly (Uint8Array | undefined)[];

/**
 * The text that `splitState` was given. Reads level by level, and all pieces together.
 * @throws CorruptionError when a block is missing, damaged or not where it belongs
 * @throws UnsupportedError for what a newer version has written
 */
export function restoreState(manifest: string, read: ReadBlocks): string {
  return String(runAtOnce(joinInSteps(runAtOnce(collectInSteps(manifest, read, ALL_AT_ONCE)), ALL_AT_ONCE)));
}

/** Blocks that are read at once: for a state that is small, and for one that is read in steps. */
const ALL_AT_ONCE = { blocks: 4_096, bytes: Number.POSITIVE_INFINITY };
const IN_STEPS = { blocks: 32, bytes: 256 * 1024 };

/** The blocks of a state as they are stored, in the order of its text. */
export interface CollectedState {
  /** The state itself, when its manifest is that; the rest is empty then. */
  readonly text: string | null;
  readonly bytes: number;
  readonly sequence: readonly Item[];
  /** What is stored of each piece. */
  readonly stored: ReadonlyMap<string, Uint8Array>;
}

/** Reads the blocks of a state, with a pause where it yields. @throws as `restoreState` does */
export function* collectInSteps(
  manifest: string,
  read: ReadBlocks,
  atOnce: { readonly blocks: number } = IN_STEPS,
): Generator<void, CollectedState, void> {
  const root = rootOf(manifest);
  if (root === null) return { text: manifest, bytes: 0, sequence: [], stored: new Map() };
  const nodes = new Map<string, readonly Item[]>();
  yield* readNodes([root.name], read, nodes, atOnce.blocks);
  const sequence: Item[] = [];
  for (const item of inOrder(root.name, nodes, root.bytes)) {
    sequence.push(item);
    if (sequence.length % atOnce.blocks === 0) yield;
  }
  const names = [...new Set(childrenOf(sequence).map(({ name }) => name))];
  const stored = new Map<string, Uint8Array>();
  for (let start = 0; start < names.length; start += atOnce.blocks) {
    for (const { name, data } of storedBlocks(names.slice(start, start + atOnce.blocks), read)) stored.set(name, data);
    yield;
  }
  return { text: null, bytes: root.bytes, sequence, stored };
}

/** Makes the text of collected blocks, with a pause where it yields. @throws as `restoreState` does */
export function* joinInSteps(
  state: CollectedState,
  atOnce: { readonly blocks: number; readonly bytes: number } = IN_STEPS,
): Generator<void, StoredText, void> {
  if (state.text !== null) return state.text;
  const contents = yield* unpackAll(state.stored, atOnce);
  const texts: Uint8Array[] = [];
  for (const item of state.sequence) {
    if (typeof item === "string") texts.push(Buffer.from(item));
    else {
      if (item.comma) texts.push(COMMA);
      texts.push(contents.get(item.name) as Uint8Array);
    }
  }
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  if (bytes !== state.bytes) throw wrongLength();
  return bytes <= atOnce.bytes
    ? Buffer.concat(texts, bytes).toString()
    : yield* textOfBytes(texts, bytes, atOnce.bytes);
}

/** The text of bytes that may end inside a character, in pieces of so many. */
function* textOfBytes(
  texts: readonly Uint8Array[],
  bytes: number,
  pieceBytes: number,
): Generator<void, StoredText, void> {
  const decoder = new StringDecoder();
  const pieces: string[] = [];
  let some: Uint8Array[] = [];
  let length = 0;
  for (const text of texts) {
    some.push(text);
    length += text.length;
    if (length < pieceBytes) continue;
    pieces.push(decoder.write(Buffer.concat(some, length)));
    some = [];
    length = 0;
    yield;
  }
  pieces.push(decoder.end(Buffer.concat(some, length)));
  return textOfPieces(
    pieces.filter((piece) => piece !== ""),
    bytes,
  );
}

/** The contents of blocks, by name. */
function* unpackAll(
  stored: ReadonlyMap<string, Uint8Array>,
  atOnce: { readonly blocks: number; readonly bytes: number },
): Generator<void, ReadonlyMap<string, Uint8Array>, void> {
  const contents = new Map<string, Uint8Array>();
  let some: StoredBlock[] = [];
  let bytes = 0;
  const unpack = (): void => {
    for (const [i, content] of unpackBlocks(some).entries()) contents.set((some[i] as StoredBlock).name, content);
    some = [];
    bytes = 0;
  };
  for (const [name, data] of stored) {
    some.push({ name, data });
    bytes += contentBytes(data);
    if (some.length < atOnce.blocks && bytes < atOnce.bytes) continue;
    unpack();
    yield;
  }
  unpack();
  return contents;
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

function* readNodes(
  names: readonly string[],
  read: ReadBlocks,
  nodes: Map<string, readonly Item[]>,
  atOnce: number,
): Generator<void, void, void> {
  for (let level = names; level.length > 0; ) {
    const below = new Set<string>();
    for (let start = 0; start < level.length; start += atOnce) {
      const some = level.slice(start, start + atOnce);
      const found = itemsOfNodes(some, read);
      for (const [i, name] of some.entries()) nodes.set(name, found[i] as readonly Item[]);
      for (const child of found.flatMap(childrenOf)) if (child.isNode) below.add(child.name);
      yield;
    }
    level = [...below].filter((name) => !nodes.has(name));
  }
}

function itemsOfNodes(names: readonly string[], read: ReadBlocks): Item[][] {
  const contents = unpackBlocks(storedBlocks(names, read));
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

function storedBlocks(names: readonly string[], read: ReadBlocks): StoredBlock[] {
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
