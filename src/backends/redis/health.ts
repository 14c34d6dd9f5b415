/** What the health check of the Redis backend looks at: settings are read from the servers. */
import type { HealthCheck } from "../../contract/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import type { DriverHealth } from "../../domain/driver/storage-driver.js";
import type { RedisClient } from "./connection/client.js";
import type { Connection } from "./connection/connection.js";
import { replyCode } from "./errors.js";

/** What an acknowledged write survives; `unknown` where the server does not show its settings. */
export type RedisDurability = "memory" | "process" | "crash" | "unknown";

interface ServerState {
  readonly version: string;
  readonly role: string;
  readonly replicas: number;
  readonly loading: boolean;
  readonly lastWriteFailed: boolean;
  /** Settings by name; `undefined` where the server does not show them. */
  readonly settings: ReadonlyMap<string, string> | undefined;
  readonly aofEnabled: boolean;
}

export async function checkHealth(connection: Connection, call: Call): Promise<DriverHealth> {
  const states = await readStates(connection, call);
  const durability = weakest(states.map(durabilityOf));
  return {
    durability,
    checks: [
      serverCheck(states),
      roleCheck(states),
      durabilityCheck(states, durability),
      replicationCheck(connection, states),
      memoryCheck(states),
    ],
  };
}

/** The level of the weakest of all masters. */
export async function readDurability(connection: Connection, call: Call): Promise<RedisDurability> {
  return weakest((await readStates(connection, call)).map(durabilityOf));
}

function readStates(connection: Connection, call: Call): Promise<ServerState[]> {
  return Promise.all(connection.masters().map((node) => readState(connection, call, node)));
}

async function readState(connection: Connection, call: Call, node: RedisClient): Promise<ServerState> {
  const info = await connection.command<string>(call, "info", [], node);
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  return {
    version: field("redis_version"),
    role: field("role"),
    replicas: Number(field("connected_slaves")),
    loading: field("loading") === "1",
    lastWriteFailed: field("aof_last_write_status") === "err" || field("rdb_last_bgsave_status") === "err",
    aofEnabled: field("aof_enabled") === "1",
    settings: await readSettings(connection, call, node),
  };
}

/** Servers that are run by somebody else often refuse CONFIG. */
async function readSettings(
  connection: Connection,
  call: Call,
  node: RedisClient,
): Promise<ReadonlyMap<string, string> | undefined> {
  const settings = new Map<string, string>();
  try {
    for (const name of ["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"]) {
      const reply = await connection.command<string[] | { readonly [name: string]: string }>(
        call,
        "config",
        ["GET", name],
        node,
      );
      const flat = Array.isArray(reply) ? reply : Object.entries(reply).flat();
      settings.set(name, String(flat[1] ?? ""));
    }
  } catch (error) {
    if (replyCode(error) === undefined) throw error;
    return undefined;
  }
  return settings;
}

function durabilityOf({ settings, aofEnabled }: ServerState): RedisDurability {
  if (settings === undefined) return aofEnabled ? "process" : "unknown";
  if (settings.get("appendonly") !== "yes") return "memory";
  return settings.get("appendfsync") === "always" ? "crash" : "process";
}

const LEVELS: readonly RedisDurability[] = ["unknown", "memory", "process", "crash"];

export function isAtLeast(level: RedisDurability, required: RedisDurability): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(required);
}

function weakest(levels: readonly RedisDurability[]): RedisDurability {
  return levels.reduce((least, level) => (isAtLeast(level, least) ? least : level), "crash");
}

function serverCheck(states: readonly ServerState[]): HealthCheck {
  const versions = [...new Set(states.map(({ version }) => version))].sort();
  const loading = states.some((state) => state.loading);
  const where = states.length > 1 ? ` on ${states.length} masters` : "";
  return {
    name: "server",
    status: loading ? "error" : "ok",
    message: `Redis ${versions.join(", ")}${where}${loading ? ", which is still loading its data" : ""}`,
  };
}

function roleCheck(states: readonly ServerState[]): HealthCheck {
  const isMaster = states.every(({ role }) => role === "master");
  return {
    name: "role",
    status: isMaster ? "ok" : "error",
    message: isMaster ? "a master" : "a replica, which takes no writes",
  };
}

const SURVIVES: { readonly [Level in RedisDurability]: string } = {
  crash: "power loss of the server",
  process: "the end of the server's process, and up to a second or more is lost with the power",
  memory: "the end of your process, not that of the server",
  unknown: "nobody knows what: the server does not show its settings",
};

function durabilityCheck(states: readonly ServerState[], durability: RedisDurability): HealthCheck {
  const settings = states[0]?.settings;
  const shown = (name: string): string => `${name} ${settings?.get(name) ?? "unknown"}`;
  const failed = states.some(({ lastWriteFailed }) => lastWriteFailed);
  return {
    name: "durability",
    status: failed ? "error" : durability === "crash" ? "ok" : "warning",
    message:
      `${shown("appendonly")}, ${shown("appendfsync")}: an acknowledged write survives ${SURVIVES[durability]}` +
      (failed ? "; the server could not write to its disk" : ""),
  };
}

function replicationCheck({ options: { waitReplicas } }: Connection, states: readonly ServerState[]): HealthCheck {
  const fewest = Math.min(...states.map(({ replicas }) => replicas));
  const waits = waitReplicas === 0 ? "no write waits for them" : `each write waits for ${waitReplicas}`;
  return {
    name: "replication",
    status: fewest < waitReplicas ? "error" : "ok",
    message: `${fewest} replicas, ${waits}; a failover may lose what was acknowledged`,
  };
}

function memoryCheck(states: readonly ServerState[]): HealthCheck {
  const evicting = states.find(
    ({ settings }) =>
      Number(settings?.get("maxmemory") ?? 0) > 0 && settings?.get("maxmemory-policy")?.startsWith("allkeys"),
  );
  const policy = states[0]?.settings?.get("maxmemory-policy") ?? "unknown";
  return {
    name: "memory",
    status: evicting === undefined ? "ok" : "error",
    message:
      evicting === undefined
        ? `maxmemory-policy ${policy}`
        : `maxmemory-policy ${evicting.settings?.get("maxmemory-policy")}: the server throws away what is stored when it is full`,
  };
}
