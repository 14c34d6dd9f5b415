import { Buffer } from "node:buffer";

/**
 * The text of an encoded value in the parts that it was put together from. A value that is encoded again and again, such as the
 * growing state of a thread, gives the same strings for what is the same: these are compared at once, without a look at each letter.
 */
export class EncodedText {
  /** One behind the other they are the text; none ends inside a character. Those at odd positions are prepared values, each whole. */
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

  /** The text without so many ASCII characters at its ends. */
  slice(before: number, behind: number): EncodedText {
    const parts = [...this.parts];
    parts[0] = parts[0]?.slice(before) ?? "";
    const last = parts.length - 1;
    const end = parts[last] as string;
    parts[last] = end.slice(0, end.length - behind);
    return new EncodedText(parts, this.bytes - before - behind);
  }

  /** The text, whole. */
  toString(): string {
    return this.parts.length === 1 ? (this.parts[0] as string) : this.parts.join("");
  }
}

/** A text that is being put together. */
export class TextParts {
  readonly #parts: string[];
  #bytes: number;

  constructor(loose: string) {
    this.#parts = [loose];
    this.#bytes = Buffer.byteLength(loose);
  }

  /** Goes on behind a text. */
  static of(text: EncodedText): TextParts {
    const parts = new TextParts("");
    parts.addPrepared(text);
    return parts;
  }

  addLoose(text: string): void {
    const last = this.#parts.length - 1;
    const before = this.#parts[last] as string;
    this.#parts[last] = before === "" ? text : before + text;
    this.#bytes += text.length === 1 ? 1 : Buffer.byteLength(text);
  }

  /** A prepared value that holds others goes in as what it is made of. */
  addPrepared(value: EncodedText): void {
    const { parts, bytes } = value;
    const first = parts[0] as string;
    if (parts.length === 1) {
      this.#parts.push(first, "");
      this.#bytes += bytes;
      return;
    }
    this.addLoose(first);
    for (let i = 1; i < parts.length; i++) this.#parts.push(parts[i] as string);
    this.#bytes += bytes - Buffer.byteLength(first);
  }

  encoded(): EncodedText {
    return new EncodedText(this.#parts, this.#bytes);
  }
}
