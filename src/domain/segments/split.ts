/**
 * Splitting a state (K4): each prepared value in it, such as a message of a conversation, is a piece, and so are the cuts of long
 * text. A tree of names is built over the pieces. States that share most of their pieces share most nodes, wherever the change is.
 */
import { EncodedText } from "../codec/encoded-text.js";
import { blockName, packNode, packPiece, packRoot } from "./block.js";
import { type Child, type Item, nodeContent } from "./items.js";
import { rootManifest } from "./manifest.js";
import type { Outline } from "./outline.js";
import { cutPart, type Pieces, piecesOf } from "./pieces.js";
import { byFirst, type TreeNode, treeOver } from "./tree.js";

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
  /** For the next split of a state that is like this one; `null` when the manifest is the state itself. */
  readonly outline: Outline | null;
  /**
   * The blocks that are not stored yet, the root first and each before what it needs. A block that is stored is passed over with
   * all that it needs: a store never keeps one without the other. Each is packed when it is asked for.
   */
  newBlocks(isStored: (name: string) => boolean): Iterable<NewBlock>;
}

/**
 * Splits the text of an encoded state. With the outline of an earlier state the result is the same: the work follows what is new
 * among the parts of the text. The outline says nothing about what is stored.
 */
export function splitState(text: string | EncodedText, before: Outline | null = null): SplitState {
  const encoded = typeof text === "string" ? EncodedText.of(text) : text;
  const { bytes, parts } = encoded;
  if (bytes <= INLINE_BYTES) {
    return { manifest: String(text), root: null, newBytes: 0, outline: null, newBlocks: () => [] };
  }
  const pieces = piecesOf(parts, before);
  const nodes: TreeNode[] = [];
  const items = itemsOver(parts, pieces, before, nodes);
  const content = nodeContent(items);
  const root = blockName(content);
  const outline = { parts, pieces: pieces.pieces, nodes: byFirst(nodes), bytes };
  return {
    manifest: rootManifest({ name: root, bytes }),
    root,
    newBytes: [...pieces.contents.values()].reduce((sum, piece) => sum + piece.length, content.length),
    outline,
    newBlocks: (isStored) => newBlocks({ root, content, items }, nodes, parts, pieces, isStored),
  };
}

/** What the root holds: the texts between the lists of pieces, and what each list becomes. */
function itemsOver(parts: readonly string[], { pieces }: Pieces, before: Outline | null, nodes: TreeNode[]): Item[] {
  const items: Item[] = [];
  let list: Child[] = [];
  let text = "";
  const endList = (): void => {
    for (const child of treeOver(list, before?.nodes ?? NO_NODES, nodes)) items.push(child);
    list = [];
  };
  for (let i = 0; i < parts.length; i++) {
    const own = pieces[i] as readonly Child[];
    if (own.length === 0) {
      text = text === "" ? (parts[i] as string) : text + parts[i];
      continue;
    }
    for (const piece of own) {
      if (list.length > 0 && text === ",") list.push(piece);
      else {
        if (text !== "") {
          endList();
          items.push(text);
        }
        list.push({ ...piece, comma: false });
      }
      text = "";
    }
  }
  endList();
  if (text !== "") items.push(text);
  return items;
}

const NO_NODES: ReadonlyMap<string, TreeNode> = new Map();

function* newBlocks(
  { root, content, items }: { readonly root: string; readonly content: Uint8Array; readonly items: readonly Item[] },
  nodes: readonly TreeNode[],
  parts: readonly string[],
  pieces: Pieces,
  isStored: (name: string) => boolean,
): Generator<NewBlock, void, void> {
  if (isStored(root)) return;
  const waiting = items.filter((item) => typeof item !== "string");
  yield { name: root, data: packRoot(content), children: waiting.map(({ name }) => name) };
  const seen = new Set<string>();
  let nodesByName: ReadonlyMap<string, TreeNode> | undefined;
  let contents: ReadonlyMap<string, Uint8Array> = pieces.contents;
  for (let child = waiting.pop(); child !== undefined; child = waiting.pop()) {
    const { name, isNode } = child;
    if (seen.has(name)) continue;
    seen.add(name);
    if (isStored(name)) continue;
    if (isNode) {
      nodesByName ??= new Map(nodes.map((node) => [node.name, node]));
      const { children } = nodesByName.get(name) as TreeNode;
      yield { name, data: packNode(nodeContent(children)), children: children.map((each) => each.name) };
      waiting.push(...children);
    } else {
      // One that was taken over is needed after all: it was stored with a checkpoint that is gone.
      if (!contents.has(name)) contents = contentsOf(parts);
      yield { name, data: packPiece(contents.get(name) as Uint8Array), children: [] };
    }
  }
}

function contentsOf(parts: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const contents = new Map<string, Uint8Array>();
  for (let i = 0; i < parts.length; i++) cutPart(parts, i, contents);
  return contents;
}
