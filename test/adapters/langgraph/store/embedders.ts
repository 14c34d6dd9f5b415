// Embedders that need no model: the same text always gives the same vector, and texts with common words are near.
import { Embeddings } from "@langchain/core/embeddings";
import type { TextEmbedder } from "../../../../src/adapters/langgraph/index.js";

export const DIMS = 64;

/** Counts words by a hash of each. */
export function embedText(text: string): number[] {
  const vector = new Array<number>(DIMS).fill(0);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    let hash = 2_166_136_261;
    for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 16_777_619);
    const place = (hash >>> 0) % DIMS;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  return vector;
}

/** Writes down the texts of each call. */
export class RecordingEmbeddings extends Embeddings implements TextEmbedder {
  readonly calls: (readonly string[] | string)[] = [];

  constructor() {
    super({});
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    this.calls.push([...texts]);
    return texts.map(embedText);
  }

  override async embedQuery(text: string): Promise<number[]> {
    this.calls.push(text);
    return embedText(text);
  }
}
