/** Whole threads of the Redis backend: listing, copying, deleting and pruning (K6, K7, K9). */

import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver, ThreadListing } from "../../domain/driver/storage-driver.js";
import type { Rows, StoredThread } from "../../domain/driver/stored.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import type { Connection } from "./connection/connection.js";
import { COPY_THREAD, DELETE_CHECKPOINTS, DELETE_THREAD } from "./lua/threads.js";
import { pruneCheckpoints } from "./pruning.js";
import { assertAccepted, tokenText, type Verdict } from "./refusals.js";
import type { Store } from "./store.js";
import { walkThreads } from "./thread-rows.js";

type ThreadVerbs = Pick<
  CheckpointDriver,
  "listThreads" | "copyThread" | "deleteThread" | "deleteCheckpoints" | "pruneCheckpoints"
>;

export function threadVerbs(opened: () => Store): ThreadVerbs {
  return {
    listThreads: (call, listing) => listThreads(opened().connection, call, listing),

    async copyThread(call, fromThreadId, toThreadId) {
      const args = [fromThreadId, toThreadId];
      const [verdict] = await opened().connection.run<["O" | "absent" | "exists"]>(call, COPY_THREAD, args);
      return verdict === "O" ? "copied" : verdict;
    },

    async deleteThread(call, threadId) {
      const store = opened();
      store.blocks.forget(call.tenant, threadId);
      store.outlines.forget(threadKey(call.tenant, threadId));
      return (await store.connection.run<number>(call, DELETE_THREAD, [threadId])) === 1;
    },

    async deleteCheckpoints(call, threadId, { namespace, checkpointIds }, fence) {
      const args = [threadId, namespace, tokenText(fence), ...checkpointIds];
      const reply = await opened().connection.run<Verdict>(call, DELETE_CHECKPOINTS, args);
      assertAccepted(reply, threadId, fence);
      const [, checkpoints, writes, bytes, ...kept] = reply;
      return {
        removedCheckpoints: checkpoints as number,
        removedWrites: writes as number,
        removedBytes: Number(bytes),
        kept: kept as string[],
      };
    },

    pruneCheckpoints: (call, prune) => pruneCheckpoints(opened().connection, call, prune),
  };
}

async function listThreads(connection: Connection, call: Call, listing: ThreadListing): Promise<Rows<StoredThread>> {
  const { limit } = listing;
  const rows: StoredThread[] = [];
  for await (const { lastSeq: _, leaves: _leaves, ...thread } of walkThreads(connection, call, listing, limit + 1)) {
    if (rows.length === limit) return { rows, more: true };
    rows.push(thread);
  }
  return { rows, more: false };
}
