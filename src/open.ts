/** `openStorage(url)`: one way to every backend. A scheme's backend is loaded when it is first asked for. */
import { InvalidArgumentError, quoteIdentifier, UnsupportedError } from "./contract/errors.js";
import type { StorageBackend } from "./contract/storage-backend.js";
import type { StorageSchema } from "./contract/storage-schema.js";
import { boolean, string } from "./domain/arguments.js";
import type { StorageBackendOptions } from "./domain/backend/storage-backend.js";
import { decodedPath, filePathOf } from "./domain/file-url.js";
import { kindOf } from "./domain/identifiers.js";
import { checkedLayers, type Layer, withLayers } from "./layers/layer.js";

/** What is opened when neither the argument nor the environment says. */
export const DEFAULT_URL = "sqlite:./.waystone/store.db";

/** Options of all schemes; those of one scheme are on its backend's page. */
export interface OpenOptions extends StorageBackendOptions {
  /** The storage's URL, when it is not the first argument. */
  readonly url?: string | undefined;
  /** SQLite: what an acknowledged write survives. Default `crash`. */
  readonly durability?: "crash" | "process" | undefined;
  /** SQLite: `rollback` for a file system without shared memory. Default `auto`. */
  readonly journal?: "auto" | "rollback" | undefined;
  /** PostgreSQL: the schema that holds the tables. Default `waystone`. */
  readonly schema?: string | undefined;
  /** PostgreSQL: `false` only checks the version of the schema. Default `true`. */
  readonly migrate?: boolean | undefined;
  /** PostgreSQL: hash partitions of each large table, chosen when the schema is made. Default: as it is. */
  readonly partitions?: number | undefined;
  /** PostgreSQL: row-level security. Default: as the schema has it. */
  readonly rls?: boolean | undefined;
  /** PostgreSQL: make the extension `vector` where the database has not got it. Default `false`. */
  readonly createExtension?: boolean | undefined;
  /** PostgreSQL: `exact` compares all vectors, `hnsw` lets an index answer, which may miss some. Default `exact`. */
  readonly vectorSearch?: "exact" | "hnsw" | undefined;
  /** PostgreSQL: `false` behind a pooler that cannot keep prepared statements. Default `true`. */
  readonly preparedStatements?: boolean | undefined;
  /** PostgreSQL: least and most connections of the pool. Default 0 and 10. */
  readonly poolMin?: number | undefined;
  readonly poolMax?: number | undefined;
  /** Redis: what every key begins with. Default `waystone`. */
  readonly prefix?: string | undefined;
  /** Redis: hash tags over which each tenant is spread, chosen when the store is made. Default: what it has, 1 for a new one. */
  readonly shards?: number | undefined;
  /** Redis: the least that an acknowledged write must survive by the server's settings. Default: no demand. */
  readonly requireDurability?: "memory" | "process" | "crash" | undefined;
  /** Redis: replicas that must have a write before it is acknowledged. Default 0. */
  readonly waitReplicas?: number | undefined;
  /** Redis: time to live of sessions that are created without one, in milliseconds. Default: they stay. */
  readonly sessionTtlMs?: number | undefined;
  /** Redis: longest wait for a connection, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Redis: characters of a piece, in which longer texts are sent and read. Default 262,144. */
  readonly pieceLength?: number | undefined;
  /** Task context versions that are kept. Default 20 (T2). */
  readonly keepVersions?: number | undefined;
  /** Tell other storages what is written, so that caches let go of it (F8). Default `false`. */
  readonly changeFeed?: boolean | undefined;
  /** SQLite: most bytes of memory for vectors of items. Default 268,435,456. */
  readonly vectorCacheBytes?: number | undefined;
  /** Open the store and migrate its schema now, so that a wrong URL is told at once. Default `true`. */
  readonly initialize?: boolean | undefined;
  /** Further schemes, by name without the colon: your own backend beside ours. */
  readonly schemes?: { readonly [scheme: string]: StorageScheme } | undefined;
  /** What stands between the caller and the storage, the outermost first. Default: nothing. */
  readonly layers?: readonly Layer[] | undefined;
  /** Where `WAYSTONE_URL` and the options `WAYSTONE_…` are looked up. Default `process.env`. */
  readonly env?: { readonly [name: string]: string | undefined } | undefined;
}

/** How one scheme of URLs becomes a storage. */
export interface StorageScheme {
  /** Options that a URL's query, the environment and the caller may give, with how a text becomes a value. */
  readonly options: { readonly [name: string]: OptionParser };
  /** The URL's query may have more parameters than the options: they are a part of `address`. Default `false`. */
  readonly hasAddressQuery?: boolean | undefined;
  /**
   * Makes the storage; it must not do I/O yet. `path` is the URL after the scheme, without its query, percent-decoded; `address`
   * is the URL as it was given, without the options in its query.
   */
  open(path: string, options: { readonly [name: string]: unknown }, address: string): Promise<StorageBackend>;
  /** As `open`, for the schema alone; left out where a store has none. */
  schema?(path: string, options: { readonly [name: string]: unknown }, address: string): Promise<StorageSchema>;
}

