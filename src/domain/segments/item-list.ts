/** What a root holds, from its beginning on: the texts between the lists of pieces, and what each list becomes. */
import type { Child, Item } from "./items.js";
import { type NodesByFirst, Tree, type TreeNode } from "./tree.js";

/** A text's items so far. */
export interface ItemsSoFar {
  /** What nothing behind changes. */
  readonly items: readonly Item[];
  /** Of the list that has not ended. */
  readonly open: readonly Child[];
  /** The text behind the last piece. */
  readonly text: string;
}

export class ItemList {
  readonly #before: NodesByFirst;
  readonly #ended: (node: TreeNode) => void;
  readonly #items: Item[] = [];
  #tree: Tree;
  #text = "";

  /** As a `Tree` takes them. */
  constructor(before: NodesByFirst, ended: (node: TreeNode) => void) {
    this.#before = before;
    this.#ended = ended;
    this.#tree = new Tree(before, ended);
  }

  get soFar(): ItemsSoFar {
    return { items: this.#items, open: this.#tree.children, text: this.#text };
  }

  /** Adds a part, which is its pieces, or text where it has none. Pieces with a comma between them, or nothing, are one list. */
  add(part: string, pieces: readonly Child[]): void {
    if (pieces.length === 0) {
      this.#text = this.#text === "" ? part : this.#text + part;
      return;
    }
    for (const piece of pieces) {
      if (this.#text === "," && !this.#tree.isEmpty) this.#tree.add(piece);
      else {
        if (this.#text !== "") this.#endList();
        this.#tree.add({ ...piece, comma: false });
      }
      this.#text = "";
    }
  }

  /** Adds the items of parts that stand between texts which keep their lists apart from others. */
  addApart({ items, open, text }: ItemsSoFar): void {
    const [first] = items;
    const hasLead = typeof first === "string";
    if (hasLead) this.#text += first;
    if (items.length + open.length > 0) this.#endList();
    for (let i = hasLead ? 1 : 0; i < items.length; i++) this.#items.push(items[i] as Item);
    for (const child of open) this.#items.push(child);
    this.#text += text;
  }

  /** All items: nothing follows. */
  end(): readonly Item[] {
    this.#endList();
    return this.#items;
  }

  #endList(): void {
    for (const child of this.#tree.children) this.#items.push(child);
    if (!this.#tree.isEmpty) this.#tree = new Tree(this.#before, this.#ended);
    if (this.#text !== "") this.#items.push(this.#text);
    this.#text = "";
  }
}
