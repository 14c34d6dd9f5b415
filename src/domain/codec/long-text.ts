/** Texts that are so long that nobody puts them together: it would hold the event loop for a millisecond for each two megabytes. */
import { Buffer } from "node:buffer";
import { EncodedText } from "./encoded-text.js";

/** Characters from which on a text is kept in pieces. */
const LONG = 1024 * 1024;

/** A long text in its pieces, none of which is empty or ends inside a character. */
export class LongText {
  readonly pieces: readonly string[];
  /** Characters, in units of UTF-16. */
  readonly length: number;
  #bytes: number | undefined;

  /** @param bytes those of the text in UTF-8, where they are known */
  constructor(pieces: readonly string[], bytes?: number) {
    this.pieces = pieces;
    this.length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#bytes = bytes;
  }

  /** Bytes in UTF-8. */
  get bytes(): number {
    this.#bytes ??= this.pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
    return this.#bytes;
  }

  /** The text, put together. */
  toString(): string {
    return this.pieces.join("");
  }

  /** The text, for a caller: JavaScript puts it together for whoever looks at its characters first. */
  asString(): string {
    return this.pieces.reduce((text, piece) => text + piece, "");
  }
}

/** A text as it is kept: a long one in pieces, where it came so. */
export type StoredText = string | LongText;

/** Whether a text is so long that it is kept in pieces. */
export function isLong({ length }: StoredText): boolean {
  return length > LONG;
}

/** The text of some pieces, put together unless it is long. */
export function textOfPieces(pieces: readonly string[], bytes?: number): StoredText {
  const text = new LongText(pieces, bytes);
  return isLong(text) ? text : String(text);
}

/** An encoded text as it is kept. */
export function storedText(encoded: EncodedText): StoredText {
  return encoded.pieces === null ? String(encoded) : textOfPieces(encoded.pieces, encoded.bytes);
}

/** The pieces of a text; of one that is a string, itself. */
export function piecesOf(text: StoredText): readonly string[] {
  return typeof text === "string" ? [text] : text.pieces;
}

/** Bytes of a text in UTF-8. */
export function bytesOf(text: StoredText): number {
  return typeof text === "string" ? Buffer.byteLength(text) : text.bytes;
}

/** A kept text as an encoded one. */
export function encodedOf(text: StoredText): EncodedText {
  return typeof text === "string" ? EncodedText.inPieces(text) : EncodedText.ofPieces(text.pieces, text.bytes);
}

/** Whether a text is this one. */
export function isSameText(text: StoredText, other: string): boolean {
  if (typeof text === "string") return text === other;
  let at = 0;
  for (const piece of text.pieces) {
    if (other.slice(at, at + piece.length) !== piece) return false;
    at += piece.length;
  }
  return at === other.length;
}

/** A text that is read from place to place, mostly onward. */
export class TextWindow {
  readonly length: number;
  readonly #pieces: readonly string[];
  /** The piece that was read last, its number, and where in the text it begins and ends. */
  #piece: string;
  #number = 0;
  #start = 0;
  #end: number;

  constructor(text: StoredText) {
    this.length = text.length;
    this.#pieces = piecesOf(text);
    this.#piece = this.#pieces[0] ?? "";
    this.#end = this.#piece.length;
  }

  /** NaN beyond the text. */
  charCodeAt(at: number): number {
    if (at < this.#start || at >= this.#end) this.#moveTo(at);
    return this.#piece.charCodeAt(at - this.#start);
  }

  /** The first place from `from` on where a character stands; -1 if there is none before `limit`. */
  indexOf(character: string, from: number, limit: number = this.length): number {
    for (let at = from; at < limit; at = this.#end) {
      if (at < this.#start || at >= this.#end) this.#moveTo(at);
      if (at >= this.#end) return -1;
      const found = this.#piece.indexOf(character, at - this.#start);
      if (found !== -1) return this.#start + found;
    }
    return -1;
  }

  slice(from: number, to: number): string {
    const end = Math.min(to, this.length);
    let text = "";
    for (let at = from; at < end; at = this.#end) {
      if (at < this.#start || at >= this.#end) this.#moveTo(at);
      text += this.#piece.slice(at - this.#start, end - this.#start);
    }
    return text;
  }

  #moveTo(at: number): void {
    while (at >= this.#end && this.#number + 1 < this.#pieces.length) this.#be(this.#number + 1, this.#end);
    while (at < this.#start && this.#number > 0) {
      const before = this.#pieces[this.#number - 1] as string;
      this.#be(this.#number - 1, this.#start - before.length);
    }
  }

  #be(number: number, start: number): void {
    this.#piece = this.#pieces[number] as string;
    this.#number = number;
    this.#start = start;
    this.#end = start + this.#piece.length;
  }
}
