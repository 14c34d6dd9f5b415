/** The pool that the storage makes for itself when it is given a URL. */
import type { ResolvedOptions } from "../options.js";
import { loadPg, type PgPool } from "./pg-module.js";

/** Opens no connection yet. */
export async function makePool(source: Extract<ResolvedOptions["source"], { kind: "own" }>): Promise<PgPool> {
  const { Pool } = await loadPg();
  const { min, max, idleTimeoutMs, connectTimeoutMs } = source.pool;
  const settings = {
    connectionString: source.url,
    ...(source.tls === undefined ? {} : { ssl: source.tls }),
    min,
    max,
    idleTimeoutMillis: idleTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: "waystone",
    keepAlive: true,
    // Several statements of one transaction travel together.
    pipeline: true,
  };
  return new Pool(settings);
}

/** Ends a pool and waits until its sockets are closed (F4). */
export async function endPool(pool: PgPool): Promise<void> {
  await pool.end();
}
