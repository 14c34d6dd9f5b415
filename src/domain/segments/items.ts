/** The content of a node: the blocks below it and the texts between them, one behind the other. */
import { Buffer } from "node:buffer";
import { CorruptionError } from "../../contract/errors.js";
import { NAME_BYTES } from "./block.js";

/** A block below a node. */
export interface Child {
  readonly name: string;
  readonly isNode: boolean;
  /** A comma stands before it, as between the elements of a list. */
  readonly comma: boolean;
}

/** A block, or a text that is too short or too short-lived for a block of its own. */
export type Item = Child | string;

/** No text in UTF-8 has this byte, so that no state can bring a piece that is taken for a node. */
const NODE_MARK = 0xff;

/** The first byte of an item; a child's may have both flags. */
const CHILD = 0;
const WITH_COMMA = 1;
const IS_NODE = 2;
const TEXT = 4;

const LENGTH_BYTES = 4;

export function nodeContent(items: readonly Item[]): Uint8Array {
  const chunks: Uint8Array[] = [Buffer.of(NODE_MARK)];
  for (const item of items) {
    if (typeof item === "string") {
      const text = Buffer.from(item);
      const header = Buffer.allocUnsafe(1 + LENGTH_BYTES);
      header[0] = TEXT;
      header.writeUInt32LE(text.length, 1);
      chunks.push(header, text);
    } else {
      const child = Buffer.allocUnsafe(1 + NAME_BYTES);
      child[0] = CHILD | (item.comma ? WITH_COMMA : 0) | (item.isNode ? IS_NODE : 0);
      child.write(item.name, 1, NAME_BYTES, "hex");
      chunks.push(child);
    }
  }
  return Buffer.concat(chunks);
}

/** The items of a node. @throws CorruptionError for content that is no node */
export function itemsOf(name: string, content: Uint8Array): Item[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
  const items: Item[] = [];
  if (bytes[0] !== NODE_MARK) throw noNode(name);
  let at = 1;
  while (at < bytes.length) {
    const kind = bytes[at] as number;
    const start = at + 1 + (kind === TEXT ? LENGTH_BYTES : 0);
    if (kind > TEXT || start > bytes.length) throw noNode(name);
    const end = start + (kind === TEXT ? bytes.readUInt32LE(at + 1) : NAME_BYTES);
    if (end > bytes.length) throw noNode(name);
    items.push(
      kind === TEXT
        ? bytes.toString("utf8", start, end)
        : {
            name: bytes.toString("hex", start, end),
            isNode: (kind & IS_NODE) !== 0,
            comma: (kind & WITH_COMMA) !== 0,
          },
    );
    at = end;
  }
  return items;
}

function noNode(name: string): CorruptionError {
  return new CorruptionError(`block ${name} of a checkpoint's state is no node`);
}
