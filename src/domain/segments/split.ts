/**
 * Splitting a state (K4): each prepared value in it, such as a message of a conversation, is a piece, and so are the cuts of long
 * text. A tree of names is built over the pieces. States that share most of their pieces share most nodes, wherever the change is.
 */
import { EncodedText } from "../codec/encoded-text.js";
import { blockName, packNode, packPiece, packRoot } from "./block.js";
import { type Item, nodeContent } from "./items.js";
import { rootManifest } from "./manifest.js";
import type { Outline } from "./outline.js";
import { outlined } from "./outlined.js";
import { cutInSteps, cutPart } from "./pieces.js";
import { Tree, type TreeNode } from "./tree.js";

/** States of at most so many bytes stay in the checkpoint's own row. */
export const INLINE_BYTES = 2048;

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
  /** Bytes of the text that were not found in the outline before: about what there is to store. */
  readonly newBytes: number;
  /** For the next split of a state that is like this one; `null` where it could take over nothing. */
  readonly outline: Outline | null;
  /**
   * The blocks that are not stored yet, the root first and each before what it needs. A block that is stored is passed over with
   * all that it needs: a store never keeps one without the other. Each is packed when it is asked for.
   */
  newBlocks(isStored: (name: string) => boolean): Iterable<NewBlock>;
  /** Packs the blocks that are not stored yet, with a pause where it yields: `newBlocks` needs no time for these any more. */
  packInSteps(isStored: (name: string) => boolean): Generator<void, void, void>;
}

/**
 * Splits the text of an encoded state. With the outline of an earlier state the result is the same: the work follows what is new
 * among the parts of the text. The outline says nothing about what is stored.
 */
export function splitState(text: string | EncodedText, before: Outline | null = null): SplitState {
  const encoded = typeof text === "string" ? EncodedText.of(text) : text;
  const { bytes } = encoded;
  if (bytes <= INLINE_BYTES) {
    return { manifest: String(text), root: null, newBytes: 0, outline: null, newBlocks: () => [], *packInSteps() {} };
  }
  const contents = new Map<string, Uint8Array>();
  const { outline, items } = outlined(encoded, before, contents);
  return { ...splitInto(items, outline, encoded, contents), outline };
}

/** As `splitState`, with a pause where it yields in a text that is not put together yet. */
export function* splitInSteps(text: EncodedText, before: Outline | null): Generator<void, SplitState, void> {
  const { pieces, bytes } = text;
  if (pieces === null || bytes <= INLINE_BYTES) return splitState(text, before);
  const contents = new Map<string, Uint8Array>();
  const nodes: TreeNode[] = [];
  const tree = new Tree(new Map(), (node) => nodes.push(node));
  for (const piece of yield* cutInSteps(pieces, bytes, contents)) {
    tree.add({ ...piece, comma: false });
    yield;
  }
  // A text of one part has nothing that another one could take over.
  return { ...splitInto(tree.children, { stretches: [], nodes, partCount: 0, bytes }, text, contents), outline: null };
}

function splitInto(
  items: readonly Item[],
  outline: Outline,
  encoded: EncodedText,
  contents: ReadonlyMap<string, Uint8Array>,
): Omit<SplitState, "outline"> {
  const content = nodeContent(items);
  const root = blockName(content);
  const packed = new Map<string, Uint8Array>();
  const blocks: SplitState["newBlocks"] = (isStored) =>
    newBlocks({ root, content, items }, outline, encoded, contents, packed, isStored);
  return {
    manifest: rootManifest({ name: root, bytes: encoded.bytes }),
    root,
    newBytes: [...contents.values()].reduce((sum, piece) => sum + piece.length, content.length),
    newBlocks: blocks,
    *packInSteps(isStored) {
      for (const { name, data } of blocks(isStored)) {
        packed.set(name, data);
        yield;
      }
    },
  };
}

function* newBlocks(
  { root, content, items }: { readonly root: string; readonly content: Uint8Array; readonly items: readonly Item[] },
  outline: Outline,
  text: EncodedText,
  cut: ReadonlyMap<string, Uint8Array>,
  packed: ReadonlyMap<string, Uint8Array>,
  isStored: (name: string) => boolean,
): Generator<NewBlock, void, void> {
  if (isStored(root)) return;
  const waiting = items.filter((item) => typeof item !== "string");
  yield { name: root, data: packed.get(root) ?? packRoot(content), children: waiting.map(({ name }) => name) };
  const seen = new Set<string>();
  const nodeOf = nodesOf(outline);
  let contents = cut;
  for (let child = waiting.pop(); child !== undefined; child = waiting.pop()) {
    const { name, isNode } = child;
    if (seen.has(name)) continue;
    seen.add(name);
    if (isStored(name)) continue;
    if (isNode) {
      const { children } = nodeOf(name);
      yield { name, data: packNode(nodeContent(children)), children: children.map((each) => each.name) };
      waiting.push(...children);
    } else {
      const data = packed.get(name);
      if (data !== undefined) {
        yield { name, data, children: [] };
        continue;
      }
      // One that was taken over is needed after all: it was stored with a checkpoint that is gone.
      if (!contents.has(name)) contents = contentsOf(text.parts);
      yield { name, data: packPiece(contents.get(name) as Uint8Array), children: [] };
    }
  }
}

function nodesOf({ nodes, stretches }: Outline): (name: string) => TreeNode {
  const rows = stretches.flatMap(({ row }) => (row === null ? [] : [row.nodes]));
  let others: ReadonlyMap<string, TreeNode> | undefined;
  return (name) => {
    for (const row of rows) {
      const found = row.get(name);
      if (found !== undefined) return found;
    }
    others ??= new Map(nodes.map((node) => [node.name, node]));
    return others.get(name) as TreeNode;
  };
}

function contentsOf(parts: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const contents = new Map<string, Uint8Array>();
  for (let i = 0; i < parts.length; i++) cutPart(parts[i] as string, i % 2 === 1, contents);
  return contents;
}
