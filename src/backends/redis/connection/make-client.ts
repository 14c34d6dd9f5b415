/** The client that a storage makes for itself: one that never sends a write twice, and never keeps one for later. */
import type { RedisSource } from "../source.js";
import { loadRedis, type RedisClient } from "./client.js";

/** Longest pause between two attempts to connect again, in milliseconds. */
const LONGEST_PAUSE_MS = 1_000;

/**
 * A write whose answer is lost may have been done: only the caller knows whether it may be sent again. Nor does the client subscribe again by
 * itself: it would wait for no answer, and a connection that is lost again at that moment would be an error that nobody takes.
 */
const ONCE = {
  lazyConnect: true,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  retryStrategy: pause,
};

/**
 * Nodes of a cluster connect when they are first needed, and queue what waits for that. What a node refuses because the Cluster is down is told:
 * `ioredis` would ask nodes at random, of which some are gone, and hand on that those did not answer.
 */
const CLUSTER_ONCE = {
  lazyConnect: true,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  slotsRefreshTimeout: 2_000,
};

const NODE_ONCE = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };

function pause(attempts: number): number {
  return Math.min(20 * 2 ** Math.min(attempts, 10), LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
}

/** Opens no connection yet. A client of the application's own gives its settings and is not touched otherwise. */
export async function makeClient(source: RedisSource, connectTimeoutMs: number): Promise<RedisClient> {
  if (source.kind === "given") return duplicateOf(source.client, connectTimeoutMs);
  const { Redis, Cluster } = await loadRedis();
  const { auth, tls } = source;
  const account = { ...auth, ...(tls === undefined ? {} : { tls }), connectTimeout: connectTimeoutMs };
  switch (source.kind) {
    case "single":
      return new Redis({ ...ONCE, ...account, host: source.host, port: source.port, db: source.db });
    case "sentinel":
      return new Redis({
        ...ONCE,
        ...account,
        sentinels: source.sentinels,
        name: source.name,
        db: source.db,
        sentinelRetryStrategy: pause,
        // A master that has become a replica: the Sentinels know the new one.
        reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
        ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
      });
    case "cluster":
      return new Cluster(source.nodes, {
        ...CLUSTER_ONCE,
        clusterRetryStrategy: pause,
        redisOptions: { ...NODE_ONCE, ...account },
      });
  }
}

function duplicateOf(client: RedisClient, connectTimeoutMs: number): RedisClient {
  const duplicate = client.duplicate.bind(client) as (...overrides: unknown[]) => RedisClient;
  if (!isCluster(client)) return duplicate({ ...ONCE, connectTimeout: connectTimeoutMs });
  const { options } = client as { readonly options?: { readonly redisOptions?: object } };
  return duplicate([], { ...CLUSTER_ONCE, redisOptions: { ...options?.redisOptions, ...NODE_ONCE } });
}

export function isCluster(client: RedisClient): client is RedisClient & { nodes(role: "master"): RedisClient[] } {
  return typeof client.nodes === "function";
}
