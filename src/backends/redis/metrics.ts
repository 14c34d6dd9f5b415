/** Counts of one tenant, all exact: they are kept with every write. What has expired is removed first, and not counted. */
import type { Call } from "../../domain/driver/call.js";
import type { DriverMetrics } from "../../domain/driver/storage-driver.js";
import type { Connection } from "./connection/connection.js";
import { SWEEP_ITEMS } from "./lua/items.js";
import { COUNT_ALL } from "./lua/metrics.js";
import { SWEEP_SESSIONS } from "./lua/sessions.js";

/** Sessions or items removed in one step. */
const SWEPT_AT_ONCE = 200;

export async function collectMetrics(connection: Connection, call: Call): Promise<DriverMetrics> {
  for (const script of [SWEEP_SESSIONS, SWEEP_ITEMS]) {
    let swept = SWEPT_AT_ONCE;
    while (swept === SWEPT_AT_ONCE) swept = await connection.run<number>(call, script, [SWEPT_AT_ONCE]);
    if (call.cancelled) throw call.cancellation();
  }
  const counts = await connection.run<number[]>(call, COUNT_ALL, []);
  const [sessions, activeSessions, messages, threads, checkpoints, items, requests, errors] = counts as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    sessions,
    activeSessions,
    messages,
    threads,
    checkpoints,
    items,
    requests,
    errors,
    sizeBytes: await usedBytes(connection, call),
    estimated: [],
  };
}

/** Bytes that the server's data takes, of all tenants; in a cluster that of all masters. */
async function usedBytes(connection: Connection, call: Call): Promise<number> {
  const infos = await Promise.all(
    connection.masters().map((node) => connection.command<string>(call, "info", ["memory"], node)),
  );
  return infos.reduce((sum, info) => sum + Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1] ?? 0), 0);
}
