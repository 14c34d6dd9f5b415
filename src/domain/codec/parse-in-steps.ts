/**
 * Reads a long JSON text in steps. A scanner finds where the parts of it end, `JSON.parse` reads each of them. It knows the text that
 * the encoder writes, without spaces between the tokens; any other text is left to `JSON.parse` whole, and so is what is no JSON.
 */
import { type Json, MAX_DEPTH, setOwn } from "./format.js";
import { LongText, type StoredText, TextWindow } from "./long-text.js";

/** About how many characters one step reads. */
const STEP = 64 * 1024;

/** Characters from which on a string may be left in pieces. */
const KEPT = 64 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACES = " \t\n\r";

export interface ParsedText {
  readonly root: Json;
  /** Levels of nested arrays and objects. */
  readonly levels: number;
  /** The arrays and objects that took more than one step. */
  readonly heavy: ReadonlySet<object>;
}

/**
 * What `JSON.parse(text)` gives; `null` for a text that it must read itself.
 * @param keepsLong leaves long strings in pieces, as `LongText`
 */
export function* parseInSteps(
  text: StoredText,
  step: number = STEP,
  keepsLong = false,
): Generator<void, ParsedText | null, void> {
  const scanner = new Scanner(text, step, keepsLong);
  try {
    const root = yield* scanner.read(0, 0);
    if (scanner.end !== text.length) return null;
    return { root, levels: scanner.levels, heavy: scanner.heavy };
  } catch (error) {
    if (error instanceof SyntaxError || error === UNKNOWN) return null;
    throw error;
  }
}

/** Thrown where a text is not as the encoder writes it. */
const UNKNOWN: unique symbol = Symbol("unknown text");

class Scanner {
  readonly #text: TextWindow;
  readonly #step: number;
  readonly #keepsLong: boolean;
  readonly heavy: Set<object> = new Set();
  levels = 0;
  /** Where what was read last ends. */
  end = 0;

  constructor(text: StoredText, step: number, keepsLong: boolean) {
    this.#keepsLong = keepsLong;
    this.#text = new TextWindow(text);
    this.#step = step;
  }

  /** Reads the value that begins at a place, inside of `depth` arrays and objects. */
  *read(start: number, depth: number): Generator<void, Json, void> {
    const end = this.#skip(start, depth);
    if (end === undefined) return yield* this.#readHeavy(start, depth);
    this.end = end;
    return JSON.parse(this.#text.slice(start, end));
  }

  *#readHeavy(start: number, depth: number): Generator<void, Json, void> {
    switch (this.#text.charCodeAt(start)) {
      case QUOTE:
        return yield* this.#readString(start);
      case OPEN_ARRAY:
        return yield* this.#readArray(start, depth + 1);
      case OPEN_OBJECT:
        return yield* this.#readObject(start, depth + 1);
      default:
        throw UNKNOWN;
    }
  }

