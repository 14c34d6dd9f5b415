/** Nodes of the tree over a state's pieces: a block whose content is the names of the blocks below it. */
import { Buffer } from "node:buffer";
import { CorruptionError } from "../../contract/errors.js";
import { NAME_BYTES } from "./block.js";

/** No text in UTF-8 has this byte, so that no state can bring a piece that is taken for a node. */
const NODE_MARK = 0xff;

const HEADER_BYTES = 2;

export function nodeContent(level: number, children: readonly string[]): Uint8Array {
  const content = Buffer.allocUnsafe(HEADER_BYTES + children.length * NAME_BYTES);
  content[0] = NODE_MARK;
  content[1] = level;
  for (const [i, child] of children.entries()) content.write(child, HEADER_BYTES + i * NAME_BYTES, NAME_BYTES, "hex");
  return content;
}

/** The names of a node's children. @throws CorruptionError for content that is no node of that level */
export function childrenOf(name: string, level: number, content: Uint8Array): string[] {
  const names = content.length - HEADER_BYTES;
  if (content[0] !== NODE_MARK || content[1] !== level || names <= 0 || names % NAME_BYTES !== 0) {
    throw new CorruptionError(`block ${name} of a checkpoint's state is no node of level ${level}`);
  }
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
  return Array.from({ length: names / NAME_BYTES }, (_, i) => {
    const start = HEADER_BYTES + i * NAME_BYTES;
    return bytes.toString("hex", start, start + NAME_BYTES);
  });
}
