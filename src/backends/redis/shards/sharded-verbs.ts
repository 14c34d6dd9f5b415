/** All verbs over the shards of a tenant: each shard is a tenant of its own for the verbs inside. */
import type { Call } from "../../../domain/driver/call.js";
import type { DriverMetrics } from "../../../domain/driver/storage-driver.js";
import type { Connection } from "../connection/connection.js";
import { collectMetrics } from "../metrics.js";
import type { Store } from "../store.js";
import type { Verbs } from "../verbs.js";
import { ShardedImport } from "./imports.js";
import { shardedItemVerbs } from "./items.js";
import { shardedLeaseVerbs } from "./leases.js";
import { exportFromShards } from "./records.js";
import { replaceInShards } from "./replacements.js";
import { shardedSessionVerbs } from "./sessions.js";
import { Shards } from "./shards.js";
import { endMoves } from "./thread-move.js";
import { ThreadPlaces } from "./thread-places.js";
import { shardedThreadVerbs } from "./threads.js";

export function shardedVerbs(store: Store, inner: Verbs): Verbs {
  const { connection } = store;
  const shards = new Shards(store.shards, connection);
  const places = new ThreadPlaces(shards);
  const sessions = shardedSessionVerbs(shards, places, inner);
  const isSession = async (call: Call, sessionId: string): Promise<boolean> =>
    (await sessions.getSessions(call, [sessionId]))[0] !== undefined;
  const threads = shardedThreadVerbs(shards, places, inner, isSession);
  const imports = new ShardedImport(shards, places, threads, isSession);
  return {
    ...sessions,
    ...threads,
    ...shardedItemVerbs(shards, inner),
    ...shardedLeaseVerbs(shards, places, inner),
    metrics: (call) => metricsOf(shards, connection, call),
    exportRecords: (call, filter) => exportFromShards(shards, places, store, call, filter),
    importBatch: (call, batch) => imports.run(call, batch),
    replaceStored: (call, rows) => replaceInShards(shards, places, inner.replaceStored, call, rows),
  };
}

async function metricsOf(shards: Shards, connection: Connection, call: Call): Promise<DriverMetrics> {
  // What a move has left would be counted twice.
  await endMoves(shards, call, "arrived");
  const all = await shards.walk(call, (one) => collectMetrics(connection, one));
  const sum = (count: (each: DriverMetrics) => number): number => all.reduce((total, each) => total + count(each), 0);
  return {
    sessions: sum(({ sessions }) => sessions),
    activeSessions: sum(({ activeSessions }) => activeSessions),
    messages: sum(({ messages }) => messages),
    threads: sum(({ threads }) => threads),
    checkpoints: sum(({ checkpoints }) => checkpoints),
    items: sum(({ items }) => items),
    requests: sum(({ requests }) => requests),
    errors: sum(({ errors }) => errors),
    // Of the whole server, whichever shard was asked.
    sizeBytes: all[0]?.sizeBytes ?? null,
    estimated: [],
  };
}