  *#readArray(start: number, depth: number): Generator<void, Json[], void> {
    this.#enter(depth);
    const text = this.#text;
    /** What was read first is what the rest comes to: numbers stay numbers there, and do not become an object each. */
    let array: Json[] = [];
    /** Where the elements begin that were found and not read yet. */
    let from = start + 1;
    for (let at = from; ; at++) {
      let end = this.#skip(at, depth);
      if (end === undefined || end - from > this.#step) {
        if (from < at) array = extended(array, JSON.parse(`[${text.slice(from, at - 1)}]`));
        from = at;
        yield;
      }
      if (end === undefined) {
        array = extended(array, [yield* this.#readHeavy(at, depth)]);
        end = this.end;
        from = end + 1;
      }
      at = end;
      if (text.charCodeAt(at) === COMMA) continue;
      if (text.charCodeAt(at) !== CLOSE_ARRAY) throw UNKNOWN;
      if (from < at) array = extended(array, JSON.parse(`[${text.slice(from, at)}]`));
      this.heavy.add(array);
      this.end = at + 1;
      return array;
    }
  }

  *#readObject(start: number, depth: number): Generator<void, Json, void> {
    this.#enter(depth);
    const text = this.#text;
    const object: { [key: string]: Json } = {};
    this.heavy.add(object);
    let from = start + 1;
    for (let at = from; ; at++) {
      const keyEnd = text.charCodeAt(at) === QUOTE ? this.#endOfString(at, Number.POSITIVE_INFINITY) : undefined;
      if (keyEnd === undefined || text.charCodeAt(keyEnd) !== COLON) throw UNKNOWN;
      let end = this.#skip(keyEnd + 1, depth);
      if (end === undefined || end - from > this.#step) {
        if (from < at) assign(object, JSON.parse(`{${text.slice(from, at - 1)}}`));
        from = at;
        yield;
      }
      if (end === undefined) {
        const key: string = JSON.parse(text.slice(at, keyEnd));
        put(object, key, yield* this.#readHeavy(keyEnd + 1, depth));
        end = this.end;
        from = end + 1;
      }
      at = end;
      if (text.charCodeAt(at) === COMMA) continue;
      if (text.charCodeAt(at) !== CLOSE_OBJECT) throw UNKNOWN;
      if (from < at) assign(object, JSON.parse(`{${text.slice(from, at)}}`));
      this.end = at + 1;
      return object;
    }
  }

  /**
   * A long string, read in parts that do not end inside an escape.
   */
  *#readString(start: number): Generator<void, Json, void> {
    const text = this.#text;
    const pieces: string[] = [];
    for (let at = start + 1; at < text.length; ) {
      const part = text.slice(at, this.#endOfPart(at));
      const quote = firstQuote(part);
      const own = quote === undefined ? part : part.slice(0, quote);
      pieces.push(JSON.parse(`"${own}"`));
      at += own.length;
      if (quote !== undefined) {
        this.end = at + 1;
        const string = new LongText(pieces);
        return this.#keepsLong && string.length > KEPT ? (string as unknown as Json) : string.asString();
      }
      yield;
    }
    throw UNKNOWN;
  }

  #endOfPart(start: number): number {
    const text = this.#text;
    const end = start + Math.max(this.#step, LONGEST_ESCAPE);
    // An escape that the text itself cuts is no JSON, and has no part of its own to begin.
    if (end >= text.length) return text.length;
    for (let at = end - 1; at >= end - LONGEST_ESCAPE && at >= start; at--) {
      if (text.charCodeAt(at) !== BACKSLASH) continue;
      if (!isEscaped(text, at, start)) {
        const length = text.charCodeAt(at + 1) === 0x75 ? LONGEST_ESCAPE : 2;
        if (at + length > end) return at;
      }
      return end;
    }
    return end;
  }

  /** Where the value that begins at a place ends; `undefined` if that is more than a step away. */
  #skip(start: number, depth: number): number | undefined {
    const text = this.#text;
    const first = text.charCodeAt(start);
    const last = start + this.#step;
    if (first === QUOTE) return this.#endOfString(start, last);
    if (first !== OPEN_ARRAY && first !== OPEN_OBJECT) return this.#endOfScalar(start);
    let level = depth;
    for (let at = start; at < text.length; at++) {
      switch (text.charCodeAt(at)) {
        case QUOTE: {
          const end = this.#endOfString(at, last);
          if (end === undefined) return undefined;
          at = end - 1;
          break;
        }
        case OPEN_ARRAY:
        case OPEN_OBJECT:
          level += 1;
          this.#enter(level);
          break;
        case CLOSE_ARRAY:
        case CLOSE_OBJECT:
          level -= 1;
          if (level === depth) return at + 1;
          break;
      }
      if (at >= last) return undefined;
    }
    throw UNKNOWN;
  }

  /** Behind the string that begins at a place; `undefined` if that is behind `last`. */
  #endOfString(start: number, last: number): number | undefined {
    const text = this.#text;
    for (let from = start + 1; ; ) {
      const quote = text.indexOf('"', from, last);
      if (quote === -1 && last < text.length) return undefined;
      if (quote === -1) throw UNKNOWN;
      if (quote >= last) return undefined;
      if (!isEscaped(text, quote, from)) return quote + 1;
      from = quote + 1;
    }
  }

  #endOfScalar(start: number): number {
    const text = this.#text;
    // Spaces alone are no value, but would pass for none: `[ ]`.
    if (SPACES.includes(String.fromCharCode(text.charCodeAt(start)))) throw UNKNOWN;
    let at = start;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT) break;
    }
    if (at === start) throw UNKNOWN;
    return at;
  }

  #enter(level: number): void {
    if (level > this.levels) this.levels = level;
    // No encoded value is so deep: the reader may not overflow its stack on one that was made to do it.
    if (level > MAX_DEPTH) throw UNKNOWN;
  }
}

/** Characters of the longest escape, `\uXXXX`. */
const LONGEST_ESCAPE = 6;

/** Whether the character at a place is escaped by backslashes before it; at `start` none is. */
function isEscaped(text: Pick<TextWindow, "charCodeAt">, at: number, start: number): boolean {
  let before = at;
  while (before > start && text.charCodeAt(before - 1) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 1;
}

/** The place of the quote that ends a string, in a part of it. */
function firstQuote(part: string): number | undefined {
  for (let from = 0; ; ) {
    const quote = part.indexOf('"', from);
    if (quote === -1) return undefined;
    if (!isEscaped(part, quote, from)) return quote;
    from = quote + 1;
  }
}

function extended(array: Json[], by: Json[]): Json[] {
  if (array.length === 0) return by;
  for (const item of by) array.push(item);
  return array;
}

function assign(object: { [key: string]: Json }, some: { readonly [key: string]: Json }): void {
  for (const key of Object.keys(some)) put(object, key, some[key] as Json);
}

function put(object: { [key: string]: Json }, key: string, value: Json): void {
  if (key === "__proto__") setOwn(object, key, value);
  else object[key] = value;
}
