/** The layer `cache`: single reads that come again are answered from memory, and never with what this process knows to be old. */
import { type ChangeFeed, changeFeed } from "../../contract/change-feed.js";
import type { ImportOptions, StorageRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { integer, knownFields, oneOf } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { CallsUnderWay } from "../calls-under-way.js";
import { innermostOf, type Layer, type LayerReading, layer } from "../layer.js";
import { followFeed } from "./change-feed.js";
import { checkpointVerbs } from "./checkpoint-verbs.js";
import { conversationVerbs } from "./conversation-verbs.js";
import { type CacheStats, Entries } from "./entries.js";
import { knownLifetimes } from "./lifetimes.js";
import { sessionVerbs } from "./session-verbs.js";
import { taskContextVerbs } from "./task-context-verbs.js";
import { TenantCache } from "./tenant-cache.js";

export interface CacheOptions {
  /** Most results that are kept. Default 10,000. */
  readonly maxEntries?: number | undefined;
  /** Most bytes that they take, about. Default 67,108,864 (64 MiB). */
  readonly maxBytes?: number | undefined;
  /** How long a result is given out, in milliseconds: what another process has written is seen after this time at the latest. Default 10,000. */
  readonly ttlMs?: number | undefined;
  /** As `ttlMs`, for what is not there. 0 keeps no such answers. Default 1,000. */
  readonly absentTtlMs?: number | undefined;
  /**
   * `never` (default): for `ttlMs` nobody is asked. `always`: each read asks the store whether what is kept is current, so that what any
   * process has written is seen at once: conversations by what their session says, states by their etag. Other reads go to the store.
   */
  readonly validate?: "never" | "always" | undefined;
  /**
   * Tells what other processes have written, so that it is seen before `ttlMs` is over. Default: the feed of the storage that all layers are
   * around, if that was opened with `changeFeed: true`; `"none"` does not follow it.
   */
  readonly feed?: ChangeFeed | "none" | undefined;
}

export interface CacheLayer extends Layer {
  stats(): CacheStats;
  /** Forgets all that is kept. */
  clear(): void;
}

const FIELDS = ["maxEntries", "maxBytes", "ttlMs", "absentTtlMs", "validate", "feed"] as const;

/**
 * Keeps sessions, the newest messages of conversations, checkpoints that were read, and newest task contexts.
 *
 * - No read gives what is older than the last write through this layer that was acknowledged. One that was under way beside a write is not
 *   kept; callers that read the same at the same moment share one read, unless they bring a signal or a deadline.
 * - What expires by itself (`ttlMs` of a session) is not kept, and neither is what belongs to it.
 * - Every result is an object of its own.
 * @throws InvalidArgumentError for a bad option
 */
export function cache(options: CacheOptions = {}): CacheLayer {
  const given = knownFields(options, "options", FIELDS);
  const bounds = {
    maxEntries: integer(given.maxEntries ?? 10_000, "maxEntries", { min: 1, max: 10_000_000 }),
    maxBytes: integer(given.maxBytes ?? 64 * 1024 * 1024, "maxBytes", { min: 1 }),
    ttlMs: integer(given.ttlMs ?? 10_000, "ttlMs", { min: 1, max: 86_400_000 }),
    absentTtlMs: integer(given.absentTtlMs ?? 1_000, "absentTtlMs", { min: 0, max: 86_400_000 }),
  };
  const validates = given.validate !== undefined && oneOf(given.validate, "validate", ["never", "always"]) === "always";
  const entries = new Entries(bounds);
  const known = knownLifetimes(bounds.ttlMs);
  let storages = 0;
  const self = layer({ kind: "cache", readings: () => readingsOf(entries.stats()) }, (backend) => {
    storages += 1;
    const storage = storages;
    const calls = new CallsUnderWay(backend.kind);
    const feed = given.feed ?? changeFeed(innermostOf(backend));
    const unfollow = followFeed(feed === "none" ? undefined : feed, entries, known, (tenant) => `${storage} ${tenant}`);
    const around = (inner: StorageBackend): StorageBackend => {
      const name = `${storage} ${inner.tenantName}`;
      const tenant = new TenantCache(inner, { name, entries, known, validates });
      const isRoot = inner === backend;
      const close = async (): Promise<void> => {
        if (isRoot) await unfollow();
        await inner.close();
      };
      return cached(tenant, isRoot ? calls : calls.view(), close, (other) => {
        const view = inner.tenant(other);
        return view === inner ? undefined : around(view);
      });
    };
    return around(backend);
  });
  return Object.assign(self, { stats: () => entries.stats(), clear: () => entries.forgetAll() });
}

function cached(
  tenant: TenantCache,
  calls: CallsUnderWay,
  closeInner: () => Promise<void>,
  tenantView: (name: string) => StorageBackend | undefined,
): StorageBackend {
  const { inner } = tenant;
  const close = (): Promise<void> => calls.close(closeInner);
  const verbs = {
    ...sessionVerbs(tenant),
    ...conversationVerbs(tenant),
    ...checkpointVerbs(tenant),
    ...taskContextVerbs(tenant),
    putItem: inner.putItem.bind(inner),
    updateItem: inner.updateItem.bind(inner),
    getItem: inner.getItem.bind(inner),
    deleteItem: inner.deleteItem.bind(inner),
    batchItems: inner.batchItems.bind(inner),
    searchItems: inner.searchItems.bind(inner),
    countItems: inner.countItems.bind(inner),
    listNamespaces: inner.listNamespaces.bind(inner),
    deleteItems: inner.deleteItems.bind(inner),
    acquireLease: inner.acquireLease.bind(inner),
    renewLease: inner.renewLease.bind(inner),
    releaseLease: inner.releaseLease.bind(inner),
    initialize: inner.initialize.bind(inner),
    getMetrics: inner.getMetrics.bind(inner),
    exportRecords: inner.exportRecords.bind(inner),
    importRecords: (records: AsyncIterable<StorageRecord> | Iterable<StorageRecord>, options?: ImportOptions) =>
      tenant.writingAll(() => inner.importRecords(records, options)),
  };
  const self: StorageBackend = {
    kind: inner.kind,
    tenantName: inner.tenantName,
    timeoutMs: inner.timeoutMs,
    ...calls.around(verbs),
    healthCheck: inner.healthCheck.bind(inner),
    close,
    tenant: (name) => tenantView(identifier(name, "tenant")) ?? self,
    [Symbol.asyncDispose]: close,
  };
  return self;
}

function readingsOf({ hits, misses, joined, told, entries, bytes }: CacheStats): readonly LayerReading[] {
  const reading = (
    name: string,
    type: "counter" | "gauge",
    unit: string,
    description: string,
    value: number,
    attributes?: LayerReading["attributes"],
  ): LayerReading => ({
    name: `waystone.cache.${name}`,
    unit,
    type,
    description,
    value,
    ...(attributes === undefined ? {} : { attributes }),
  });
  const requests = (value: number, isHit: boolean): LayerReading =>
    reading("requests", "counter", "{request}", "Reads that could be answered from the cache", value, {
      "waystone.cache.hit": isHit,
    });
  return [
    requests(hits, true),
    requests(misses, false),
    reading("joined", "counter", "{read}", "Misses that waited for the read of another caller", joined),
    reading("told", "counter", "{change}", "Changes by others that a feed has told", told),
    reading("entries", "gauge", "{entry}", "Results that are kept", entries),
    reading("bytes", "gauge", "By", "Bytes that they take, about", bytes),
  ];
}
