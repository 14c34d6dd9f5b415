/** Vectors of the items of a tenant, side by side for each namespace, so that a search reads them from end to end. */
import { compareNamespaces, startsWithLabels } from "../../domain/namespaces.js";
import type { ComparableVectors } from "../../domain/nearest.js";
import { VectorBlocks, type VectorPart, type VectorPlace } from "../../domain/vector-blocks.js";
import { OrderedIndex } from "./ordered-index.js";

/** Vectors of one item. They stay readable after they are removed. */
export class KeptVectors implements ComparableVectors {
  readonly dimensions: number;
  readonly count: number;
  place: VectorPlace;
  /** The view up to which they are there. */
  lastView: number = Number.POSITIVE_INFINITY;

  constructor({ dimensions, lengths }: ComparableVectors, place: VectorPlace) {
    this.dimensions = dimensions;
    this.count = lengths.length;
    this.place = place;
  }

  get values(): Float32Array {
    const { part, row } = this.place;
    return part.values.subarray(row * this.dimensions, (row + this.count) * this.dimensions);
  }

  get lengths(): Float64Array {
    const { part, row } = this.place;
    return part.lengths.subarray(row, row + this.count);
  }
}

interface Owner {
  readonly namespace: readonly string[];
  readonly vectors: KeptVectors | null;
}

/** What there was at one instant: later changes do not reach it. */
export interface VectorsView<Item> {
  readonly parts: readonly VectorPart<Item>[];
  /** Among the rows of the parts are some that were removed before. */
  isThere(item: Item): boolean;
}

interface Group<Item> {
  readonly namespace: readonly string[];
  readonly blocks: VectorBlocks<Item>;
}

export class ItemVectors<Item extends Owner> {
  readonly #groups = new OrderedIndex<Pick<Group<Item>, "namespace">, Group<Item>>((a, b) =>
    compareNamespaces(a.namespace, b.namespace),
  );
  #views = 0;

  /** The item with vectors of its own, also where those it is given are another one's. */
  keep(item: Omit<Item, "vectors"> & { readonly vectors: ComparableVectors | null }): Item {
    const { vectors } = item;
    if (vectors === null) return item as Item;
    const kept = { ...item } as Item & { vectors: KeptVectors };
    kept.vectors = new KeptVectors(vectors, this.#groupOf(item).blocks.add(kept, vectors));
    return kept;
  }

  remove({ namespace, vectors }: Item): void {
    if (vectors === null) return;
    vectors.lastView = this.#views;
    const group = this.#groups.get({ namespace });
    if (group === undefined) return;
    const { blocks } = group;
    for (const owner of blocks.leave(vectors.place, vectors.count, (each) => each.vectors?.lastView === Infinity)) {
      const own = owner.vectors as KeptVectors;
      own.place = blocks.add(owner, own);
    }
    if (blocks.rows === 0) this.#groups.delete(group);
  }

  removeBelow(prefix: readonly string[]): void {
    this.#groups.removeRun({ namespace: prefix }, ({ namespace }) => startsWithLabels(namespace, prefix));
  }

  below(prefix: readonly string[]): VectorsView<Item> {
    this.#views += 1;
    const view = this.#views;
    const parts: VectorPart<Item>[] = [];
    const own = this.#groups.get({ namespace: prefix });
    if (own !== undefined) parts.push(...own.blocks.parts());
    for (const { namespace, blocks } of this.#groups.scan("asc", { namespace: prefix })) {
      if (!startsWithLabels(namespace, prefix)) break;
      parts.push(...blocks.parts());
    }
    return { parts, isThere: ({ vectors }) => vectors !== null && vectors.lastView >= view };
  }

  #groupOf({ namespace }: Pick<Item, "namespace">): Group<Item> {
    let group = this.#groups.get({ namespace });
    if (group === undefined) {
      group = { namespace, blocks: new VectorBlocks<Item>() };
      this.#groups.add(group);
    }
    return group;
  }
}
