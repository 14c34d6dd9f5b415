/** Options of the Redis backend. */
import { InvalidArgumentError } from "../../contract/errors.js";
import type { DurabilityLevel } from "../../contract/storage-backend.js";
import { boolean, integer, knownFields, oneOf, string } from "../../domain/arguments.js";
import type { StorageBackendOptions } from "../../domain/backend/storage-backend.js";
import type { Clock } from "../../domain/clock.js";
import { keepVersionsOption } from "../../domain/task-contexts.js";
import type { RedisClient } from "./connection/client.js";
import { type RedisSource, type RedisTls, sourceOfUrl } from "./source.js";

/** What every key begins with unless another word is given. */
export const DEFAULT_PREFIX = "waystone";

const MAX_PREFIX_BYTES = 64;

/** As many hash partitions a table of PostgreSQL can have. */
const MAX_SHARDS = 256;
const MAX_TTL_MS = 100_000 * 24 * 60 * 60 * 1000;

const MAX_PIECE_LENGTH = 16 * 1024 * 1024;

/** Levels that a server of ours can have. */
const LEVELS = ["memory", "process", "crash"] as const satisfies readonly DurabilityLevel[];

export interface RedisStorageOptions extends StorageBackendOptions {
  /** Where the server is: `redis://user:password@host:6379/0`, `rediss:`, `redis+sentinel:`, `redis+cluster:`. This or `client`. */
  readonly url?: string | undefined;
  /**
   * A client of the application's own (`Redis` or `Cluster` of `ioredis`, or of `iovalkey`). The storage connects with its settings
   * by `client.duplicate()`: it neither uses its connection nor closes it.
   */
  readonly client?: RedisClient | undefined;
  /** TLS as Node.js takes it, in place of what the URL says. */
  readonly tls?: boolean | { readonly [option: string]: unknown } | undefined;
  /** What every key begins with. Default `waystone`. */
  readonly prefix?: string | undefined;
  /**
   * Hash tags over which each tenant's sessions, threads and items are spread, 1 to 256, so that a Cluster has one tenant on several nodes. Chosen when
   * the store is made: another number than it has is refused by `initialize`. Default: what it has, 1 for a new one. Above 1 sessions share no task
   * context, and a batch of items that writes stays below one first label.
   */
  readonly shards?: number | undefined;
  /** The least that an acknowledged write must survive by the server's settings, or `initialize` refuses. Default: no demand. */
  readonly requireDurability?: "memory" | "process" | "crash" | undefined;
  /** Replicas that must have a write before it is acknowledged; fewer in time is an error with the outcome `unknown`. Default 0. */
  readonly waitReplicas?: number | undefined;
  /** Time to live of sessions that are created without one, from their last write on, in milliseconds. Default: they stay. */
  readonly sessionTtlMs?: number | undefined;
  /** Longest wait for a connection, in milliseconds. Default 5,000; a call's own deadline ends its wait earlier. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Texts of messages, writes, contexts and items that have more characters than this are sent and read in pieces of so many, so that no command holds the
   * server up. Default 262,144.
   */
  readonly pieceLength?: number | undefined;
  /** Task context versions that are kept (T2). Default 20. */
  readonly keepVersions?: number | undefined;
  /**
   * Tells other storages what this one writes, and this one what they write, by PUBLISH in the scripts of writes (F8), and a connection more.
   * All storages that write need it. Default `false`.
   */
  readonly changeFeed?: boolean | undefined;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly source: RedisSource;
  readonly prefix: string;
  /** `null`: what the store has. */
  readonly shards: number | null;
  readonly requireDurability: "memory" | "process" | "crash" | undefined;
  readonly waitReplicas: number;
  readonly sessionTtlMs: number | null;
  readonly connectTimeoutMs: number;
  readonly keepVersions: number;
  readonly pieceLength: number;
  readonly changeFeed: boolean;
  /** `null`: the server's. */
  readonly clock: Clock | null;
}

const FIELDS = [
  "url",
  "client",
  "tls",
  "prefix",
  "shards",
  "requireDurability",
  "waitReplicas",
  "sessionTtlMs",
  "connectTimeoutMs",
  "pieceLength",
  "keepVersions",
  "changeFeed",
  "clock",
  "timeoutMs",
  "tenant",
] as const;

/** @throws InvalidArgumentError */
export function resolveOptions(options: RedisStorageOptions): ResolvedOptions {
  const given = knownFields(options, "options", FIELDS);
  const number = (
    name: "shards" | "waitReplicas" | "sessionTtlMs" | "connectTimeoutMs" | "pieceLength",
    min: number,
    max: number,
  ): number | null => (given[name] === undefined ? null : integer(given[name], name, { min, max }));
  return {
    source: sourceOf(given.url, given.client, given.tls as RedisStorageOptions["tls"]),
    prefix: prefixOf(given.prefix ?? DEFAULT_PREFIX),
    shards: number("shards", 1, MAX_SHARDS),
    requireDurability:
      given.requireDurability === undefined ? undefined : oneOf(given.requireDurability, "requireDurability", LEVELS),
    waitReplicas: number("waitReplicas", 0, 100) ?? 0,
    sessionTtlMs: number("sessionTtlMs", 1, MAX_TTL_MS),
    connectTimeoutMs: number("connectTimeoutMs", 1, 2_147_483_647) ?? 5_000,
    pieceLength: number("pieceLength", 1, MAX_PIECE_LENGTH) ?? 262_144,
    keepVersions: keepVersionsOption(given.keepVersions),
    changeFeed: given.changeFeed !== undefined && boolean(given.changeFeed, "changeFeed"),
    clock: (given.clock as Clock | undefined) ?? null,
  };
}

function sourceOf(url: unknown, client: unknown, tls: boolean | RedisTls | undefined): RedisSource {
  if (client !== undefined) {
    if (url !== undefined || tls !== undefined) {
      throw new InvalidArgumentError(
        "a storage takes a url or a client of the application's own, which brings its TLS",
      );
    }
    if (!isClient(client)) throw new InvalidArgumentError("client must be a Redis or Cluster of ioredis");
    return { kind: "given", client };
  }
  if (url === undefined) throw new InvalidArgumentError("a Redis storage needs a url or a client");
  return sourceOfUrl(string(url, "url"), tls);
}

function isClient(value: unknown): value is RedisClient {
  if (typeof value !== "object" || value === null) return false;
  const methods = value as { readonly [name: string]: unknown };
  return ["call", "callBuffer", "duplicate", "disconnect"].every((name) => typeof methods[name] === "function");
}

/** Braces would decide about slots. */
function prefixOf(value: unknown): string {
  const prefix = string(value, "prefix");
  if (prefix === "" || /[{}\0]/.test(prefix) || Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) {
    throw new InvalidArgumentError(`prefix must be 1 to ${MAX_PREFIX_BYTES} bytes without braces`);
  }
  return prefix;
}
