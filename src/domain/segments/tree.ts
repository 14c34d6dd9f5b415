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

export function byFirst(nodes: readonly TreeNode[]): NodesByFirst {
  return new Map(nodes.map((node) => [(node.children[0] as Child).name, node]));
}

/** What a list becomes: ended nodes of all levels, the highest first, and what is open. `nodes` takes all nodes; those of `before` are taken over. */
export function treeOver(list: readonly Child[], before: NodesByFirst, nodes: TreeNode[]): Child[] {
  let level = list;
  let open: readonly Child[] = [];
  for (;;) {
    const above: Child[] = [];
    let start = 0;
    for (let node = nodeAt(level, start, before); node !== undefined; node = nodeAt(level, start, before)) {
      nodes.push(node);
      above.push({ name: node.name, isNode: true, comma: false });
      start += node.children.length;
    }
    open = [...level.slice(start), ...open];
    if (above.length === 0) return [...open];
    level = above;
  }
}

/** The ended node that begins at a place; `undefined` if what follows has no end. */
function nodeAt(level: readonly Child[], start: number, before: NodesByFirst): TreeNode | undefined {
  const first = level[start];
  if (first === undefined) return undefined;
  const known = before.get(first.name);
  if (known !== undefined && isSame(known.children, level, start)) return known;
  const end = endOf(level, start);
  if (end === undefined) return undefined;
  const children = level.slice(start, end);
  return { name: blockName(nodeContent(children)), children };
}

function isSame(children: readonly Child[], level: readonly Child[], start: number): boolean {
  for (let i = 0; i < children.length; i++) {
    const child = children[i] as Child;
    const other = level[start + i];
    if (other === child) continue;
    if (other === undefined || other.name !== child.name || other.comma !== child.comma) return false;
  }
  return true;
}

function endOf(level: readonly Child[], start: number): number | undefined {
  for (let at = start; at < level.length; at++) {
    const count = at + 1 - start;
    const { name } = level[at] as Child;
    if (count >= MIN_CHILDREN && (count === MAX_CHILDREN || ENDS.has(name[name.length - 1] as string))) return at + 1;
  }
  return undefined;
}
