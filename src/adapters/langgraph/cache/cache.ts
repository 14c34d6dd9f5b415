/** LangGraph's cache of node results over any storage. */
import { BaseCache, type SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { CorruptionError, InvalidArgumentError, isError } from "../../../contract/errors.js";
import type { Item, ItemNamespace, ItemOperation, ItemStorage } from "../../../contract/item-storage.js";
import type { JsonObject } from "../../../contract/json.js";
import { decodeValue, encodeValue } from "../../../domain/codec/codec.js";
import { MAX_OPERATIONS, partsOf } from "../../../domain/lists.js";
import { CACHE_MARK, CACHE_ROOT } from "../cache-root.js";
import { StateCodec } from "../stored-state.js";
import { type ClassCodec, ValueCodec } from "../value-codec.js";

export interface WaystoneCacheOptions {
  /** Classes of the application that results hold, beside the messages and documents of LangChain. */
  // biome-ignore lint/suspicious/noExplicitAny: a list of codecs of different classes has no other type
  readonly codecs?: readonly ClassCodec<any>[] | undefined;
  /** Serialises results in place of our codec. What the other one stored can still be read. */
  readonly serde?: SerializerProtocol | undefined;
  /**
   * Hears of entries that could not be stored or read. LangGraph awaits no `set`, so a rejection there would end the process.
   * What this function throws is what `get` or `set` rejects with. Default: a warning of the process.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** LangGraph's name of an entry. */
type FullKey = [namespace: string[], key: string];

/**
 * Keeps results of nodes for all processes on one storage: `graph.compile({ cache: new WaystoneCache(storage) })`.
 *
 * - Results come back as a saver's values do: messages, `Map`, `Date` and the like as they were, no class that data names.
 * - An entry that cannot be stored, or read, is no entry: the node runs, and `onError` hears why.
 * - Entries are items below a root of their own, which no store of LangGraph reaches or lists; namespaces and keys are
 *   identifiers (I1).
 *
 * The storage stays the caller's to close.
 */
export class WaystoneCache<V = unknown> extends BaseCache<V> {
  readonly #storage: ItemStorage;
  readonly #codec: StateCodec;
  readonly #onError: (error: unknown) => void;

  /** @throws InvalidArgumentError */
  constructor(storage: ItemStorage, options: WaystoneCacheOptions = {}) {
    super(options.serde);
    this.#storage = storage;
    this.#codec = new StateCodec(new ValueCodec(options.codecs ?? []), options.serde);
    this.#onError = options.onError ?? warn;
  }

  /** The entries that are there and have not expired, in one round trip for each 2,000. */
  async get(keys: FullKey[]): Promise<{ key: FullKey; value: V }[]> {
    const items: (Item | undefined)[] = [];
    for (const part of partsOf(keys, MAX_OPERATIONS)) {
      const found = await this.#heard(() =>
        this.#storage.batchItems(part.map(([namespace, key]) => ({ get: { namespace: entriesOf(namespace), key } }))),
      );
      items.push(...((found ?? part.map(() => undefined)) as (Item | undefined)[]));
    }
    const entries = await Promise.all(
      keys.map(async (key, i) => {
        const item = items[i];
        if (item === undefined) return undefined;
        return this.#heard(async () => ({ key, value: (await this.#codec.decode(dataOf(item))) as V }));
      }),
    );
    return entries.filter((entry) => entry !== undefined);
  }

  /** Stores entries, in one round trip for each 2,000; `ttl` in seconds, without it they stay. */
  async set(pairs: { key: FullKey; value: V; ttl?: number }[]): Promise<void> {
    const steps = await Promise.all(pairs.map((pair) => this.#heard(() => this.#stepOf(pair))));
    const possible = steps.filter((step) => step !== undefined);
    for (const part of partsOf(possible, MAX_OPERATIONS)) await this.#heard(() => this.#storage.batchItems(part));
  }

  /** Deletes the entries of these namespaces, exactly these; of none given, all entries. */
  async clear(namespaces: string[][]): Promise<void> {
    if (namespaces.length === 0) await this.#storage.deleteItems([CACHE_ROOT]);
    for (const namespace of namespaces) await this.#storage.deleteItems(entriesOf(namespace));
  }

  async #stepOf({ key: fullKey, value, ttl }: { key: FullKey; value: V; ttl?: number }): Promise<ItemOperation> {
    const [labels, key] = fullKey;
    const namespace = entriesOf(labels);
    const ttlMs = ttl === undefined || ttl === null ? undefined : milliseconds(ttl);
    if (ttlMs !== undefined && ttlMs <= 0) return { delete: { namespace, key } };
    // Encoded before anything is awaited, unless a serialiser of the user's is asked: the graph goes on with the value.
    const encoded = this.#codec.encodeAll([value]);
    const [data] = encoded instanceof Promise ? await encoded : encoded;
    return { put: { namespace, key, value: { [CACHE_MARK]: 1, data: encodeValue(data) }, ttlMs } };
  }

  /** What the call gives; a failure goes to `onError`, and is `undefined`. */
  async #heard<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      this.#onError(error);
      return undefined;
    }
  }
}

/**
 * The namespace of the storage for one of the cache. It begins with the number of labels, so that no namespace is below another
 * and clearing one leaves the others.
 */
function entriesOf(namespace: readonly string[]): ItemNamespace {
  if (!Array.isArray(namespace)) throw new InvalidArgumentError("a namespace of the cache must be an array of labels");
  return [CACHE_ROOT, String(namespace.length), ...namespace];
}

function dataOf({ value }: Item): unknown {
  const { [CACHE_MARK]: version, data }: JsonObject = value;
  if (version !== 1 || typeof data !== "string") throw new CorruptionError("the item is no entry of the cache");
  return decodeValue(data);
}

function milliseconds(seconds: number): number | undefined {
  if (typeof seconds !== "number" || Number.isNaN(seconds))
    throw new InvalidArgumentError("ttl must be a number of seconds");
  return seconds === Number.POSITIVE_INFINITY ? undefined : Math.round(seconds * 1000);
}

function warn(error: unknown): void {
  const reason = isError(error) ? `${error.name}: ${error.message}` : String(error);
  process.emitWarning(`an entry of the node cache is left out: ${reason}`, { type: "WaystoneCacheWarning" });
}
