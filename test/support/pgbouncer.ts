// Starts PgBouncer in transaction mode in front of a server: each transaction gets whatever connection is free.
import { execFile } from "node:child_process";
import { chownSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { withPackage } from "./debian-package.js";
import { freePort } from "./free-port.js";
import { type PostgresAddress, serverUser } from "./postgres-server.js";
import { serverFolder, serverProcess } from "./server-process.js";

const run = promisify(execFile);

export interface PgBouncer {
  /** The same database, through the pooler. */
  urlOf(url: string): string;
  /** The major and minor number. */
  readonly version: readonly [number, number];
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * @param poolSize connections to the server, for each database and user
 * @param users who may come, beside the superuser
 * @throws Error that says what to install when the machine has no PgBouncer
 */
export async function startPgBouncer(
  server: PostgresAddress,
  poolSize: number,
  users: readonly string[] = [],
): Promise<PgBouncer> {
  const binary = await pgBouncerBinary();
  const folder = serverFolder("wsbouncer-");
  const user = await serverUser();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const port = await freePort();
  const target = new URL(server.url);
  const settings = join(folder, "pgbouncer.ini");
  writeFileSync(
    settings,
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, "users.txt")}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
`,
  );
  writeFileSync(join(folder, "users.txt"), [target.username, ...users].map((name) => `"${name}" ""\n`).join(""));
  const answers = (): Promise<boolean> => acceptsConnections(port);
  const running = serverProcess({ binary, args: [settings], folder, identity: user, answers });
  const stop = async (): Promise<void> => {
    await running.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await running.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const { stdout } = await run(binary, ["--version"]);
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
  return {
    version: [Number(major), Number(minor)],
    urlOf: (url) => {
      const through = new URL(url);
      through.host = `127.0.0.1:${port}`;
      return through.href;
    },
    [Symbol.asyncDispose]: stop,
  };
}

function pgBouncerBinary(): Promise<string> {
  const places = [
    "/usr/sbin/pgbouncer",
    "/usr/bin/pgbouncer",
    "/usr/local/bin/pgbouncer",
    "/opt/homebrew/bin/pgbouncer",
  ];
  return withPackage(
    "pgbouncer",
    () => places.find((place) => existsSync(place)),
    "these tests need PgBouncer: install the package pgbouncer",
  );
}

function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
