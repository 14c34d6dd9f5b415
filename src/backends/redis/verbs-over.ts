/** The verbs over an opened store: over tenants that are each in one slot, or over their shards. */
import { checkpointVerbs } from "./checkpoints.js";
import { conversationVerbs } from "./conversations.js";
import { importBatch } from "./imports.js";
import { itemVerbs } from "./items.js";
import { leaseVerbs } from "./leases.js";
import { collectMetrics } from "./metrics.js";
import { exportRecords } from "./records.js";
import { replaceStored } from "./replacements.js";
import { sessionVerbs } from "./sessions.js";
import { shardedVerbs } from "./shards/sharded-verbs.js";
import type { Store } from "./store.js";
import { taskContextVerbs } from "./task-contexts.js";
import { threadVerbs } from "./threads.js";
import type { Verbs } from "./verbs.js";

export function verbsOver(store: Store): Verbs {
  const connection = (): Store["connection"] => store.connection;
  const opened = (): Store => store;
  const verbs: Verbs = {
    ...sessionVerbs(connection),
    ...conversationVerbs(connection),
    ...checkpointVerbs(opened),
    ...threadVerbs(opened),
    ...taskContextVerbs(connection),
    ...itemVerbs(connection),
    ...leaseVerbs(connection),
    metrics: (call) => collectMetrics(store.connection, call),
    exportRecords: (call, filter) => exportRecords(store, call, filter),
    importBatch: (call, batch) => importBatch(store.connection, call, batch),
    replaceStored: (call, replacements) => replaceStored(store, call, replacements),
  };
  return store.shards === 1 ? verbs : shardedVerbs(store, verbs);
}
