/** LangGraph's long-term memory over any storage. */
import { BaseStore, type Operation, type OperationResults } from "@langchain/langgraph-checkpoint";
import type { CallOptions, Page } from "../../../contract/call.js";
import { InvalidArgumentError } from "../../../contract/errors.js";
import type {
  Item,
  ItemChange,
  ItemOperation,
  ItemResult,
  ItemStorage,
  Similarity,
  Vector,
} from "../../../contract/item-storage.js";
import type { JsonObject } from "../../../contract/json.js";
import { MAX_OPERATIONS, partsOf } from "../../../domain/lists.js";
import { minutes } from "./arguments.js";
import { gatherItems, gatherNamespaces } from "./gather-pages.js";
import { updateIndexed } from "./indexed-update.js";
import { namespaceListingOf } from "./namespace-listing.js";
import { checkNamespace } from "./namespaces.js";
import {
  type KnownOperation,
  knownOperation,
  lastPuts,
  type PutOperationWithTtl,
  queriesOf,
  queryOf,
} from "./operations.js";
import { searchListingOf } from "./search-listing.js";
import { itemFilterOf, visibleBelow } from "./store-filter.js";
import { type StoreItem, type StoreSearchItem, storeItemOf } from "./store-items.js";
import {
  type CountStoreItemsOptions,
  type PutStoreItemOptions,
  type StoreSearchOptions,
  type StoreSearchPageQuery,
  type StoreSettings,
  settingsOf,
  ttlMsOf,
  type UpdateStoreItemOptions,
  type WaystoneStoreOptions,
} from "./store-options.js";
import { checkedFields, type Embedded, type IndexedFields, type TextIndex } from "./text-index.js";

/** What one read of a batch asks the storage for, and the answer that it makes of the result. */
interface PlannedRead {
  readonly position: number;
  readonly step: ItemOperation;
  readonly answer: (result: ItemResult | undefined) => Promise<unknown>;
}

/** A value with its vectors, as it was when it was handed over. */
interface IndexedPut {
  readonly value: JsonObject;
  readonly vectors: readonly Vector[] | undefined;
}

interface Indexed {
  readonly puts: ReadonlyMap<PutOperationWithTtl, IndexedPut>;
  readonly queries: Embedded["queries"];
}

const NOT_INDEXED: Indexed = { puts: new Map(), queries: new Map() };

/**
 * Keeps what agents know across threads: `graph.compile({ store: new WaystoneStore(storage) })`.
 *
 * - A batch is one round trip, all or nothing (M3), but for more than 2,000 operations, which go in several. Its reads see what was stored before it; of several puts to one key the last counts.
 * - A namespace is its labels (M1): neighbours that begin alike never meet.
 * - Values are plain JSON objects, copied both ways; any other rejects with `InvalidArgumentError`, and nothing is stored.
 *
 * The storage stays the caller's to close.
 */
export class WaystoneStore extends BaseStore {
  readonly #storage: ItemStorage;
  readonly #settings: StoreSettings;

  /** @throws InvalidArgumentError */
  constructor(storage: ItemStorage, options: WaystoneStoreOptions = {}) {
    super();
    this.#storage = storage;
    this.#settings = settingsOf(options);
  }