/** Turns the text of an option into its value; `name` is for the error. */
export type OptionParser = (text: string, name: string) => unknown;

const asText: OptionParser = (text) => text;

const asNumber: OptionParser = (text, name) => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError(`${name} must be a number`);
  return value;
};

const asBoolean: OptionParser = (text, name) => {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError(`${name} must be true or false`);
  return text === "true";
};

const COMMON = { tenant: asText, timeoutMs: asNumber, keepVersions: asNumber, changeFeed: asBoolean };

const POSTGRES: StorageScheme = {
  options: {
    ...COMMON,
    schema: asText,
    migrate: asBoolean,
    partitions: asNumber,
    rls: asBoolean,
    createExtension: asBoolean,
    vectorSearch: asText,
    preparedStatements: asBoolean,
    poolMin: asNumber,
    poolMax: asNumber,
  },
  hasAddressQuery: true,
  open: async (_path, options, address) => {
    const { postgresStorage } = await import("./backends/postgres/index.js");
    return postgresStorage({ ...withPool(options), url: address });
  },
  schema: async (_path, options, address) => {
    const { postgresStorageSchema } = await import("./backends/postgres/index.js");
    return postgresStorageSchema({ ...withPool(options), url: address });
  },
};

/** Sizes of the pool have names of their own where options are texts. */
function withPool({ poolMin, poolMax, ...options }: { readonly [name: string]: unknown }): object {
  return { ...options, pool: { min: poolMin as number | undefined, max: poolMax as number | undefined } };
}

const REDIS: StorageScheme = {
  options: {
    ...COMMON,
    prefix: asText,
    shards: asNumber,
    requireDurability: asText,
    waitReplicas: asNumber,
    sessionTtlMs: asNumber,
    connectTimeoutMs: asNumber,
    pieceLength: asNumber,
  },
  open: async (_path, options, address) => {
    const { redisStorage } = await import("./backends/redis/index.js");
    return redisStorage({ ...options, url: address });
  },
};

const SCHEMES: { readonly [scheme: string]: StorageScheme } = {
  memory: {
    options: COMMON,
    open: async (path, options) => {
      if (path !== "") throw new InvalidArgumentError("a memory: URL has no path");
      const { memoryStorage } = await import("./backends/memory/index.js");
      return memoryStorage(options);
    },
  },
  sqlite: {
    options: { ...COMMON, durability: asText, journal: asText, vectorCacheBytes: asNumber },
    open: async (path, options) => {
      const { sqliteStorage } = await import("./backends/sqlite/index.js");
      return sqliteStorage({ ...options, path: filePathOf(path) });
    },
    schema: async (path, options) => {
      const { sqliteStorageSchema } = await import("./backends/sqlite/index.js");
      return sqliteStorageSchema({ ...options, path: filePathOf(path) });
    },
  },
  postgres: POSTGRES,
  postgresql: POSTGRES,
  redis: REDIS,
  rediss: REDIS,
  "redis+sentinel": REDIS,
  "rediss+sentinel": REDIS,
  "redis+cluster": REDIS,
  "rediss+cluster": REDIS,
};

/** Options that are the caller's alone: no text can say them. */
const OBJECT_OPTIONS = ["url", "clock", "initialize", "schemes", "env", "layers"];

/**
 * Opens a storage: `openStorage("sqlite:./agent.db")`, `openStorage("memory:")`, or with nothing `sqlite:./.waystone/store.db`.
 *
 * - URL: the argument, else `WAYSTONE_URL`, else the default.
 * - An option: the argument, else the URL's query (`?timeoutMs=5000`), else the environment (`WAYSTONE_TIMEOUT_MS`).
 * @throws InvalidArgumentError for an unknown scheme or option, with the known ones, and for layers in a wrong order; what the backend throws when it opens
 */
export async function openStorage(url?: string | OpenOptions, options: OpenOptions = {}): Promise<StorageBackend> {
  const given = optionsOf(url, options);
  const layers = checkedLayers(given.layers ?? []);
  const { target, path, chosen, address } = targetOf(given);
  const storage = withLayers(await target.open(path, chosen, address), layers);
  if (given.initialize === undefined || boolean(given.initialize, "initialize")) await opened(storage);
  return storage;
}

/**
 * The schema of the store that `openStorage` opens with the same arguments: to look at, to migrate, or as SQL. Opens no connection.
 * @throws InvalidArgumentError as `openStorage`; UnsupportedError for a store that has no schema, such as `memory:`
 */
