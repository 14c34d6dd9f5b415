// The savers that are measured, each with the bytes it keeps.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type BaseCheckpointSaver, MemorySaver } from "@langchain/langgraph-checkpoint";
import { WaystoneSaver } from "#dist/adapters/langgraph/index.js";
import { memoryStorage } from "#dist/backends/memory/index.js";
import { postgresStorage } from "#dist/backends/postgres/index.js";
import { sqliteStorage } from "#dist/backends/sqlite/index.js";
import { FloorSaver } from "./floor-saver.ts";
import { postgresServer, type RunServer } from "./postgres-server.ts";

export const SAVER_NAMES = [
  "memory",
  "sqlite",
  "postgres",
  "ours-memory",
  "ours-sqlite",
  "ours-sqlite-process",
  "ours-postgres",
  "floor",
] as const;
export type SaverName = (typeof SAVER_NAMES)[number];

/** A saver that is open on an empty store. */
export interface OpenSaver {
  readonly saver: BaseCheckpointSaver;
  /** Bytes of the store's files or tables, indexes and free space included; absent where they are of the heap. */
  bytes?(): Promise<number>;
  close(): Promise<void>;
}

/** What a saver needs to be opened, in any process. */
export interface SaverPlace {
  /** Of files. */
  readonly directory: string;
  /** The server for those on PostgreSQL. */
  readonly postgresUrl: string | undefined;
}

export interface Subject {
  readonly name: SaverName;
  readonly title: string;
  /** A saver of others, which slows down so much that its turns are limited. */
  readonly isPeer: boolean;
  /** `store` names a store of its own. */
  open(store: string): Promise<OpenSaver>;
}

/** Says which savers of a run there are; `absent` says in a line each why one is left out. `close` stops what was started for them. */
export async function openSubjects(
  names: readonly SaverName[],
  directory: string,
): Promise<{ subjects: Subject[]; place: SaverPlace; absent: string[]; close(): Promise<void> }> {
  const absent: string[] = [];
  const left: SaverName[] = [];
  let server: RunServer | Error | undefined;
  for (const name of names) {
    if (NEEDS_PEERS.has(name) && !peersAreInstalled()) {
      absent.push(`${TITLES[name]} is left out: npm ci --prefix bench/langgraph-growth/peers installs it`);
      continue;
    }
    if (ON_POSTGRES.has(name)) {
      server ??= await postgresServer();
      if (server instanceof Error) {
        absent.push(`${TITLES[name]} is left out: ${server.message}`);
        continue;
      }
    }
    left.push(name);
  }
  const running = server instanceof Error ? undefined : server;
  const place = { directory, postgresUrl: running?.url };
  return { subjects: left.map((name) => subject(name, place)), place, absent, close: async () => running?.stop() };
}

export function subject(name: SaverName, place: SaverPlace): Subject {
  const isPeer = name === "memory" || name === "sqlite" || name === "postgres";
  return { name, title: TITLES[name], isPeer, open: (store) => OPENERS[name](place, store) };
}

/** `pg` looks at the bytes of ours too. */
const NEEDS_PEERS: ReadonlySet<SaverName> = new Set(["sqlite", "postgres", "ours-postgres"]);
const ON_POSTGRES: ReadonlySet<SaverName> = new Set(["postgres", "ours-postgres"]);

const TITLES: { readonly [name in SaverName]: string } = {
  memory: "MemorySaver",
  sqlite: "SqliteSaver",
  postgres: "PostgresSaver",
  "ours-memory": "Waystone, memory",
  "ours-sqlite": "Waystone, SQLite",
  "ours-sqlite-process": "Waystone, SQLite, unsynced",
  "ours-postgres": "Waystone, PostgreSQL",
  floor: "LangGraph alone",
};

