/** Options of the PostgreSQL backend. */
import { InvalidArgumentError } from "../../contract/errors.js";
import { boolean, integer, knownFields, oneOf, string } from "../../domain/arguments.js";
import type { StorageBackendOptions } from "../../domain/backend/storage-backend.js";
import { type Clock, systemClock } from "../../domain/clock.js";
import { keepVersionsOption } from "../../domain/task-contexts.js";
import { type Hosts, hostsOf } from "./connection/hosts.js";
import type { PgPool } from "./connection/pg-module.js";

/** The schema that holds the tables unless another one is named. */
export const DEFAULT_SCHEMA = "waystone";

/** Sizes and times of the storage's own pool. */
export interface PoolOptions {
  /** Connections that stay open when nobody needs them. Default 0. */
  readonly min?: number | undefined;
  /** Most connections at once; calls beyond wait for one. Default 10. */
  readonly max?: number | undefined;
  /** Time after which an idle connection above `min` is closed, in milliseconds; 0 for never. Default 30,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Longest wait for a connection, in milliseconds. Default 15,000; a call's own deadline ends its wait earlier. */
  readonly connectTimeoutMs?: number | undefined;
  /** Age at which a connection is replaced once it is idle, in milliseconds; 0 for never. Default 0. */
  readonly maxLifetimeMs?: number | undefined;
}

export interface PostgresStorageOptions extends StorageBackendOptions {
  /**
   * Where the server is: `postgresql://user:password@host:5432/database?sslmode=verify-full`. This or `pool`. With several hosts
   * (`host1:5432,host2:5432`) and `target_session_attrs` the first that fits is used.
   */
  readonly url?: string | undefined;
  /** A pool of the application's own (`new Pool()` of `pg`), which is not closed with the storage; or how to make one. */
  readonly pool?: PgPool | PoolOptions | undefined;
  /** TLS as Node.js takes it (`ca`, `cert`, `key`, `servername`, …), in place of what the URL says; `false` for none. */
  readonly tls?: boolean | { readonly [option: string]: unknown } | undefined;
  /** The schema that holds the tables; made when it is not there. Default `waystone`. */
  readonly schema?: string | undefined;
  /** `false` only checks the schema's version and changes nothing. Default `true`. */
  readonly migrate?: boolean | undefined;
  /**
   * Hash partitions of each large table, 2 to 256, or 0 for none. Chosen when the schema is made; another number than it has is
   * refused. Default: as it is, none for a new schema.
   */
  readonly partitions?: number | undefined;
  /**
   * Row-level security: `true` puts policies on the tables, so that the server itself keeps tenants apart, and refuses a database
   * user whom they do not bind; `false` refuses a schema that has them. Default: as it is, none for a new schema.
   */
  readonly rls?: boolean | undefined;
  /** `true` runs `CREATE EXTENSION vector` where the database has not got it, so that items may have vectors. Default `false`. */
  readonly createExtension?: boolean | undefined;
  /**
   * How the nearest items are found: `exact` compares every vector; `hnsw` lets an index of pgvector answer, where
   * `postgresVectorIndex` has made one, which may miss some of them. Default `exact`.
   */
  readonly vectorSearch?: "exact" | "hnsw" | undefined;
  /** `false` for a pooler between that cannot keep prepared statements, such as PgBouncer before 1.21. Default `true`. */
  readonly preparedStatements?: boolean | undefined;
  /** Task context versions that are kept (T2). Default 20. */
  readonly keepVersions?: number | undefined;
  /**
   * Tells other storages what this one writes, and this one what they write, by LISTEN and NOTIFY (F8): a statement more for each write, and
   * one connection of the pool. All storages that write need it. Not through a pooler in transaction mode. Default `false`.
   */
  readonly changeFeed?: boolean | undefined;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly source:
    | { readonly kind: "given"; readonly pool: PgPool }
    | {
        readonly kind: "own";
        readonly hosts: Hosts;
        readonly tls: PostgresStorageOptions["tls"];
        readonly pool: { readonly [Field in keyof PoolOptions]-?: number };
      };
  readonly schema: string;
  readonly migrate: boolean;
  readonly partitions: number | undefined;
  readonly rls: boolean | undefined;
  readonly createExtension: boolean;
  readonly vectorSearch: "exact" | "hnsw";
  readonly preparedStatements: boolean;
  readonly clock: Clock;
  readonly keepVersions: number;
  readonly changeFeed: boolean;
}

