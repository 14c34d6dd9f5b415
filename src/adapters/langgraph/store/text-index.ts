/** Semantic search: which texts of an item are embedded, and their vectors, all of a batch in one call. */
import { InvalidArgumentError } from "../../../contract/errors.js";
import type { Vector, VectorDistance } from "../../../contract/item-storage.js";
import type { JsonObject } from "../../../contract/json.js";
import { encodeItemValue } from "../../../domain/items.js";
import { wholeNumber } from "./arguments.js";
import { textsAtPath } from "./text-at-path.js";

/** Gives a vector for each text, in their order. */
export type EmbedFunction = (texts: string[]) => Promise<readonly Vector[]>;

/** Embeddings of LangChain, or anything that has their two methods. */
export interface TextEmbedder {
  embedDocuments(texts: string[]): Promise<readonly Vector[]>;
  embedQuery(text: string): Promise<Vector>;
}

/** How items are found by meaning. */
export interface StoreIndex {
  /** Dimensions of the vectors, 1 to 16,000. */
  readonly dims: number;
  /** Makes vectors of texts. All texts of a batch are one call; an embedder is also asked once for each different query. */
  readonly embed: EmbedFunction | TextEmbedder;
  /**
   * What of a value is embedded, each text by a vector of its own: `$` (the whole value), `title`, `meta.title`, `parts[0]`,
   * `parts[-1]`, `parts[*].text`. A put may name others. Default `["$"]`.
   */
  readonly fields?: readonly string[] | undefined;
  /** How vectors are compared. Default `cosine`. */
  readonly distance?: VectorDistance | undefined;
}

/** Paths of a put to embed; `false` for none. */
export type IndexedFields = false | readonly string[];

/** A value as it is now, and the texts of it that are embedded. */
export interface IndexedValue {
  readonly value: JsonObject;
  readonly texts: readonly string[];
}

/** Vectors by text. */
export interface Embedded {
  readonly documents: ReadonlyMap<string, Vector>;
  readonly queries: ReadonlyMap<string, Vector>;
}

const DISTANCES: readonly unknown[] = ["cosine", "dot", "euclidean"] satisfies readonly VectorDistance[];

export class TextIndex {
  readonly distance: VectorDistance;
  readonly #dims: number;
  readonly #embed: EmbedFunction | TextEmbedder;
  readonly #fields: readonly string[];

  /** @throws InvalidArgumentError */
  constructor({ dims, embed, fields = ["$"], distance = "cosine" }: StoreIndex) {
    if (!isEmbedder(embed) && typeof embed !== "function") {
      throw new InvalidArgumentError("index.embed must be a function, or have embedDocuments and embedQuery");
    }
    if (!DISTANCES.includes(distance))
      throw new InvalidArgumentError("index.distance must be cosine, dot or euclidean");
    this.#dims = wholeNumber(dims, "index.dims", { min: 1 });
    this.#embed = embed;
    this.#fields = checkedPaths(fields, "index.fields");
    this.distance = distance;
  }

  /** @throws InvalidArgumentError if it is not plain JSON */
  valueOf(value: unknown, fields: IndexedFields | undefined): IndexedValue {
    // A copy: the value may change while its texts are embedded.
    const copy = JSON.parse(encodeItemValue(value)) as JsonObject;
    if (fields === false) return { value: copy, texts: [] };
    const texts = (fields ?? this.#fields).flatMap((path) => textsAtPath(copy, path));
    return { value: copy, texts: [...new Set(texts)] };
  }

  /**
   * Vectors of all texts; nothing is asked for when there are none.
   * @throws InvalidArgumentError for vectors that are not as many as the texts, or not of `dims` dimensions
   */
  async embed(documents: readonly string[], queries: readonly string[]): Promise<Embedded> {
    const texts = [...new Set(documents)];
    const asked = [...new Set(queries)];
    if (!isEmbedder(this.#embed)) {
      const all = await this.#embedAll([...new Set([...texts, ...asked])], this.#embed);
      return { documents: all, queries: all };
    }
    const embedder = this.#embed;
    const [forTexts, ...forQueries] = await Promise.all([
      this.#embedAll(texts, (each) => embedder.embedDocuments(each)),
      ...asked.map((query) => this.#embedAll([query], async () => [await embedder.embedQuery(query)])),
    ]);
    return { documents: forTexts, queries: new Map(forQueries.flatMap((vectors) => [...vectors])) };
  }

  async #embedAll(texts: readonly string[], embed: EmbedFunction): Promise<Map<string, Vector>> {
    if (texts.length === 0) return new Map();
    const vectors: unknown = await embed([...texts]);
    if (!Array.isArray(vectors) || vectors.length !== texts.length) {
      throw new InvalidArgumentError(`index.embed must give a vector for each of ${texts.length} texts`);
    }
    return new Map(texts.map((text, i) => [text, this.#checked(vectors[i])]));
  }

  #checked(vector: unknown): Vector {
    if (!(vector instanceof Float32Array) && !Array.isArray(vector)) {
      throw new InvalidArgumentError("index.embed must give vectors: arrays of numbers, or Float32Array");
    }
    if (vector.length !== this.#dims) {
      throw new InvalidArgumentError(
        `index.embed gave a vector of ${vector.length} dimensions, and index.dims says ${this.#dims}`,
      );
    }
    return vector;
  }
}

/** Paths to embed, as a caller gave them. @throws InvalidArgumentError */
export function checkedFields(fields: unknown): IndexedFields | undefined {
  if (fields === undefined || fields === null) return undefined;
  return fields === false ? false : checkedPaths(fields, "index");
}

function checkedPaths(paths: unknown, name: string): readonly string[] {
  if (Array.isArray(paths) && paths.every((path) => typeof path === "string")) return [...paths];
  throw new InvalidArgumentError(`${name} must be a list of paths`);
}

function isEmbedder(embed: EmbedFunction | TextEmbedder): embed is TextEmbedder {
  return (
    typeof embed === "object" &&
    embed !== null &&
    typeof embed.embedDocuments === "function" &&
    typeof embed.embedQuery === "function"
  );
}
