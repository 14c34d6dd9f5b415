// Starts real PostgreSQL servers for tests: a temporary cluster each, in a folder of its own, on a free port of this machine.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { withPackage } from "./debian-package.ts";
import { freePort } from "./free-port.ts";
import { serverFolder, serverProcess } from "./server-process.ts";

const run = promisify(execFile);

/** How a server ends: `smart` waits for clients, `fast` disconnects them, `immediate` is a crash that needs recovery. */
export type StopMode = "smart" | "fast" | "immediate";

const STOP_SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** How to reach a server, whoever started it. */
export interface PostgresAddress {
  /** Connection string of the maintenance database, as its superuser. */
  readonly url: string;
  /** Folder of the unix socket; `undefined` for a server that the environment names. */
  readonly socketFolder: string | undefined;
}

/** A server that the test has for itself, to stop and start as it likes. */
export interface PostgresServer extends PostgresAddress {
  readonly port: number;
  /** The folder of the cluster; its log is `server.log` beside it. */
  readonly dataFolder: string;
  /** Process of the running server. */
  readonly pid: number;
  /** Starts the server again after `stop`; returns once it accepts connections. */
  start(): Promise<void>;
  stop(mode?: StopMode): Promise<void>;
  /** Stops the server and removes its folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface PostgresServerOptions {
  /** Settings for `postgresql.conf`; `fsync` and the like are on unless they are turned off here. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined;
  /** Lines for `pg_hba.conf`, before those that trust every local connection. */
  readonly access?: readonly string[] | undefined;
  /** Hold the cluster in memory where the system has a file system there: quick to sync, gone with the machine. Default `false`. */
  readonly inMemory?: boolean | undefined;
  /** A folder that is a cluster already, such as the copy of another server; else one is made. */
  readonly copyInto?: ((dataFolder: string) => Promise<void>) | undefined;
}

/**
 * Starts a server with a cluster of its own.
 * @throws Error that says what to install when the machine has no PostgreSQL
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = await postgresBinaries();
  const folder = serverFolder("wspg-", options.inMemory);
  const user = await serverUser();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const identity = user ?? {};
  const dataFolder = join(folder, "data");
  const port = await freePort();
  try {
    if (options.copyInto === undefined) await makeCluster(binaries, dataFolder, identity);
    else await options.copyInto(dataFolder);
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: folder,
      port,
      max_connections: 200,
      ...options.settings,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'`);
    writeFileSync(join(dataFolder, "postgresql.auto.conf"), `${lines.join("\n")}\n`, { flag: "a" });
    if (options.access !== undefined) {
      const file = join(dataFolder, "pg_hba.conf");
      writeFileSync(file, `${options.access.join("\n")}\n${readFileSync(file, "utf8")}`);
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  const running = serverProcess({
    binary: join(binaries, "postgres"),
    args: ["-D", dataFolder],
    folder,
    identity: user,
    answers: () => acceptsConnections(binaries, port),
  });
  const server: PostgresServer = {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    socketFolder: folder,
    port,
    dataFolder,
    get pid() {
      return running.pid;
    },
    start: running.start,
    stop: (mode = "fast") => running.stop(STOP_SIGNALS[mode]),
    async [Symbol.asyncDispose]() {
      await server.stop("immediate");
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** Makes an empty database with a name of its own on a server; returns its connection string. */
export async function createDatabase(address: PostgresAddress): Promise<string> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await runSql(address.url, `CREATE DATABASE ${name}`);
  const url = new URL(address.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** Runs SQL with `psql`; returns what it prints, unaligned and without headings. */
export async function runSql(url: string, sql: string): Promise<string> {
  const psql = join(await postgresBinaries(), "psql");
  const { stdout } = await run(psql, [url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
  return stdout.trim();
}

let found: Promise<string> | undefined;

/** The folder with `initdb`, `postgres` and `psql`, installed where this process may do that. */
export function postgresBinaries(): Promise<string> {
  found ??= withPackage(
    "postgresql",
    newestBinaries,
    "these tests need a PostgreSQL server: install the package postgresql, or name a server in WAYSTONE_TEST_POSTGRES_URL",
  );
  return found;
}

function newestBinaries(): string | undefined {
  const places = [
    "/usr/lib/postgresql/*/bin/initdb",
    "/usr/pgsql-*/bin/initdb",
    "/opt/homebrew/opt/postgresql@*/bin/initdb",
    "/usr/local/pgsql/bin/initdb",
    ...(process.env.PATH ?? "").split(":").flatMap((folder) => (folder === "" ? [] : [join(folder, "initdb")])),
  ];
  const version = (path: string): number => Number(/\d+/.exec(path)?.[0] ?? 0);
  const all = places.flatMap((place) => globSync(place));
  const newest = all.sort((a, b) => version(b) - version(a))[0];
  return newest === undefined ? undefined : dirname(newest);
}

/** Whom the server runs as: it refuses to run as root. `undefined` for whoever runs the tests. */
export async function serverUser(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("the server cannot run as root, and this machine has neither a user postgres nor nobody");
}

/** The database's own order of strings is a language's where the server can do that: what wants code points has to ask for them. */
async function makeCluster(binaries: string, dataFolder: string, identity: object): Promise<void> {
  const initdb = join(binaries, "initdb");
  const options = ["-D", dataFolder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
  const { stdout: help } = await run(initdb, ["--help"]);
  if (help.includes("--icu-locale")) options.push("--locale-provider=icu", "--icu-locale=en-US");
  await run(initdb, options, { ...identity, cwd: dirname(dataFolder) });
}

function acceptsConnections(binaries: string, port: number): Promise<boolean> {
  return run(join(binaries, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)]).then(
    () => true,
    () => false,
  );
}
