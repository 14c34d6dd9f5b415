/** What is known of a split text: the next split of the thread takes over what is the same, without a look at its letters. */
import type { Child } from "./items.js";
import type { RowItems } from "./row-items.js";
import type { TreeNode } from "./tree.js";

export interface Outline {
  /** One behind the other they are the text. */
  readonly stretches: readonly OutlinedStretch[];
  /** Those over pieces that are in no row. */
  readonly nodes: readonly TreeNode[];
  /** Of all stretches. */
  readonly partCount: number;
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
}

/** Some parts of a text. */
export interface OutlinedStretch {
  /** The parts, of which so many count: a row has grown since. */
  readonly parts: readonly string[];
  readonly count: number;
  /** For each part its pieces, in their order, as they stand behind a comma; none for one that stands in the root. */
  readonly pieces: readonly (readonly Child[])[];
  /** What is known of the row that they are. */
  readonly row: RowItems | null;
}
