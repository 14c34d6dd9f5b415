/** Everything that a tenant's readers can see of a cast, read by the verbs that both a store and the model have. */
import type { Page } from "../../../contract/call.js";
import type { StorageMetrics } from "../../../contract/storage-backend.js";
import type { Cast } from "../programs/names.js";
import type { ReadableStore } from "../verbs.js";

/** By what was read. */
export type Readable = Map<string, unknown>;

export async function readEverything(store: ReadableStore, cast: Cast): Promise<Readable> {
  const read: Readable = new Map();
  read.set("sessions", await walk((cursor) => store.listSessions({ limit: 3, cursor })));
  read.set(
    "sessions by updatedAt",
    await walk((cursor) => store.listSessions({ orderBy: "updatedAt", limit: 3, cursor })),
  );
  // Names of sessions and threads that are gone are asked for too: they must show nothing.
  for (const id of cast.sessions) {
    const name = JSON.stringify(id);
    read.set(`history of ${name}`, await store.getConversationHistory(id, { limit: 10_000 }));
    const versions = await store.listTaskContextVersions(id, { limit: 10_000 });
    read.set(`context versions of ${name}`, versions);
    for (const { version } of versions) {
      read.set(`context ${version} of ${name}`, await store.getTaskContext(id, { version }));
    }
    read.set(`threads of ${name}`, await walk((cursor) => store.listThreads({ sessionId: id, cursor })));
  }
  read.set("threads", await walk((cursor) => store.listThreads({ limit: 3, cursor })));
  for (const id of cast.threads) {
    const name = JSON.stringify(id);
    read.set(`checkpoints of ${name}`, await store.listCheckpoints(id, { limit: 10_000, data: true, writes: true }));
    for (const namespace of cast.checkpointNamespaces) {
      read.set(`latest of ${name} in ${JSON.stringify(namespace)}`, await store.getCheckpoint(id, { namespace }));
      for (const checkpointId of cast.checkpoints) {
        const writes = await store.getWrites(id, checkpointId, { namespace });
        read.set(`writes of ${name} in ${JSON.stringify(namespace)} at ${JSON.stringify(checkpointId)}`, writes);
      }
    }
  }
  read.set("items", await walk((cursor) => store.searchItems([], { limit: 3, cursor })));
  for (const vector of cast.vectors
    ? [
        [1, 0],
        [0, 0, 1],
      ]
    : []) {
    const similarTo = { vector, distance: "dot" } as const;
    read.set(
      `items near ${JSON.stringify(vector)}`,
      await walk((cursor) => store.searchItems([], { similarTo, limit: 3, cursor })),
    );
  }
  read.set("namespaces", await walk((cursor) => store.listNamespaces({ limit: 3, cursor })));
  return read;
}

/** The counts that metrics must agree with. */
export function countsOf(read: Readable): Partial<Record<keyof StorageMetrics, number>> {
  const sessions = read.get("sessions") as {
    status: string;
    messageCount: number;
    requestCount: number;
    errorCount: number;
  }[];
  const threads = read.get("threads") as { checkpointCount: number }[];
  const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);
  return {
    sessions: sessions.length,
    activeSessions: sessions.filter(({ status }) => status === "active").length,
    messages: sum(sessions.map(({ messageCount }) => messageCount)),
    requests: sum(sessions.map(({ requestCount }) => requestCount)),
    errors: sum(sessions.map(({ errorCount }) => errorCount)),
    threads: threads.length,
    checkpoints: sum(threads.map(({ checkpointCount }) => checkpointCount)),
    items: (read.get("items") as unknown[]).length,
  };
}

async function walk<T>(list: (cursor: string | undefined) => Page<T> | Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  const cursors = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    items.push(...page.items);
    cursor = page.nextCursor;
    // What goes round in a circle differs from every listing of the model.
    if (cursor !== undefined && cursors.has(cursor)) return items;
    if (cursor !== undefined) cursors.add(cursor);
  } while (cursor !== undefined);
  return items;
}
