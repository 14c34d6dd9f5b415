/**
 * Splitting a state (K4): its encoded text is cut where its content says so, and a tree of names is built over the pieces in the
 * same way. States that share most of their text share most pieces and most nodes, wherever the change is.
 */
import { Buffer } from "node:buffer";
import { blockName, packBlock } from "./block.js";
import { cutPoints } from "./cut.js";
import { rootManifest } from "./manifest.js";
import { nodeContent } from "./node.js";

/** States of at most so many bytes stay in the checkpoint's own row. */
export const INLINE_BYTES = 2048;

/** A node ends behind a child whose name has so many zero bits at its end: one of sixteen. */
const NODE_END = /0$/;

/** Children of a node that is not the last of its level: two at least, so that each level has fewer nodes than the one below. */
const MIN_CHILDREN = 2;
const MAX_CHILDREN = 64;

/** A block to store. */
export interface NewBlock {
  readonly name: string;
  /** The bytes to store: compressed where that pays. */
  readonly data: Uint8Array;
  /** Names of the blocks that this one needs: none for a piece of text. */
  readonly children: readonly string[];
}

/** A state on its way into a store. */
export interface SplitState {
  /** What to keep in the checkpoint's row. */
  readonly manifest: string;
  /** The block that the manifest names; `null` when the manifest is the state itself. */
  readonly root: string | null;
  /**
   * The blocks that are not stored yet, the root first and each before what it needs. A block that is stored is passed over with
   * all that it needs: a store never keeps one without the other. Each is packed when it is asked for.
   */
  newBlocks(isStored: (name: string) => boolean): Iterable<NewBlock>;
}

interface Piece {
  readonly content: Uint8Array;
  readonly children: readonly string[];
}

/** Splits the text of an encoded state. */
export function splitState(text: string): SplitState {
  if (text.length <= INLINE_BYTES && Buffer.byteLength(text) <= INLINE_BYTES) {
    return { manifest: text, root: null, newBlocks: () => [] };
  }
  const bytes = Buffer.from(text);
  const pieces = new Map<string, Piece>();
  let names = piecesOf(bytes, pieces);
  let level = 0;
  while (names.length > 1) {
    level += 1;
    names = nodesOver(names, level, pieces);
  }
  const [root = ""] = names;
  return {
    manifest: rootManifest({ name: root, level, bytes: bytes.length }),
    root,
    newBlocks: (isStored) => walk(root, pieces, isStored),
  };
}

function piecesOf(bytes: Uint8Array, pieces: Map<string, Piece>): string[] {
  const names: string[] = [];
  let start = 0;
  for (const end of cutPoints(bytes)) {
    const content = bytes.subarray(start, end);
    const name = blockName(content);
    pieces.set(name, { content, children: [] });
    names.push(name);
    start = end;
  }
  return names;
}

function nodesOver(names: readonly string[], level: number, pieces: Map<string, Piece>): string[] {
  const nodes: string[] = [];
  let children: string[] = [];
  for (const [i, child] of names.entries()) {
    children.push(child);
    const mayEnd = children.length >= MIN_CHILDREN && (NODE_END.test(child) || children.length === MAX_CHILDREN);
    if (!mayEnd && i < names.length - 1) continue;
    const content = nodeContent(level, children);
    const name = blockName(content);
    pieces.set(name, { content, children });
    nodes.push(name);
    children = [];
  }
  return nodes;
}

function* walk(
  root: string,
  pieces: ReadonlyMap<string, Piece>,
  isStored: (name: string) => boolean,
): Generator<NewBlock, void, void> {
  const seen = new Set<string>();
  const waiting = [root];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const piece = pieces.get(name);
    if (piece === undefined || seen.has(name)) continue;
    seen.add(name);
    if (isStored(name)) continue;
    yield { name, data: packBlock(piece.content), children: piece.children };
    for (let i = piece.children.length - 1; i >= 0; i--) waiting.push(piece.children[i] as string);
  }
}
