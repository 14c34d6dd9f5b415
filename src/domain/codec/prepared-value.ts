/**
 * Values that are encoded once and stored many times: the messages of a conversation whose state is stored after each step. The
 * text of a prepared value goes into the text of what holds it as it is, and comes back as the value that was prepared.
 */
import { randomUUID } from "node:crypto";
import type { EncodedText } from "./encoded-text.js";

/** A value as it was when `prepareValue` encoded it. It may stand wherever a value may, and reads as that value. */
export class PreparedValue {
  readonly #texts: PreparedTexts;

  constructor(texts: PreparedTexts) {
    this.#texts = texts;
  }

  /** The text, its forms and its nesting. */
  static textsOf(value: PreparedValue): PreparedTexts {
    return value.#texts;
  }

  /** For `JSON.stringify`: the value's portable form. */
  toJSON(): unknown {
    if (holes === null) return JSON.parse(String(this.#texts.plain ?? this.#texts.tagged));
    holes.values.push(this);
    return holes.mark;
  }
}

export interface PreparedTexts {
  /** What stands inside plain JSON; `null` for a value that is not plain and makes a document of what holds it. */
  readonly plain: EncodedText | null;
  /** What stands inside a document. */
  readonly tagged: EncodedText;
  /** Levels of nested arrays and objects. */
  readonly levels: number;
}

/** Where prepared values stand in a text that is being made; `null` while none is. */
let holes: { readonly mark: string; readonly values: PreparedValue[] } | null = null;

/** A text without the prepared values in it: one behind each of the texts but the last. */
export interface TextAround {
  readonly texts: readonly string[];
  readonly values: readonly PreparedValue[];
}

/** The text of `JSON.stringify(tree)`, cut where prepared values stand in it; `undefined` if there is none. */
export function stringifyAround(tree: unknown): TextAround | undefined {
  const outer = holes;
  // Nobody can know the mark before, so no string of the value holds it.
  const mine = { mark: randomUUID(), values: [] };
  holes = mine;
  try {
    const text: string | undefined = JSON.stringify(tree);
    return text === undefined ? undefined : { texts: text.split(`"${mine.mark}"`), values: mine.values };
  } finally {
    holes = outer;
  }
}