export async function openSchema(url?: string | OpenOptions, options: OpenOptions = {}): Promise<StorageSchema> {
  const { scheme, target, path, chosen, address } = targetOf(optionsOf(url, options));
  if (target.schema === undefined) throw new UnsupportedError(`a store of ${scheme}: has no schema`);
  return target.schema(path, chosen, address);
}

/** Which store is meant, and how it is to be opened. */
function targetOf(given: OpenOptions): {
  readonly scheme: string;
  readonly target: StorageScheme;
  readonly path: string;
  readonly chosen: { readonly [name: string]: unknown };
  readonly address: string;
} {
  const env = given.env ?? process.env;
  const { scheme, path, query, beforeQuery } = parseUrl(given.url ?? env.WAYSTONE_URL ?? DEFAULT_URL);
  const known = { ...SCHEMES, ...given.schemes };
  const target = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  if (target === undefined) {
    const names = Object.keys(known).map((name) => `${name}:`);
    throw new InvalidArgumentError(
      `no storage has the scheme ${quoteIdentifier(scheme)}; the known ones are ${names.join(", ")}`,
    );
  }
  const chosen = chooseOptions(scheme, target, given, query, env);
  return { scheme, target, path, chosen, address: addressOf(beforeQuery, query, target) };
}

/** The URL without what are options of ours. */
function addressOf(beforeQuery: string, query: URLSearchParams, { options }: StorageScheme): string {
  const own = new URLSearchParams([...query].filter(([name]) => !Object.hasOwn(options, name)));
  return own.size === 0 ? beforeQuery : `${beforeQuery}?${own}`;
}

/** A storage that could not be opened is closed again, so that nothing of it stays. */
async function opened(storage: StorageBackend): Promise<void> {
  try {
    await storage.initialize();
  } catch (error) {
    await storage.close();
    throw error;
  }
}

function optionsOf(url: string | OpenOptions | undefined, options: OpenOptions): OpenOptions {
  if (url === undefined || typeof url === "string") {
    if (options === null || typeof options !== "object") {
      throw new InvalidArgumentError(`options must be an object, not ${kindOf(options)}`);
    }
    return url === undefined ? options : { ...options, url };
  }
  if (url === null || typeof url !== "object") {
    throw new InvalidArgumentError(`openStorage takes a URL or options, not ${kindOf(url)}`);
  }
  return { ...url, ...options };
}

/** The parts of a storage URL. */
export interface StorageUrl {
  readonly scheme: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The URL as it was given, up to its query. */
  readonly beforeQuery: string;
}

/** No WHATWG URL: `sqlite:./agent.db` is a relative path and stays one. Messages never repeat the URL: it may hold a password. */
export function parseUrl(value: unknown): StorageUrl {
  const url = string(value, "url");
  const colon = url.indexOf(":");
  if (!/^[a-z][a-z0-9+.-]*$/i.test(url.slice(0, colon === -1 ? url.length : colon)) || colon === -1) {
    throw new InvalidArgumentError("a storage URL begins with a scheme: sqlite:./agent.db");
  }
  const rest = url.slice(colon + 1);
  const mark = rest.indexOf("?");
  const path = mark === -1 ? rest : rest.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? "" : rest.slice(mark + 1));
  return {
    scheme: url.slice(0, colon).toLowerCase(),
    path: decodedPath(path),
    query,
    beforeQuery: mark === -1 ? url : url.slice(0, colon + 1 + mark),
  };
}

/** Argument over URL over environment; what the scheme does not know is refused, but in the environment, which all schemes share. */
function chooseOptions(
  scheme: string,
  { options: parsers, hasAddressQuery }: StorageScheme,
  given: OpenOptions,
  query: URLSearchParams,
  env: { readonly [name: string]: string | undefined },
): { readonly [name: string]: unknown } {
  const names = Object.keys(parsers);
  const refuse = (name: string): never => {
    throw new InvalidArgumentError(
      `${scheme}: has no option ${quoteIdentifier(name)}; the known ones are ${names.join(", ")}`,
    );
  };
  for (const name of query.keys()) if (!Object.hasOwn(parsers, name) && hasAddressQuery !== true) refuse(name);
  const chosen: { [name: string]: unknown } = {};
  for (const [name, value] of Object.entries(given)) {
    if (OBJECT_OPTIONS.includes(name) || value === undefined) continue;
    if (!Object.hasOwn(parsers, name)) refuse(name);
    chosen[name] = value;
  }
  for (const [name, parse] of Object.entries(parsers)) {
    if (Object.hasOwn(chosen, name)) continue;
    const variable = `WAYSTONE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    const [fromUrl, second] = query.getAll(name);
    if (second !== undefined) throw new InvalidArgumentError(`${name} is given twice in the URL`);
    const fromEnv = env[variable];
    if (fromUrl !== undefined) chosen[name] = parse(fromUrl, name);
    else if (fromEnv !== undefined) chosen[name] = parse(fromEnv, variable);
  }
  if (given.clock !== undefined) chosen.clock = given.clock;
  return chosen;
}
