/** What the parts of a row become. A row only grows, and so does this: a list that has grown costs what is new of it. */
import type { ValueRow } from "../codec/encoded-text.js";
import { ItemList, type ItemsSoFar } from "./item-list.js";
import type { Child } from "./items.js";
import type { NodesByFirst, TreeNode } from "./tree.js";

export class RowItems {
  /** Of the parts so far, for each its pieces. */
  readonly pieces: (readonly Child[])[] = [];
  readonly #nodes = new Map<string, TreeNode>();
  readonly #list: ItemList;

  /** Nodes of `before` are taken over. */
  constructor(before: NodesByFirst) {
    this.#list = new ItemList(before, (node) => this.#nodes.set(node.name, node));
  }

  get soFar(): ItemsSoFar {
    return this.#list.soFar;
  }

  get nodes(): ReadonlyMap<string, TreeNode> {
    return this.#nodes;
  }

  /** The next part, and its pieces. */
  add(part: string, pieces: readonly Child[]): void {
    this.pieces.push(pieces);
    this.#list.add(part, pieces);
  }
}

/** Of rows that were split: they are known as long as anybody has their texts. */
const known = new WeakMap<ValueRow, RowItems>();

export function knownRow(row: ValueRow): RowItems | undefined {
  return known.get(row);
}

export function rememberRow(row: ValueRow, items: RowItems): void {
  known.set(row, items);
}
