// Starts real Redis servers for tests: each in a temporary folder of its own, on a free port of this machine.
import { execFile } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import type { Certificates } from "./certificates.ts";
import { withPackage } from "./debian-package.ts";
import { freePort } from "./free-port.ts";
import { endWith, serverFolder, serverProcess } from "./server-process.ts";

/** How far above the port of a node of a Cluster that of its bus is. */
const BUS_ABOVE = 10_000;

/** A server that the test has for itself, to stop and start as it likes. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Holds the data, the settings and the log. */
  readonly folder: string;
  /** Process of the running server. */
  readonly pid: number;
  /** Starts the server again after `kill`; returns once it has loaded its data. */
  start(): Promise<void>;
  /** Ends the server at once, as `kill -9` does, or with the signal that is given. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Sends a command outside of any client library; returns the reply as the server writes it. */
  command(...words: string[]): Promise<string>;
  /** Ends the server and removes its folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RedisServerOptions {
  /** Settings beside those for a server that syncs each write. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined;
  /** Lines of settings whose names stand more than once. */
  readonly lines?: readonly string[] | undefined;
  /** Keep the data in memory where the system has a file system there: quick to sync. Default `false`. */
  readonly inMemory?: boolean | undefined;
  /** Begin as a Sentinel, whose settings are its own. Default `false`. */
  readonly sentinel?: boolean | undefined;
  /** Speak TLS alone, with this certificate. */
  readonly tls?: Certificates | undefined;
}

/**
 * Starts a server.
 * @throws Error that says what to install when the machine has no Redis
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = await redisBinary();
  const folder = serverFolder("wsredis-", options.inMemory);
  const port = await freePort(BUS_ABOVE);
  const own = options.sentinel === true ? {} : { appendonly: "yes", appendfsync: "always", save: '""', databases: 1 };
  const where = { ...portSettings(port, options.tls), bind: "127.0.0.1", dir: folder };
  const debugging = (await asksForDebugging(binary)) ? { "enable-debug-command": "yes" } : {};
  const settings = { ...where, ...debugging, ...own, ...options.settings };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  const file = join(folder, "redis.conf");
  writeFileSync(file, `${[...lines, ...(options.lines ?? [])].join("\n")}\n`);

  const running = serverProcess({
    binary,
    args: options.sentinel === true ? [file, "--sentinel"] : [file],
    folder,
    answers: () =>
      sendCommand(port, options.tls !== undefined, ["PING"]).then(
        (reply) => reply.startsWith("+PONG"),
        () => false,
      ),
  });
  const server: RedisServer = {
    url: `${options.tls === undefined ? "redis" : "rediss"}://127.0.0.1:${port}`,
    port,
    folder,
    get pid() {
      return running.pid;
    },
    async start() {
      await running.start();
      endWith(process.pid, running.pid, folder);
    },
    kill: (signal = "SIGKILL") => running.stop(signal),
    command: (...words) => sendCommand(port, options.tls !== undefined, words),
    async [Symbol.asyncDispose]() {
      await server.kill();
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

/** From version 7 on DEBUG has to be allowed by a setting, which earlier ones do not know. */
async function asksForDebugging(binary: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(binary, ["--version"]);
  return Number(/v=(\d+)/.exec(stdout)?.[1]) >= 7;
}

function portSettings(port: number, tls: Certificates | undefined): Record<string, string | number> {
  if (tls === undefined) return { port };
  return {
    port: 0,
    "tls-port": port,
    "tls-cert-file": tls.certificateFile,
    "tls-key-file": tls.keyFile,
    "tls-auth-clients": "no",
  };
}

let shared: Promise<string> | undefined;

/** The server of this test file: the one that WAYSTONE_TEST_REDIS_URL names, else one that is started for it and ends with its process. */
export function sharedRedis(): Promise<string> {
  const named = process.env.WAYSTONE_TEST_REDIS_URL;
  shared ??=
    named === undefined || named === ""
      ? startRedis({ inMemory: true }).then(({ url }) => url)
      : Promise.resolve(named);
  return shared;
}

let found: Promise<string> | undefined;

/**
 * The program that WAYSTONE_TEST_REDIS_SERVER names: another version, or Valkey. Else `redis-server`, or `valkey-server`, installed where this
 * process may do that.
 */
export function redisBinary(): Promise<string> {
  found ??= withPackage(
    "redis-server",
    installedBinary,
    "these tests need a Redis server: install the package redis-server, or name a server in WAYSTONE_TEST_REDIS_URL",
  );
  return found;
}

function installedBinary(): string | undefined {
  const named = process.env.WAYSTONE_TEST_REDIS_SERVER;
  if (named !== undefined && named !== "") return named;
  const folders = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", ...(process.env.PATH ?? "").split(":")];
  return ["redis-server", "valkey-server"]
    .flatMap((name) => folders.filter((folder) => folder !== "").map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

/** A connection for one command; the reply is what comes in one go. */
function sendCommand(port: number, secured: boolean, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const address = { port, host: "127.0.0.1" };
    // Whose server it is, is known: this process has started it.
    const socket = secured ? connectTls({ ...address, rejectUnauthorized: false }) : connect(address);
    let reply = "";
    socket.setTimeout(20_000, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("close", () => resolve(reply));
    socket.on("data", (data) => {
      reply += data.toString();
      // QUIT is answered last; some Sentinels do not know it.
      if ((reply.endsWith("+OK\r\n") && reply.length > 5) || /(?:^|\n)-[A-Z]+ [^\n]*\n$/.test(reply)) socket.end();
    });
    const line = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
    // A side that is closed early is one that some servers do not answer any more.
    socket.write(`${line}*1\r\n$4\r\nQUIT\r\n`);
  });
}
