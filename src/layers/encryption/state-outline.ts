/**
 * How a state is taken apart before it is sealed: long loose text and prepared values become pieces, which states of a thread
 * share; what stands between them, and how many there are, goes with the state's own head.
 */
import { Buffer } from "node:buffer";
import { CorruptionError } from "../../contract/errors.js";
import type { EncodedText } from "../../domain/codec/encoded-text.js";
import { cutPoints } from "../../domain/segments/cut.js";

/** A prepared value of so many bytes is a piece of its own; a longer one is cut, a shorter one goes with the text around it. */
const MIN_VALUE = 128;
const MAX_VALUE = 16 * 1024;

/** Loose text up to so many bytes stands in the head: it changes with each state. Longer text is cut. */
const MAX_LOOSE = 2_048;

/** A piece: a prepared value by its text, which is the same string each time, or bytes that were cut of a text. */
export type Piece = string | Uint8Array;

/**
 * What stands one behind the other: a text by its length in UTF-16 units (negative), so many pieces with a comma between each two,
 * or so many with nothing between them (in a list).
 */
export type OutlineItem = number | readonly [count: number];

export interface StateOutline {
  readonly items: readonly OutlineItem[];
  /** The texts, one behind the other. */
  readonly texts: string;
  readonly pieces: readonly Piece[];
}

export function outlineOf({ parts }: EncodedText): StateOutline {
  const outline = new OutlineBuilder();
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    if (i % 2 === 0 || isShort(part)) outline.text(part);
    else outline.value(part);
  }
  return outline.end();
}

/** A letter has three bytes at most: only those in between are measured. */
function isShort(part: string): boolean {
  return part.length < MIN_VALUE && (part.length * 3 < MIN_VALUE || Buffer.byteLength(part) < MIN_VALUE);
}

class OutlineBuilder {
  readonly #items: (number | [count: number])[] = [];
  readonly #pieces: Piece[] = [];
  #texts = "";
  #pending = "";

  text(text: string): void {
    this.#pending = this.#pending === "" ? text : this.#pending + text;
  }

  value(text: string): void {
    if (text.length > MAX_VALUE || (text.length * 3 > MAX_VALUE && Buffer.byteLength(text) > MAX_VALUE)) {
      this.#flush();
      this.#cut(Buffer.from(text));
      return;
    }
    const last = this.#items.length - 1;
    const run = this.#items[last];
    if (this.#pending === "," && typeof run === "number" && run > 0) {
      this.#pending = "";
      this.#items[last] = run + 1;
    } else {
      this.#flush();
      this.#items.push(1);
    }
    this.#pieces.push(text);
  }

  end(): StateOutline {
    this.#flush();
    return { items: this.#items, texts: this.#texts, pieces: this.#pieces };
  }

  #flush(): void {
    const text = this.#pending;
    if (text === "") return;
    this.#pending = "";
    if (text.length * 3 > MAX_LOOSE) {
      const bytes = Buffer.from(text);
      if (bytes.length > MAX_LOOSE) {
        this.#cut(bytes);
        return;
      }
    }
    this.#texts += text;
    this.#items.push(-text.length);
  }

  #cut(bytes: Uint8Array): void {
    let start = 0;
    const ends = cutPoints(bytes);
    for (const end of ends) {
      this.#pieces.push(bytes.subarray(start, end));
      start = end;
    }
    this.#items.push([ends.length]);
  }
}

/** The text of a state. @throws CorruptionError when the pieces are not those that the outline tells of */
export function joined(
  { items, texts }: Omit<StateOutline, "pieces">,
  pieces: readonly Uint8Array[],
  what: string,
): string {
  const all: Uint8Array[] = [];
  let textAt = 0;
  let pieceAt = 0;
  for (const item of items) {
    if (typeof item === "number" && item < 0) {
      all.push(Buffer.from(texts.slice(textAt, textAt - item)));
      textAt -= item;
      continue;
    }
    const [count, between] = typeof item === "number" ? [item, COMMA] : [item[0], NOTHING];
    for (let i = 0; i < count; i++) {
      const piece = pieces[pieceAt + i];
      if (piece === undefined) throw new CorruptionError(`a part of ${what} is missing`);
      if (i > 0 && between.length > 0) all.push(between);
      all.push(piece);
    }
    pieceAt += count;
  }
  return Buffer.concat(all).toString();
}

const COMMA = Buffer.from(",");
const NOTHING = Buffer.alloc(0);
