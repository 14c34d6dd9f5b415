/** What the health check of the PostgreSQL backend looks at: settings are read from the server. */
import type { HealthCheck } from "../../contract/storage-backend.js";
import type { Call } from "../../domain/driver/call.js";
import type { DriverHealth } from "../../domain/driver/storage-driver.js";
import { HostPools } from "./connection/host-pools.js";
import { sql } from "./connection/sql.js";
import { SCHEMA_VERSION } from "./schema/migrations.js";
import type { Database } from "./store.js";
import { vectorCheck } from "./vector-support.js";

interface ServerState {
  readonly version: string;
  readonly standby: boolean;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly fullPageWrites: string;
  readonly synchronousStandbys: string;
  readonly schemaVersion: number | null;
}

export async function checkHealth(db: Database, call: Call): Promise<DriverHealth> {
  const [state] = await db.read<ServerState>(
    call,
    sql`SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby,
      current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS "synchronousCommit",
      current_setting('full_page_writes') AS "fullPageWrites",
      current_setting('synchronous_standby_names') AS "synchronousStandbys",
      (SELECT max(version) FROM @schema_version) AS "schemaVersion"`,
  );
  if (state === undefined) throw new Error("a state without a row");
  const durability = durabilityOf(state);
  return {
    durability,
    checks: [
      { name: "server", status: "ok", message: `PostgreSQL ${state.version}` },
      roleCheck(db, state),
      {
        name: "schema",
        status: state.schemaVersion === SCHEMA_VERSION ? "ok" : "warning",
        message: `schema version ${state.schemaVersion ?? 0} of ${SCHEMA_VERSION}`,
      },
      {
        name: "durability",
        status: durability === "crash" || durability === "replicated" ? "ok" : "warning",
        message:
          `fsync = ${state.fsync}, synchronous_commit = ${state.synchronousCommit}, ` +
          `full_page_writes = ${state.fullPageWrites}: an acknowledged write survives ${SURVIVES[durability]}`,
      },
      tenantsCheck(db),
      vectorCheck(db),
      poolCheck(db),
    ],
  };
}

const SURVIVES = {
  replicated: "the loss of this server",
  crash: "power loss",
  process: "the end of this process, not that of the server",
  memory: "nothing for certain",
} as const;

function durabilityOf(state: ServerState): "replicated" | "crash" | "process" {
  if (state.fsync !== "on" || state.synchronousCommit === "off") return "process";
  if (state.fullPageWrites !== "on") return "process";
  const waitsForStandby = state.synchronousCommit !== "local" && state.synchronousStandbys !== "";
  return waitsForStandby ? "replicated" : "crash";
}

/** A standby is what it should be where the URL asks for one. */
function roleCheck({ options, pool }: Database, { standby }: ServerState): HealthCheck {
  const { source } = options;
  const mayBeStandby =
    source.kind === "own" && ["standby", "prefer-standby", "read-only"].includes(source.hosts.target);
  const at = pool instanceof HostPools && pool.current !== undefined ? `, ${pool.current}` : "";
  return {
    name: "role",
    status: standby && !mayBeStandby ? "error" : "ok",
    message: standby ? `a standby, which takes no writes${at}` : `the primary${at}`,
  };
}

function tenantsCheck({ rowSecurity: { asked, binds } }: Database): HealthCheck {
  const name = "tenants";
  if (!asked) return { name, status: "ok", message: "kept apart by every statement; no row-level security" };
  if (binds) return { name, status: "ok", message: "kept apart by the server: row-level security" };
  return { name, status: "warning", message: "row-level security does not bind this database user" };
}

function poolCheck({ pool, lastIdleError }: Database): HealthCheck {
  const lost = lastIdleError === undefined ? "" : "; an idle connection was lost since the storage was opened";
  const most = pool.options?.max === undefined ? "" : ` of at most ${pool.options.max}`;
  return {
    name: "pool",
    status: pool.waitingCount > 0 && pool.idleCount === 0 ? "warning" : "ok",
    message: `${pool.totalCount} connections${most}, ${pool.idleCount} of them idle, ${pool.waitingCount} calls waiting${lost}`,
  };
}
