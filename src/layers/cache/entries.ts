/** What is kept, by least recent use, within bounds of entries, bytes and time; and reads that several callers wait for together. */
import type { ChangeFeed } from "../../contract/change-feed.js";
import { LRUCache } from "../bundled/lru-cache.js";
import { Freshness } from "./freshness.js";

/** A kept result, with what it depends on. */
interface Entry {
  readonly value: { readonly bytes: number };
  readonly subjects: readonly string[];
  /** When its read began. */
  readonly moment: number;
}

export interface CacheBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly absentTtlMs: number;
}

/** What the cache has counted, and what it holds now. */
export interface CacheStats {
  /** Reads that were answered without the store's data. */
  readonly hits: number;
  readonly misses: number;
  /** Misses that waited for the read of another caller. */
  readonly joined: number;
  /** Hits of all reads that could be hits, 0 to 1; 0 before the first. */
  readonly hitRate: number;
  /** Changes by others that a feed has told. */
  readonly told: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What `read` does for one kind of result. */
export interface CachedRead<T, Value extends { readonly bytes: number }> {
  readonly key: string;
  readonly subjects: readonly string[];
  /** Whether callers may wait for the read of another one. */
  readonly shared: boolean;
  /** What a kept value gives; `undefined` if it does not answer this read. */
  give(value: Value): { readonly result: T } | undefined;
  fetch(): Promise<T>;
  /** What to keep of a result; `undefined` for nothing. */
  keep(result: T): Promise<Value | undefined> | Value | undefined;
  /** Whether the result says that there is nothing: it is kept for a shorter time. */
  isAbsent(result: T): boolean;
}

export class Entries {
  readonly freshness: Freshness = new Freshness();
  readonly #bounds: CacheBounds;
  readonly #kept: LRUCache<string, Entry>;
  readonly #flights = new Map<string, { readonly moment: number; readonly result: Promise<unknown> }>();
  /** Feeds that are to be asked before what is kept is used. */
  readonly #polls = new Set<() => void>();
  #told = 0;
  #hits = 0;
  #misses = 0;
  #joined = 0;

  constructor(bounds: CacheBounds) {
    this.#bounds = bounds;
    this.#kept = new LRUCache({
      max: bounds.maxEntries,
      maxSize: bounds.maxBytes,
      sizeCalculation: ({ value, subjects }, key) =>
        value.bytes + key.length * 2 + subjects.reduce((sum, { length }) => sum + length, 200),
      ttl: bounds.ttlMs,
    });
  }

  stats(): CacheStats {
    const [hits, misses] = [this.#hits, this.#misses];
    return {
      hits,
      misses,
      joined: this.#joined,
      told: this.#told,
      hitRate: hits === 0 ? 0 : hits / (hits + misses),
      entries: this.#kept.size,
      bytes: this.#kept.calculatedSize,
    };
  }

  /** Asks a feed that tells nothing by itself. What it returns ends that. */
  watch({ poll }: Pick<ChangeFeed, "poll">): () => void {
    if (poll === undefined) return () => undefined;
    const ask = (): void => poll();
    this.#polls.add(ask);
    return () => {
      this.#polls.delete(ask);
    };
  }

  /** Somebody has said that others have written. */
  told(): void {
    this.#told += 1;
  }

  /** What is kept under a key and still current. */
  get<Value extends { readonly bytes: number }>(key: string): Value | undefined {
    for (const poll of this.#polls) poll();
    const entry = this.#kept.get(key);
    if (entry === undefined) return undefined;
    if (this.freshness.isCurrent(entry.subjects, entry.moment)) return entry.value as Value;
    this.#kept.delete(key);
    return undefined;
  }

  /** Keeps a value that was read from that moment on, if no write has come meanwhile. */
  set<Value extends { readonly bytes: number }>(
    key: string,
    value: Value,
    subjects: readonly string[],
    moment: number,
    isAbsent = false,
  ): void {
    if (!this.freshness.mayKeep(subjects, moment)) return;
    const ttl = isAbsent ? this.#bounds.absentTtlMs : this.#bounds.ttlMs;
    if (ttl > 0) this.#kept.set(key, { value, subjects, moment }, { ttl });
  }

  /** Puts a value in the place of one that it goes on from: it does not last longer than that one would have. */
  goOn(key: string, value: { readonly bytes: number }, subjects: readonly string[], moment: number): void {
    const ttl = this.#kept.getRemainingTTL(key);
    if (ttl > 0 && this.freshness.mayKeep(subjects, moment)) this.#kept.set(key, { value, subjects, moment }, { ttl });
  }

  hit(): void {
    this.#hits += 1;
  }

  miss(): void {
    this.#misses += 1;
  }

  /** Forgets all that is kept; reads that are under way are not kept either. */
  forgetAll(): void {
    this.#kept.clear();
    this.freshness.forgetAll();
  }

  /** A result that is kept, that another caller waits for already, or that the store gives. */
  async read<T, Value extends { readonly bytes: number }>(read: CachedRead<T, Value>): Promise<T> {
    const kept = this.get<Value>(read.key);
    const given = kept === undefined ? undefined : read.give(kept);
    if (given !== undefined) {
      this.#hits += 1;
      return given.result;
    }
    this.#misses += 1;
    const moment = this.freshness.now;
    const flight = read.shared ? this.#flights.get(read.key) : undefined;
    // One that began before a write was over may be older than it.
    if (flight !== undefined && this.freshness.mayKeep(read.subjects, flight.moment)) {
      this.#joined += 1;
      const value = (await flight.result) as Value | undefined;
      const joined = value === undefined ? undefined : read.give(value);
      if (joined !== undefined) return joined.result;
      return this.freshness.asking(read.subjects, () => read.fetch());
    }
    return this.#fetch(read, moment);
  }

  async #fetch<T, Value extends { readonly bytes: number }>(read: CachedRead<T, Value>, moment: number): Promise<T> {
    const fetched = this.freshness.asking(read.subjects, () => read.fetch());
    const kept = fetched.then((result) => read.keep(result));
    const flight = { moment, result: kept.catch(() => undefined) };
    if (read.shared) this.#flights.set(read.key, flight);
    try {
      const [result, value] = await Promise.all([fetched, kept]);
      if (value !== undefined) this.set(read.key, value, read.subjects, moment, read.isAbsent(result));
      return result;
    } finally {
      if (this.#flights.get(read.key) === flight) this.#flights.delete(read.key);
    }
  }
}
