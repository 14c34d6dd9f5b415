/**
 * Checkpoints by plain commands, which cost the server a fraction of what a script does: of threads of which this process has read that they are
 * linked to no session, and that a state is in its row. The commands look whether that is still so.
 */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import type { StoredCheckpoint } from "../../domain/driver/stored.js";
import { threadKey } from "../../domain/segments/known-blocks.js";
import { parseRow, placeOf, toCheckpoint } from "./checkpoint-rows.js";
import type { Store } from "./store.js";

/** Threads that are remembered. */
const REMEMBERED_THREADS = 4_096;

type Wanted = Parameters<CheckpointDriver["getCheckpoint"]>[2];

/** What a read by script has shown of a thread. */
export function rememberThread(
  { plainThreads }: Store,
  { tenant }: Call,
  threadId: string,
  isLinked: boolean,
  { etag }: StoredCheckpoint,
): void {
  if (isLinked || etag !== null) return;
  if (plainThreads.size >= REMEMBERED_THREADS) plainThreads.clear();
  plainThreads.add(threadKey(tenant, threadId));
}

/**
 * Whether a checkpoint is asked for that plain commands may find. The latest has to be looked for, and a Cluster that moves keys may
 * carry commands out in another order.
 */
export function isPlain(
  { connection, shards, plainThreads }: Store,
  { tenant }: Call,
  threadId: string,
  { checkpointId, writes }: Wanted,
): boolean {
  if (checkpointId === null || writes || connection.cluster || shards > 1) return false;
  return plainThreads.size > 0 && plainThreads.has(threadKey(tenant, threadId));
}

/**
 * The thread is read first: what stands in the row behind it has been there for readers at one of the two moments, as a thread that is
 * linked to no session ends by being removed. `undefined` where a script has to look.
 */
export async function readPlainly(
  { connection, plainThreads }: Store,
  call: Call,
  threadId: string,
  { namespace, checkpointId }: Wanted,
): Promise<{ readonly checkpoint: StoredCheckpoint | undefined } | undefined> {
  const key = connection.keyOf(call.tenant);
  const id = checkpointId ?? "";
  const read = await connection.read(call, [
    ["hmget", `${key}:t:${threadId}`, "c", "s"],
    ["hget", `${key}:c:${threadId}`, placeOf(namespace, id)],
  ]);
  if (read === undefined) return undefined;
  const [[createdAt, sessionId], text] = read as [(string | null)[], string | null];
  if (createdAt === null || text === null) return { checkpoint: undefined };
  const row = parseRow(namespace, id, text);
  if (sessionId === null && row.etag === null) {
    return { checkpoint: toCheckpoint(row, { data: true, writes: false }, () => [], []) };
  }
  plainThreads.delete(threadKey(call.tenant, threadId));
  return undefined;
}
