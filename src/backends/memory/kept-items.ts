/** The items of a tenant in their order, with their vectors beside them. */
import type { StoredItem } from "../../domain/driver/stored.js";
import { compareCodePoints } from "../../domain/identifiers.js";
import { compareNamespaces, startsWithLabels } from "../../domain/namespaces.js";
import type { ComparableVectors } from "../../domain/nearest.js";
import { ItemVectors, type KeptVectors, type VectorsView } from "./item-vectors.js";
import { OrderedIndex } from "./ordered-index.js";

/** An item with its vectors; `null` for none. */
export interface KeptItem extends StoredItem {
  readonly vectors: KeptVectors | null;
}

/** An item before it is kept. */
export interface NewItem extends StoredItem {
  readonly vectors: ComparableVectors | null;
}

/** Items have no two of one namespace and key. */
export type ItemKey = Pick<StoredItem, "namespace" | "key">;

/** By namespace, then key. */
export class KeptItems {
  readonly #rows = new OrderedIndex<ItemKey, KeptItem>(
    (a, b) => compareNamespaces(a.namespace, b.namespace) || compareCodePoints(a.key, b.key),
  );
  readonly #vectors = new ItemVectors<KeptItem>();

  get(key: ItemKey): KeptItem | undefined {
    return this.#rows.get(key);
  }

  /** The first item above a key, or of all. */
  next(above: ItemKey | null): KeptItem | undefined {
    return this.#rows.next(above);
  }

  /** Items beyond a key, as they are now. */
  scan(direction: "asc" | "desc" = "asc", beyond: ItemKey | null = null): Generator<KeptItem> {
    return this.#rows.scan(direction, beyond);
  }

  /** Stores an item, in the place of the one that is there. */
  put(item: NewItem): void {
    const kept = this.#vectors.keep(item);
    const stored = this.#rows.get(item);
    if (stored === undefined) {
      this.#rows.add(kept);
      return;
    }
    this.#rows.replace(stored, kept);
    this.#vectors.remove(stored);
  }

  delete(key: ItemKey): void {
    const stored = this.#rows.get(key);
    if (stored === undefined) return;
    this.#rows.delete(stored);
    this.#vectors.remove(stored);
  }

  /** Removes all items below a prefix at once, and returns them. */
  deleteBelow(prefix: readonly string[]): (readonly KeptItem[])[] {
    this.#vectors.removeBelow(prefix);
    return this.#rows.removeRun(startOf(prefix), (row) => startsWithLabels(row.namespace, prefix));
  }

  /** The vectors below a prefix, as they are now. */
  vectorsBelow(prefix: readonly string[]): VectorsView<KeptItem> {
    return this.#vectors.below(prefix);
  }
}

/** Stands before all items of a namespace and of those below it: no key is empty. */
export function startOf(namespace: readonly string[]): ItemKey {
  return { namespace, key: "" };
}
