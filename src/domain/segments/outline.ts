/** What is known of a split text: the next split of the thread takes over what is the same, without a look at its letters. */
import type { Child } from "./items.js";
import type { NodesByFirst } from "./tree.js";

export interface Outline {
  /** One behind the other they are the text. */
  readonly parts: readonly string[];
  /** For each part its pieces, in their order, as they stand behind a comma; none for one that stands in the root. */
  readonly pieces: readonly (readonly Child[])[];
  readonly nodes: NodesByFirst;
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
}