const OPENERS: { readonly [name in SaverName]: (place: SaverPlace, store: string) => Promise<OpenSaver> } = {
  memory: async () => ({ saver: new MemorySaver(), close: async () => undefined }),
  floor: async () => ({ saver: new FloorSaver(), close: async () => undefined }),
  async sqlite({ directory }, store) {
    const path = join(directory, `sqlite-${store}.db`);
    const { SqliteSaver } = (await importPeer("@langchain/langgraph-checkpoint-sqlite")) as SqlitePeer;
    const saver = SqliteSaver.fromConnString(path);
    return { saver, bytes: async () => fileBytes(path), close: async () => void saver.db.close() };
  },
  async postgres(place, store) {
    const { PostgresSaver } = (await importPeer("@langchain/langgraph-checkpoint-postgres")) as PostgresPeer;
    const { schema, pool, bytes, close } = await emptySchema(place, `bench_${store}`);
    const saver = new PostgresSaver(pool, undefined, { schema });
    await saver.setup();
    return { saver, bytes, close };
  },
  async "ours-memory"() {
    const storage = memoryStorage();
    return { saver: new WaystoneSaver(storage), close: () => storage.close() };
  },
  "ours-sqlite": async ({ directory }, store) => oursOnSqlite(join(directory, `crash-${store}.db`), "crash"),
  // Durable as SqliteSaver is: it does not wait for the disk either.
  "ours-sqlite-process": async ({ directory }, store) =>
    oursOnSqlite(join(directory, `process-${store}.db`), "process"),
  async "ours-postgres"(place, store) {
    const { schema, bytes, close } = await emptySchema(place, `bench_ours_${store}`);
    const storage = postgresStorage({ url: place.postgresUrl ?? "", schema });
    await storage.initialize();
    return {
      saver: new WaystoneSaver(storage),
      bytes,
      async close() {
        await storage.close();
        await close();
      },
    };
  },
};

function oursOnSqlite(path: string, durability: "crash" | "process"): OpenSaver {
  const storage = sqliteStorage({ path, durability });
  return { saver: new WaystoneSaver(storage), bytes: async () => fileBytes(path), close: () => storage.close() };
}

/** A schema without tables, and what they take once there are some. */
async function emptySchema({ postgresUrl }: SaverPlace, schema: string) {
  const { Pool } = ((await importPeer("pg")) as PgPeer).default;
  const pool = new Pool({ connectionString: postgresUrl ?? "" });
  // A server that stops because the run failed breaks idle connections; what failed is told, not that.
  pool.on("error", () => undefined);
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  return {
    schema,
    pool,
    async bytes() {
      const { rows } = await pool.query(
        `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::float8 AS bytes FROM pg_class WHERE relkind = 'r' AND relnamespace = '${schema}'::regnamespace`,
      );
      return rows[0]?.bytes ?? 0;
    },
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}

/** All pages of a SQLite file, those that are still in its log too. */
function fileBytes(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  const { bytes } = db
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .get() as { bytes: number };
  db.close();
  return bytes;
}

const peers = join(import.meta.dirname, "peers");

function peersAreInstalled(): boolean {
  return existsSync(join(peers, "node_modules"));
}

/** Loads a package of this folder's manifest, which the repository's own does not know. */
export function importPeer(name: string): Promise<unknown> {
  return import(pathToFileURL(createRequire(join(peers, "package.json")).resolve(name)).href);
}

interface SqlitePeer {
  readonly SqliteSaver: { fromConnString(path: string): BaseCheckpointSaver & { readonly db: { close(): void } } };
}

interface PostgresPeer {
  readonly PostgresSaver: new (
    pool: PgPool,
    serde: undefined,
    options: { readonly schema: string },
  ) => BaseCheckpointSaver & { setup(): Promise<void> };
}

interface PgPool {
  on(event: "error", listener: () => void): void;
  query(text: string): Promise<{ rows: { readonly bytes?: number }[] }>;
  end(): Promise<void>;
}

interface PgPeer {
  readonly default: { readonly Pool: new (options: { readonly connectionString: string }) => PgPool };
}
