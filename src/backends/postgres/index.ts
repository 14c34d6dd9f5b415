/** The PostgreSQL backend: tables in a schema of their own, on a server that many processes share. */
import "../../require-node.js";
import { ClosedError } from "../../contract/errors.js";
import type { VectorDistance } from "../../contract/item-storage.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import type { StorageSchema } from "../../contract/storage-schema.js";
import { boolean, integer, knownFields, oneOf } from "../../domain/arguments.js";
import { storageBackend } from "../../domain/backend/storage-backend.js";
import { storageSchema } from "../../domain/backend/storage-schema.js";
import type { Call } from "../../domain/driver/call.js";
import { notingChanges } from "../../domain/driver/changes.js";
import type { StorageDriver } from "../../domain/driver/storage-driver.js";
import { PostgresChanges } from "./changes.js";
import { checkpointVerbs } from "./checkpoints.js";
import { endPool, makePool } from "./connection/own-pool.js";
import { conversationVerbs } from "./conversations.js";
import { mapPostgresError } from "./errors.js";
import { checkHealth } from "./health.js";
import { importBatch } from "./imports.js";
import { itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { collectMetrics } from "./metrics.js";
import {
  DEFAULT_SCHEMA,
  type PostgresStorageOptions,
  partitionCount,
  type ResolvedOptions,
  resolveOptions,
  schemaName,
} from "./options.js";
import { exportRecords } from "./records.js";
import { replaceStored } from "./replacements.js";
import { migrateSchema, prepareSchema, schemaScript, schemaState, wantedSchema } from "./schema/migrate.js";
import { SCHEMA_VERSION } from "./schema/migrations.js";
import { pendingSteps } from "./schema/state.js";
import { MAX_INDEXED_DIMENSIONS, vectorIndexScript, vectorSchemaScript } from "./schema/vector-tables.js";
import { sessionVerbs } from "./sessions.js";
import { Database } from "./store.js";
import { taskContextVerbs } from "./task-contexts.js";
import { threadVerbs } from "./threads.js";
import { makeVectorTables, prepareVectors } from "./vector-support.js";

export type { PgClient, PgPool, PgStatement } from "./connection/pg-module.js";
export type { PoolOptions, PostgresStorageOptions } from "./options.js";

/**
 * A storage in a PostgreSQL database: `postgresStorage("postgresql://localhost/agents")`, or with a pool of your own
 * `postgresStorage({ pool })`. The first connection is made by `initialize` or the first operation.
 * @throws InvalidArgumentError for a bad option
 */
export function postgresStorage(options: string | PostgresStorageOptions): StorageBackend {
  const given = typeof options === "string" ? { url: options } : options;
  return storageBackend(postgresDriver(given), given);
}

/**
 * The driver of `postgresStorage`.
 * @throws InvalidArgumentError for a bad option
 */
export function postgresDriver(options: PostgresStorageOptions): StorageDriver {
  const resolved = resolveOptions(options);
  let opened: Database | undefined;
  const database = (): Database => {
    if (opened === undefined) throw new ClosedError("the storage is not open");
    return opened;
  };
  const changes = resolved.changeFeed ? new PostgresChanges(resolved.schema) : undefined;
  const driver: StorageDriver = {
    kind: "postgres",
    ...(changes === undefined ? {} : { changes: changes.feed }),
    ...sessionVerbs(database),
    ...conversationVerbs(database),
    ...checkpointVerbs(database),
    ...threadVerbs(database),
    ...taskContextVerbs(database),
    ...itemVerbs(database),
    ...leaseVerbs(database),
    async open(call) {
      const db = await connectTo(resolved, changes);
      try {
        await prepareSchema(db, call);
        await prepareVectors(db, call);
        opened = db;
        changes?.open(db.pool);
      } catch (error) {
        await letGo(db);
        throw error;
      }
    },
    async close() {
      const db = opened;
      opened = undefined;
      await changes?.close();
      if (db !== undefined) await letGo(db);
    },
    health: (call) => checkHealth(database(), call),
    metrics: (call) => collectMetrics(database(), call),
    exportRecords: (call, filter) => exportRecords(database(), call, filter),
    importBatch: (call, batch) => importBatch(database(), call, batch),
    replaceStored: (call, replacements) => replaceStored(database(), call, replacements),
    mapError: mapPostgresError,
  };
  return changes === undefined ? driver : notingChanges(driver);
}

/** How the schema of `postgresSchema` is laid out; see `PostgresStorageOptions`. */
export interface PostgresSchemaOptions {
  readonly schema?: string | undefined;
  readonly partitions?: number | undefined;
  readonly rls?: boolean | undefined;
}

/**
 * The SQL that makes the storage's schema in an empty database: to be run by somebody who may, where the application only has rights
 * on the tables and opens its storages with `migrate: false`.
 * @throws InvalidArgumentError for a name that cannot be a schema, or another bad option
 */
export function postgresSchema(options: string | PostgresSchemaOptions = {}): string {
  const given = typeof options === "string" ? { schema: options } : options;
  const { schema, partitions, rls } = knownFields(given, "options", ["schema", "partitions", "rls"]);
  return schemaScript({
    schema: schemaName(schema ?? DEFAULT_SCHEMA),
    partitions: partitionCount(partitions ?? 0),
    rls: boolean(rls ?? false, "rls"),
  });
}

/**
 * The schema of the storage that these options open: to look at, to migrate, or as SQL.
 * @throws InvalidArgumentError for a bad option
 */
export function postgresStorageSchema(options: string | PostgresStorageOptions): StorageSchema {
  const given = typeof options === "string" ? { url: options } : options;
  const resolved = resolveOptions(given);
  const { schema, partitions = 0, rls = false } = resolved;
  let db: Database | undefined;
  const opened = (): Database => {
    if (db === undefined) throw new ClosedError("the schema is not open");
    return db;
  };
  const driver = {
    kind: "postgres",
    wantedVersion: SCHEMA_VERSION,
    async open() {
      db = await connectTo(resolved);
    },
    async close() {
      if (db !== undefined) await letGo(db);
    },
    script: (fromVersion: number) => schemaScript({ schema, partitions, rls }, fromVersion),
    async status(call: Call) {
      const state = await schemaState(opened(), call);
      return { version: state.version, pending: pendingSteps(state, wantedSchema(opened())) };
    },
    async migrate(call: Call) {
      await migrateSchema(opened(), call);
      await makeVectorTables(opened(), call);
    },
    mapError: mapPostgresError,
  };
  return storageSchema(driver, given);
}

/** Opens no connection yet. */
async function connectTo(options: ResolvedOptions, changes?: PostgresChanges | undefined): Promise<Database> {
  const { source } = options;
  return new Database(options, source.kind === "given" ? source.pool : await makePool(source), changes);
}

/** Where the tables for vectors go. */
export interface PostgresVectorSchemaOptions {
  /** The schema that holds the other tables. Default `waystone`. */
  readonly schema?: string | undefined;
  /** The schema in which the extension `vector` is. Default `public`. */
  readonly extensionSchema?: string | undefined;
  /** Whether the other tables have row-level security. Default `false`. */
  readonly rls?: boolean | undefined;
}

/**
 * The SQL that makes the tables for vectors in a schema that is there, in a database with the extension `vector`: to be run by somebody
 * who may, where the application only has rights on the tables.
 * @throws InvalidArgumentError for a bad option
 */
export function postgresVectorSchema(options: PostgresVectorSchemaOptions = {}): string {
  const { schema, extensionSchema, rls } = knownFields(options, "options", ["schema", "extensionSchema", "rls"]);
  return vectorSchemaScript(
    schemaName(schema ?? DEFAULT_SCHEMA),
    schemaName(extensionSchema ?? "public"),
    boolean(rls ?? false, "rls"),
  );
}

/** What an index of vectors is for. */
export interface PostgresVectorIndex {
  /** 1 to 2,000: those of the vectors that the index is to hold. */
  readonly dimensions: number;
  /** The distance of the searches that it is to answer. Default `cosine`. */
  readonly distance?: VectorDistance | undefined;
  /** The schema that holds the tables. Default `waystone`. */
  readonly schema?: string | undefined;
  /** The schema in which the extension `vector` is. Default `public`. */
  readonly extensionSchema?: string | undefined;
}

/**
 * The SQL that makes an index (HNSW) of vectors, while others write: for storages with `vectorSearch: "hnsw"`.
 * @throws InvalidArgumentError
 */
export function postgresVectorIndex(index: PostgresVectorIndex): string {
  const { dimensions, distance, schema, extensionSchema } = knownFields(index, "index", INDEX_FIELDS);
  return vectorIndexScript(
    schemaName(schema ?? DEFAULT_SCHEMA),
    schemaName(extensionSchema ?? "public"),
    integer(dimensions, "index.dimensions", { min: 1, max: MAX_INDEXED_DIMENSIONS }),
    distance === undefined ? "cosine" : oneOf(distance, "index.distance", ["cosine", "dot", "euclidean"]),
  );
}

const INDEX_FIELDS = ["dimensions", "distance", "schema", "extensionSchema"] as const;

/** The application's own pool stays open. */
async function letGo(db: Database): Promise<void> {
  db.abandon();
  if (db.options.source.kind === "own") await endPool(db.pool);
  db.stop();
}
