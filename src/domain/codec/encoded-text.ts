import { Buffer } from "node:buffer";

/**
 * The text of an encoded value in the parts that it was put together from. A value that is encoded again and again, such as the
 * growing state of a thread, gives the same strings for what is the same: these are compared at once, without a look at each letter.
 */
export class EncodedText {
  /** One behind the other they are the text. */
  readonly parts: readonly string[];
  /** UTF-8 bytes of the text. */
  readonly bytes: number;

  constructor(parts: readonly string[], bytes: number) {
    this.parts = parts;
    this.bytes = bytes;
  }

  /** A text of one part. */
  static of(text: string): EncodedText {
    return new EncodedText([text], Buffer.byteLength(text));
  }

  /** The text, whole. */
  toString(): string {
    return this.parts.length === 1 ? (this.parts[0] as string) : this.parts.join("");
  }
}
