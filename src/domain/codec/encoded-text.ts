import { Buffer } from "node:buffer";

/**
 * Values of one list with commas between them, as they stand in its text. It only grows: a list that goes on from another one adds to
 * the row that both share, and each text holds as much of it as it had.
 */
export class ValueRow {
  /** Values at even positions, each prepared and whole; commas between them. */
  readonly parts: string[];

  constructor(parts: string[]) {
    this.parts = parts;
  }
}

/** The first parts of a row, the last of which is a value. */
export interface RowStretch {
  readonly row: ValueRow;
  readonly count: number;
}

/** Characters of a piece of a long text. */
const PIECE = 64 * 1024;

/** Some parts of a text: loose ones and prepared values in turn, beginning and ending with a loose one, or those of a row. */
export type Stretch = readonly string[] | RowStretch;

export function isRow(stretch: Stretch): stretch is RowStretch {
  return "row" in stretch;
}

function isText(stretch: Stretch | undefined, text: string): boolean {
  return stretch !== undefined && !isRow(stretch) && stretch.length === 1 && stretch[0] === text;
}

/**
 * The text of an encoded value in the parts that it was put together from. A value that is encoded again and again, such as the
 * growing state of a thread, gives the same strings for what is the same: these are compared at once, without a look at each letter.
 */
export class EncodedText {
  /** UTF-8 bytes of the text. */
  readonly bytes: number;
  /** A long text of one part in pieces, none of which ends inside a character; `null` for any other. Nothing is joined for them. */
  readonly pieces: readonly string[] | null;
  #stretches: readonly Stretch[] | null;

  /** @param stretches `null` for a text in pieces */
  constructor(stretches: readonly Stretch[] | null, bytes: number, pieces: readonly string[] | null = null) {
    this.#stretches = stretches;
    this.bytes = bytes;
    this.pieces = pieces;
  }

  /** A text of one part that is not put together yet. */
  static ofPieces(pieces: readonly string[], bytes: number): EncodedText {
    return new EncodedText(null, bytes, pieces);
  }

  /** A text of one part, in pieces if it is long. */
  static inPieces(text: string): EncodedText {
    if (text.length <= PIECE) return EncodedText.of(text);
    const pieces: string[] = [];
    for (let at = 0; at < text.length; ) {
      let end = Math.min(text.length, at + PIECE);
      const last = text.charCodeAt(end - 1);
      if (end < text.length && last >= 0xd800 && last < 0xdc00) end += 1;
      pieces.push(text.slice(at, end));
      at = end;
    }
    return EncodedText.ofPieces(pieces, Buffer.byteLength(text));
  }

  /** The parts, in stretches: rows stand between others, one each, and are known by what they are. */
  get stretches(): readonly Stretch[] {
    this.#stretches ??= [[(this.pieces ?? []).join("")]];
    return this.#stretches;
  }

  /** A text of one part. */
  static of(text: string): EncodedText {
    return new EncodedText([[text]], Buffer.byteLength(text));
  }

  /** A list whose elements are a row. */
  static ofRow(row: RowStretch, bytes: number): EncodedText {
    return new EncodedText([["["], row, ["]"]], bytes);
  }

  /** The row of a list whose elements are one, and nothing else. */
  get row(): RowStretch | undefined {
    const [head, row, tail, ...others] = this.stretches;
    if (row === undefined || !isRow(row) || others.length > 0) return undefined;
    return isText(head, "[") && isText(tail, "]") ? row : undefined;
  }

  /** One behind the other they are the text; none ends inside a character. Those at odd positions are prepared values, each whole. */
  get parts(): readonly string[] {
    const [first, ...others] = this.stretches;
    if (first !== undefined && others.length === 0 && !isRow(first)) return first;
    return this.stretches.flatMap((stretch) => (isRow(stretch) ? stretch.row.parts.slice(0, stretch.count) : stretch));
  }

  /** The text without so many ASCII characters at its ends. */
  slice(before: number, behind: number): EncodedText {
    const parts = [...this.parts];
    parts[0] = parts[0]?.slice(before) ?? "";
    const last = parts.length - 1;
    const end = parts[last] as string;
    parts[last] = end.slice(0, end.length - behind);
    return new EncodedText([parts], this.bytes - before - behind);
  }

  /** The text, whole. */
  toString(): string {
    const { parts } = this;
    return parts.length === 1 ? (parts[0] as string) : parts.join("");
  }
}

/** A text that is being put together. */
export class TextParts {
  readonly #stretches: Stretch[] = [];
  /** The parts behind the last row. */
  #parts: string[];
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
  addPrepared({ stretches, bytes }: EncodedText): void {
    const [first = [], ...others] = stretches as readonly [readonly string[], ...Stretch[]];
    const [head = "", ...rest] = first;
    const total = this.#bytes + bytes;
    if (rest.length === 0 && others.length === 0) this.#parts.push(head, "");
    else {
      this.addLoose(head);
      for (const part of rest) this.#parts.push(part);
      for (const stretch of others) {
        if (isRow(stretch)) this.#stretches.push(this.#parts, stretch);
        else this.#parts = [...stretch];
      }
    }
    this.#bytes = total;
  }

  encoded(): EncodedText {
    return new EncodedText([...this.#stretches, this.#parts], this.#bytes);
  }
}