const FIELDS = [
  "url",
  "pool",
  "tls",
  "schema",
  "migrate",
  "partitions",
  "rls",
  "createExtension",
  "vectorSearch",
  "preparedStatements",
  "clock",
  "timeoutMs",
  "keepVersions",
  "changeFeed",
  "tenant",
] as const;

/** Longest name that PostgreSQL keeps whole, in bytes. */
const MAX_NAME_BYTES = 63;

/** @throws InvalidArgumentError */
export function resolveOptions(options: PostgresStorageOptions): ResolvedOptions {
  const given = knownFields(options, "options", FIELDS);
  const flag = (value: unknown, name: string): boolean => (value === undefined ? true : boolean(value, name));
  return {
    source: sourceOf(given.url, given.pool, given.tls as PostgresStorageOptions["tls"]),
    schema: given.schema === undefined ? DEFAULT_SCHEMA : schemaName(given.schema),
    migrate: flag(given.migrate, "migrate"),
    partitions: given.partitions === undefined ? undefined : partitionCount(given.partitions),
    rls: given.rls === undefined ? undefined : boolean(given.rls, "rls"),
    createExtension: given.createExtension !== undefined && boolean(given.createExtension, "createExtension"),
    vectorSearch:
      given.vectorSearch === undefined ? "exact" : oneOf(given.vectorSearch, "vectorSearch", ["exact", "hnsw"]),
    preparedStatements: flag(given.preparedStatements, "preparedStatements"),
    clock: (given.clock as Clock | undefined) ?? systemClock,
    keepVersions: keepVersionsOption(given.keepVersions),
    changeFeed: given.changeFeed !== undefined && boolean(given.changeFeed, "changeFeed"),
  };
}

/** @throws InvalidArgumentError */
export function partitionCount(value: unknown): number {
  const count = integer(value, "partitions", { min: 0, max: 256 });
  if (count === 1) throw new InvalidArgumentError("partitions must be 0 for none, or 2 to 256");
  return count;
}

function sourceOf(url: unknown, pool: unknown, tls: PostgresStorageOptions["tls"]): ResolvedOptions["source"] {
  if (isPool(pool)) {
    if (url !== undefined) throw new InvalidArgumentError("a storage takes a url or a pool of the application's own");
    if (tls !== undefined) throw new InvalidArgumentError("tls is for a url: a pool brings its own");
    return { kind: "given", pool };
  }
  if (url === undefined) throw new InvalidArgumentError("a PostgreSQL storage needs a url or a pool");
  const address = string(url, "url");
  if (!/^postgres(ql)?:\/\//i.test(address)) {
    // It may hold a password: it is not repeated.
    throw new InvalidArgumentError("url must begin with postgresql://");
  }
  const sizes = knownFields(pool ?? {}, "pool", ["min", "max", "idleTimeoutMs", "connectTimeoutMs", "maxLifetimeMs"]);
  const number = (value: unknown, name: string, byDefault: number, min: number): number =>
    value === undefined ? byDefault : integer(value, `pool.${name}`, { min, max: 2_147_483_647 });
  const max = number(sizes.max, "max", 10, 1);
  const min = number(sizes.min, "min", 0, 0);
  if (min > max) throw new InvalidArgumentError("pool.min must not be above pool.max");
  return {
    kind: "own",
    hosts: hostsOf(address),
    tls,
    pool: {
      min,
      max,
      idleTimeoutMs: number(sizes.idleTimeoutMs, "idleTimeoutMs", 30_000, 0),
      connectTimeoutMs: number(sizes.connectTimeoutMs, "connectTimeoutMs", 15_000, 1),
      maxLifetimeMs: number(sizes.maxLifetimeMs, "maxLifetimeMs", 0, 0),
    },
  };
}

function isPool(value: unknown): value is PgPool {
  return typeof value === "object" && value !== null && "connect" in value && typeof value.connect === "function";
}

/** @throws InvalidArgumentError for what PostgreSQL would not keep as it is */
export function schemaName(value: unknown): string {
  const name = string(value, "schema");
  if (name === "" || name.includes("\0") || name.includes("$waystone$"))
    throw new InvalidArgumentError("schema must be a name");
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new InvalidArgumentError(`schema must have at most ${MAX_NAME_BYTES} bytes`);
  }
  if (name.startsWith("pg_"))
    throw new InvalidArgumentError("schema must not begin with pg_, which the server reserves");
  return name;
}
