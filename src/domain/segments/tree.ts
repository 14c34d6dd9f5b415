/**
 * The tree over the pieces of a list. Which children end a node is chosen by their names, as cuts of a text are by its bytes: an edit
 * changes the nodes above it and no others. Only a node that has ended becomes a block; what follows the last end, on each level, stays
 * open and stands in the root, so that appending to a list leaves all its blocks as they are.
 */
import { blockName } from "./block.js";
import { type Child, nodeContent } from "./items.js";

export interface TreeNode {
  readonly name: string;
  readonly children: readonly Child[];
}

/** Nodes by the name of their first child. */
export type NodesByFirst = ReadonlyMap<string, TreeNode>;

const MIN_CHILDREN = 2;
const MAX_CHILDREN = 64;

/** One name in four ends a node: the last of its digits is one of these. */
const ENDS: ReadonlySet<string> = new Set(["0", "1", "2", "3"]);

export function byFirst(nodes: Iterable<TreeNode>): NodesByFirst {
  const found = new Map<string, TreeNode>();
  for (const node of nodes) found.set((node.children[0] as Child).name, node);
  return found;
}

/** A tree that grows at its end: what has ended stays what it is. */
export class Tree {
  readonly #before: NodesByFirst;
  readonly #ended: (node: TreeNode) => void;
  /** What is open on each level, the pieces first. */
  readonly #levels: Child[][] = [];

  /** `ended` is told each node that ends; those of `before` are taken over. */
  constructor(before: NodesByFirst, ended: (node: TreeNode) => void) {
    this.#before = before;
    this.#ended = ended;
  }

  get isEmpty(): boolean {
    return this.#levels.length === 0;
  }

  /** What the list has become: ended nodes of all levels, the highest first, and what is open. */
  get children(): Child[] {
    return this.#levels.toReversed().flat();
  }

  add(piece: Child): void {
    const levels = this.#levels;
    let child = piece;
    for (let level = 0; ; level++) {
      if (level === levels.length) levels.push([]);
      const open = levels[level] as Child[];
      open.push(child);
      if (!isEnd(open.length, child)) return;
      const node = this.#nodeOf(open);
      this.#ended(node);
      levels[level] = [];
      child = { name: node.name, isNode: true, comma: false };
    }
  }

  #nodeOf(children: readonly Child[]): TreeNode {
    const known = this.#before.get((children[0] as Child).name);
    if (known !== undefined && isSame(known.children, children)) return known;
    return { name: blockName(nodeContent(children)), children };
  }
}

function isEnd(count: number, { name }: Child): boolean {
  return count >= MIN_CHILDREN && (count === MAX_CHILDREN || ENDS.has(name[name.length - 1] as string));
}

function isSame(children: readonly Child[], others: readonly Child[]): boolean {
  return (
    children.length === others.length &&
    children.every((child, i) => {
      const other = others[i] as Child;
      return other === child || (other.name === child.name && other.comma === child.comma);
    })
  );
}
