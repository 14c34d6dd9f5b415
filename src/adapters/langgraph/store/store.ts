/** LangGraph's long-term memory over any storage. */
import { BaseStore, type Operation, type OperationResults, validateNamespace } from "@langchain/langgraph-checkpoint";
import type { CallOptions, Page } from "../../../contract/call.js";
import { InvalidArgumentError } from "../../../contract/errors.js";
import type { Item, ItemOperation, ItemResult, ItemStorage } from "../../../contract/item-storage.js";
import type { JsonObject } from "../../../contract/json.js";
import { gatherItems, gatherNamespaces } from "./gather-pages.js";
import { namespaceListingOf } from "./namespace-listing.js";
import {
  checkNamespace,
  type KnownOperation,
  knownOperation,
  lastPuts,
  type PutOperationWithTtl,
} from "./operations.js";
import { searchListingOf } from "./search-listing.js";
import { itemFilterOf, visibleBelow } from "./store-filter.js";
import { type StoreItem, type StoreSearchItem, storeItemOf } from "./store-items.js";
import {
  type PutStoreItemOptions,
  type StoreSearchOptions,
  type StoreSearchPageQuery,
  type StoreSettings,
  settingsOf,
  ttlMsOf,
  type WaystoneStoreOptions,
} from "./store-options.js";

/** What one read of a batch asks the storage for, and the answer that it makes of the result. */
interface PlannedRead {
  readonly position: number;
  readonly step: ItemOperation;
  readonly answer: (result: ItemResult | undefined) => Promise<unknown>;
}

/**
 * Keeps what agents know across threads: `graph.compile({ store: new WaystoneStore(storage) })`.
 *
 * - A batch is one round trip, all or nothing (M3). Its reads see what was stored before it; of several puts to one key the last counts.
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
    const reads = known.flatMap((each, position) => (each.kind === "put" ? [] : [this.#plan(each, position)]));
    const writes = lastPuts(known).map((put) => this.#writeOf(put));
    const answers: unknown[] = known.map(() => undefined);
    if (known.length > 0) {
      const results = await this.#storage.batchItems([...reads.map(({ step }) => step), ...writes]);
      await Promise.all(
        reads.map(async ({ position, answer }, i) => {
          answers[position] = await answer(results[i]);
        }),
      );
    }
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
    checkOwnNamespace(namespace);
    const put: PutOperationWithTtl = { namespace, key, value, ...(index === undefined ? {} : { index }), options };
    await this.batch([put]);
  }

  /**
   * Stores an item and returns it. With `expectedVersion` only on that version (0: absent), with `ifAbsent` only where there is none.
   * @throws ConflictError, InvalidNamespaceError, InvalidArgumentError
   */
  async putItem(namespace: string[], key: string, value: JsonObject, options: PutStoreItemOptions = {}): Promise<Item> {
    checkOwnNamespace(namespace);
    const { ttl, ...rest } = options;
    return this.#storage.putItem(namespace, key, value, { ...rest, ttlMs: ttlMsOf(ttl, this.#settings) });
  }

  /** One page of a search; its cursor goes on where the page ends, whatever is put meanwhile. @throws InvalidNamespaceError, InvalidArgumentError */
  async searchPage(namespacePrefix: string[], query: StoreSearchPageQuery = {}): Promise<Page<Item>> {
    checkNamespace(namespacePrefix, { allowEmpty: true });
    const filter = visibleBelow(namespacePrefix, itemFilterOf(query.filter));
    return this.#storage.searchItems(namespacePrefix, { ...query, filter });
  }

  /** Deletes every item below a prefix and returns how many. An empty prefix is refused. @throws InvalidNamespaceError */
  async deleteItems(namespacePrefix: string[], options?: CallOptions): Promise<number> {
    checkNamespace(namespacePrefix);
    return this.#storage.deleteItems(namespacePrefix, options);
  }

  #plan(known: Exclude<KnownOperation, { readonly kind: "put" }>, position: number): PlannedRead {
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
        const listing = searchListingOf(known.operation);
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

  #writeOf({ namespace, key, value, options }: PutOperationWithTtl): ItemOperation {
    if (value === null) return { delete: { namespace, key } };
    return { put: { namespace, key, value, ttlMs: ttlMsOf(options?.ttl, this.#settings) } };
  }

  /** Items of a search; those that expire live on as if each had been read. */
  async #found(items: readonly Item[]): Promise<StoreSearchItem[]> {
    const expiring = items.filter(({ expiresAt }) => this.#settings.refreshOnRead && expiresAt !== undefined);
    if (expiring.length === 0) return items.map(storeItemOf);
    const refreshed = await this.#storage.batchItems(
      expiring.map(({ namespace, key }) => ({ get: { namespace, key, refreshTtl: true } })),
    );
    const expiries = new Map(expiring.map((item, i) => [item, (refreshed[i] as Item | undefined)?.expiresAt]));
    return items.map((item) => {
      const expiresAt = expiries.get(item) ?? item.expiresAt;
      return { ...storeItemOf(item), ...(expiresAt === undefined ? {} : { expiresAt }) };
    });
  }
}

/** A namespace that may be written to by name: not empty, and not LangGraph's own. */
function checkOwnNamespace(namespace: unknown): void {
  checkNamespace(namespace);
  validateNamespace(namespace as string[]);
}
