/** Rows of threads, and walking through them in bounded steps. */
import type { Call } from "../../domain/driver/call.js";
import type { ThreadListing } from "../../domain/driver/storage-driver.js";
import type { StoredThread } from "../../domain/driver/stored.js";
import type { Connection } from "./connection/connection.js";
import { LIST_THREADS } from "./lua/threads.js";

/** Threads that one step looks at, at most. */
const LARGEST_STEP = 512;

/** A row as scripts give it: session, createdAt, updatedAt, lastSeq, count, revision, and where it leaves for. */
export type ThreadReply = readonly [
  string | null,
  string,
  string,
  string,
  string,
  (string | null)?,
  (string | null)?,
  ...unknown[],
];

export interface ThreadRow extends StoredThread {
  readonly lastSeq: number;
  /** The move on which it leaves its shard; `null` for none. */
  readonly leaves: string | null;
}

export function parseThread(
  threadId: string,
  [sessionId, createdAt, updatedAt, lastSeq, count, , leaves]: ThreadReply,
): ThreadRow {
  return {
    threadId,
    sessionId,
    checkpointCount: Number(count),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    lastSeq: Number(lastSeq),
    leaves: leaves ?? null,
  };
}

/** Threads that are there for readers, in bounded steps, from a place on. */
export async function* walkThreads(
  connection: Connection,
  call: Call,
  { sessionId, orderBy, direction, after }: Omit<ThreadListing, "limit">,
  first: number,
): AsyncGenerator<ThreadRow, void, void> {
  let place: readonly [time: string | number, id: string] = after === null ? ["", ""] : [after.time, after.id];
  for (let step = Math.min(first, LARGEST_STEP); ; step = Math.min(step * 2, LARGEST_STEP)) {
    const order = orderBy === "createdAt" ? "c" : "u";
    const found = await connection.run<(string | ThreadReply | null)[]>(call, LIST_THREADS, [
      sessionId ?? "",
      order,
      direction,
      step,
      ...place,
    ]);
    for (let i = 0; i < found.length; i += 3) {
      const id = found[i] as string;
      place = [found[i + 1] as string, id];
      const reply = found[i + 2];
      if (reply != null) yield parseThread(id, reply as ThreadReply);
    }
    if (found.length < 3 * step) return;
    if (call.cancelled) throw call.cancellation();
  }
}
