/** The pool that the storage makes for itself when it is given a URL. */
import type { ResolvedOptions } from "../options.js";
import { HostPools } from "./host-pools.js";
import { loadPg, type PgPool } from "./pg-module.js";

/** Opens no connection yet. */
export async function makePool({
  hosts,
  tls,
  pool,
}: Extract<ResolvedOptions["source"], { kind: "own" }>): Promise<PgPool> {
  const { Pool } = await loadPg();
  const { min, max, idleTimeoutMs, connectTimeoutMs, maxLifetimeMs } = pool;
  const settings = {
    ...(tls === undefined ? {} : { ssl: tls }),
    min,
    max,
    idleTimeoutMillis: idleTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    maxLifetimeSeconds: maxLifetimeMs / 1_000,
    application_name: "waystone",
    keepAlive: true,
    // Several statements of one transaction travel together.
    pipeline: true,
  };
  const pools = hosts.urls.map(
    (url) => new Pool({ ...settings, connectionString: tls === undefined ? url : withoutTls(url) }),
  );
  const [only] = pools;
  return only !== undefined && pools.length === 1 && hosts.target === "any" ? only : new HostPools(hosts, pools);
}

/** `pg` lets a URL win over what it is told beside it. */
function withoutTls(url: string): string {
  const [before = "", query = ""] = url.split("?", 2);
  const own = new URLSearchParams(query);
  for (const name of ["ssl", "sslmode", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "uselibpqcompat"])
    own.delete(name);
  return own.size === 0 ? before : `${before}?${own}`;
}

/** Ends a pool and waits until its sockets are closed (F4). */
export async function endPool(pool: PgPool): Promise<void> {
  await pool.end();
}
