/** Takes the text of a large value as it is made, and gives it back in pieces. */
import { Buffer } from "node:buffer";
import { EncodedText, TextParts } from "./encoded-text.js";
import { PreparedValue } from "./prepared-value.js";

/** About how much one step makes text of: characters, and what stands for the rest. */
export const TEXT_STEP: number = 64 * 1024;

/** What stands around a value, and which form of prepared values goes with it. */
export interface Surroundings {
  readonly before: string;
  readonly behind: string;
  readonly inDocument: boolean;
}

export const NOTHING_AROUND: Surroundings = { before: "", behind: "", inDocument: false };

export class TextSink {
  /** Characters of a piece. */
  readonly step: number;
  readonly #inDocument: boolean;
  #texts: string[] = [];
  #text = "";
  #bytes = 0;
  /** All that came up to the last prepared value. */
  #parts: TextParts | undefined;

  constructor(inDocument: boolean, step: number) {
    this.step = step;
    this.#inDocument = inDocument;
  }

  add(text: string): void {
    this.#text += text;
    if (this.#text.length >= this.step) this.#flush();
  }

  addPrepared(value: PreparedValue): void {
    const { plain, tagged } = PreparedValue.textsOf(value);
    this.#endLoose().addPrepared(this.#inDocument || plain === null ? tagged : plain);
  }

  encoded(): EncodedText {
    if (this.#parts !== undefined) return this.#endLoose().encoded();
    this.#flush();
    return EncodedText.ofPieces(this.#texts, this.#bytes);
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#texts.push(this.#text);
    this.#bytes += Buffer.byteLength(this.#text);
    this.#text = "";
  }

  /** Between prepared values there is little text: it is not kept in pieces. */
  #endLoose(): TextParts {
    this.#flush();
    const loose = this.#texts.length === 1 ? (this.#texts[0] as string) : this.#texts.join("");
    if (this.#parts === undefined) this.#parts = new TextParts(loose);
    else this.#parts.addLoose(loose);
    this.#texts = [];
    return this.#parts;
  }
}