  /** @throws InvalidNamespaceError, InvalidArgumentError */
  override async batch<Op extends readonly Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    if (!Array.isArray(operations)) throw new InvalidArgumentError("operations must be an array");
    const known = operations.map(knownOperation);
    const puts = lastPuts(known);
    const queries = queriesOf(known);
    for (const { index } of puts) checkedFields(index);
    // Without an index nothing is awaited before the storage has the values.
    const indexed = this.#settings.index === undefined ? NOT_INDEXED : await this.#embed(puts, queries);
    const reads = known.flatMap((each, position) =>
      each.kind === "put" ? [] : [this.#plan(each, position, indexed.queries)],
    );
    const writes = puts.map((put) => this.#writeOf(put, indexed.puts.get(put)));
    const answers: unknown[] = known.map(() => undefined);
    const results = await this.#batches([...reads.map(({ step }) => step), ...writes]);
    await Promise.all(
      reads.map(async ({ position, answer }, i) => {
        answers[position] = await answer(results[i]);
      }),
    );
    return answers as OperationResults<Op>;
  }

  override async get(namespace: string[], key: string): Promise<StoreItem | null> {
    const [item] = await this.batch([{ namespace, key }]);
    return item as StoreItem | null;
  }

  /** Items below a prefix, those changed last first, or the nearest to `query` first. */
  override async search(namespacePrefix: string[], options: StoreSearchOptions = {}): Promise<StoreSearchItem[]> {
    const { filter, limit = 10, offset = 0, query } = options;
    const [items] = await this.batch([
      {
        namespacePrefix,
        limit,
        offset,
        ...(filter === undefined ? {} : { filter }),
        ...(query === undefined ? {} : { query }),
      },
    ]);
    return items as StoreSearchItem[];
  }

  /** Stores an item, or with `null` deletes it. `ttl` in minutes. @throws InvalidNamespaceError, InvalidArgumentError */
  override async put(
    namespace: string[],
    key: string,
    value: Record<string, unknown> | null,
    index?: false | string[],
    options?: { readonly ttl?: number | undefined },
  ): Promise<void> {
    checkNamespace(namespace, "own");
    const put: PutOperationWithTtl = { namespace, key, value, ...(index === undefined ? {} : { index }), options };
    await this.batch([put]);
  }

  /**
   * Stores an item and returns it. With `expectedVersion` only on that version (0: absent), with `ifAbsent` only where there is none.
   * @throws ConflictError, InvalidNamespaceError, InvalidArgumentError
   */
  async putItem(namespace: string[], key: string, value: JsonObject, options: PutStoreItemOptions = {}): Promise<Item> {
    checkNamespace(namespace, "own");
    const { ttl, index, ...rest } = options;
    const ttlMs = ttlMsOf(ttl, this.#settings);
    const fields = checkedFields(index);
    if (this.#settings.index === undefined) return this.#storage.putItem(namespace, key, value, { ...rest, ttlMs });
    const indexed = await this.#vectorsOf(this.#settings.index, value, fields);
    return this.#storage.putItem(namespace, key, indexed.value, { ...rest, ttlMs, vectors: indexed.vectors });
  }

  /**
   * Changes keys of a value, and returns the whole item: `merge` sets keys, `unset` removes them, `increment` adds to numbers; an item
   * that is not there begins as `{}`. In a store with an index the item is read, embedded as it becomes, and changed with its
   * vectors in one step; else it is not read first.
   * @throws ConflictError, InvalidNamespaceError, InvalidArgumentError
   */
  async updateItem(
    namespace: string[],
    key: string,
    change: ItemChange,
    options: UpdateStoreItemOptions = {},
  ): Promise<Item> {
    checkNamespace(namespace, "own");
    const { ttl, index, ...rest } = options;
    const ttlMs = ttl === undefined ? undefined : minutes(ttl, "ttl");
    const fields = checkedFields(index);
    const own = { ...rest, ttlMs };
    if (this.#settings.index === undefined || fields === false) {
      return this.#storage.updateItem(namespace, key, change, own);
    }
    return updateIndexed(this.#storage, this.#settings.index, { namespace, key, change, fields, options: own });
  }

  /** How many items below a prefix match. @throws InvalidNamespaceError, InvalidArgumentError */
  async countItems(namespacePrefix: string[], options: CountStoreItemsOptions = {}): Promise<number> {
    checkNamespace(namespacePrefix, "prefix");
    const filter = visibleBelow(namespacePrefix, itemFilterOf(options.filter));
    return this.#storage.countItems(namespacePrefix, { ...options, filter });
  }

  /** One page of a search; its cursor goes on where the page ends, whatever is put meanwhile. @throws InvalidNamespaceError, InvalidArgumentError */
  async searchPage(namespacePrefix: string[], query: StoreSearchPageQuery = {}): Promise<Page<Item>> {
    checkNamespace(namespacePrefix, "prefix");
    const { query: text, ...rest } = query;
    const asked = queryOf(text);
    const filter = visibleBelow(namespacePrefix, itemFilterOf(query.filter));
    if (this.#settings.index === undefined || asked === undefined) {
      return this.#storage.searchItems(namespacePrefix, { ...rest, filter });
    }
    const { queries } = await this.#settings.index.embed([], [asked]);
    return this.#storage.searchItems(namespacePrefix, { ...rest, filter, similarTo: this.#rank(asked, queries) });
  }

  /** Deletes every item below a prefix and returns how many. An empty prefix is refused. @throws InvalidNamespaceError */
  async deleteItems(namespacePrefix: string[], options?: CallOptions): Promise<number> {
    checkNamespace(namespacePrefix, "any");
    return this.#storage.deleteItems(namespacePrefix, options);
  }

  /** Values and vectors of puts, and vectors of queries: all texts of a batch in one call. */
  async #embed(puts: readonly PutOperationWithTtl[], queries: readonly string[]): Promise<Indexed> {
    const { index } = this.#settings;
    if (index === undefined) return NOT_INDEXED;
    const values = puts
      .filter(({ value }) => value !== null)
      .map((put) => ({ put, ...index.valueOf(put.value, checkedFields(put.index)) }));
    const { documents, queries: forQueries } = await index.embed(
      values.flatMap(({ texts }) => texts),
      queries,
    );
    const withVectors = values.map(
      ({ put, value, texts }) => [put, { value, vectors: vectorsOfTexts(texts, documents) }] as const,
    );
    return { puts: new Map(withVectors), queries: forQueries };
  }

  async #vectorsOf(index: TextIndex, value: JsonObject, fields: IndexedFields | undefined): Promise<IndexedPut> {
    const { value: copy, texts } = index.valueOf(value, fields);
    const { documents } = await index.embed(texts, []);
    return { value: copy, vectors: vectorsOfTexts(texts, documents) };
  }

  #rank(query: string | undefined, queries: Embedded["queries"]): Similarity | undefined {
    const vector = query === undefined ? undefined : queries.get(query);
    return vector && { vector, distance: this.#settings.index?.distance };
  }

  #plan(
    known: Exclude<KnownOperation, { readonly kind: "put" }>,
    position: number,
    queries: Embedded["queries"],
  ): PlannedRead {
    switch (known.kind) {
      case "get": {
        const { namespace, key } = known.operation;
        const refreshTtl = this.#settings.refreshOnRead;
        return {
          position,
          step: { get: { namespace, key, refreshTtl } },
          answer: async (item) => (item === undefined ? null : storeItemOf(item as Item)),
        };
      }
      case "search": {
        const listing = searchListingOf(known.operation, this.#rank(queryOf(known.operation.query), queries));
        return {
          position,
          step: { search: { prefix: listing.prefix, ...listing.query } },
          answer: async (page) => this.#found(await gatherItems(this.#storage, listing, page as Page<Item>)),
        };
      }
      case "list": {
        const listing = namespaceListingOf(known.operation);
        return {
          position,
          step: { listNamespaces: listing.query },
          answer: (page) => gatherNamespaces(this.#storage, listing, page as Page<string[]>),
        };
      }
    }
  }

  #writeOf({ namespace, key, value, options }: PutOperationWithTtl, indexed: IndexedPut | undefined): ItemOperation {
    if (value === null) return { delete: { namespace, key } };
    const ttlMs = ttlMsOf(options?.ttl, this.#settings);
    return { put: { namespace, key, ttlMs, ...(indexed ?? { value }) } };
  }

  /** One batch, or more than one call takes in several, one after the other. */
  async #batches(operations: readonly ItemOperation[]): Promise<ItemResult[]> {
    const results: ItemResult[] = [];
    for (const part of partsOf(operations, MAX_OPERATIONS)) results.push(...(await this.#storage.batchItems(part)));
    return results;
  }

  /** Items of a search; those that expire live on as if each had been read. */
  async #found(items: readonly Item[]): Promise<StoreSearchItem[]> {
    const expiring = items.filter(({ expiresAt }) => this.#settings.refreshOnRead && expiresAt !== undefined);
    if (expiring.length === 0) return items.map(storeItemOf);
    const refreshed = await this.#batches(
      expiring.map(({ namespace, key }) => ({ get: { namespace, key, refreshTtl: true } })),
    );
    const expiries = new Map(expiring.map((item, i) => [item, (refreshed[i] as Item | undefined)?.expiresAt]));
    return items.map((item) => {
      const expiresAt = expiries.get(item) ?? item.expiresAt;
      return { ...storeItemOf(item), ...(expiresAt === undefined ? {} : { expiresAt }) };
    });
  }
}

/** `undefined` where there is nothing to embed, so that storages without vectors take the item. */
function vectorsOfTexts(texts: readonly string[], vectors: Embedded["documents"]): readonly Vector[] | undefined {
  const found = texts.map((text) => vectors.get(text)).filter((vector) => vector !== undefined);
  return found.length > 0 ? found : undefined;
}
