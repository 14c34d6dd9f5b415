/** Pruning threads (K6): read in bounded steps, planned by the domain, and carried out in steps as long as nobody else has changed the thread. */
import type { Call } from "../../domain/driver/call.js";
import type { CheckpointDriver } from "../../domain/driver/storage-driver.js";
import {
  NO_PRUNE_COUNTS,
  type PrunableCheckpoint,
  type PruneCounts,
  planPruneInSteps,
  sumOfPruneCounts,
} from "../../domain/pruning.js";
import { Slices } from "../../domain/slices.js";
import { parsePlace, parseRow, placeOf } from "./checkpoint-rows.js";
import type { Connection } from "./connection/connection.js";
import { GET_THREAD, PRUNABLE_CHECKPOINTS, PRUNE_CHECKPOINTS, WEIGH_CHECKPOINTS } from "./lua/threads.js";
import { parseThread, type ThreadReply, type ThreadRow, walkThreads } from "./thread-rows.js";

type Prune = Parameters<CheckpointDriver["pruneCheckpoints"]>[1];

/** Threads found, and checkpoints read or removed, in one step. */
const THREADS_AT_ONCE = 200;
const CHECKPOINTS_AT_ONCE = 250;

export async function pruneCheckpoints(connection: Connection, call: Call, prune: Prune): Promise<PruneCounts> {
  let total = NO_PRUNE_COUNTS;
  for await (const thread of threadsOf(connection, call, prune.threadId)) {
    total = sumOfPruneCounts(total, await pruneThread(connection, call, thread, prune));
  }
  return total;
}

async function* threadsOf(connection: Connection, call: Call, threadId: string | null): AsyncGenerator<ThreadRow> {
  if (threadId === null) {
    const all = { sessionId: null, orderBy: "createdAt", direction: "asc", after: null } as const;
    yield* walkThreads(connection, call, all, THREADS_AT_ONCE);
    return;
  }
  const reply = await connection.run<ThreadReply | readonly []>(call, GET_THREAD, [threadId]);
  if (reply.length > 0) yield parseThread(threadId, reply as ThreadReply);
}

/** What is removed stays removed; a thread that somebody has changed meanwhile is planned for anew. */
async function pruneThread(
  connection: Connection,
  call: Call,
  { threadId, checkpointCount }: ThreadRow,
  rule: Prune,
): Promise<PruneCounts> {
  // Fewer than are kept anyway: nothing to look at.
  if (rule.keepLast !== null && checkpointCount <= rule.keepLast) {
    return { ...NO_PRUNE_COUNTS, threads: 1, keptCheckpoints: checkpointCount };
  }
  const counts = { ...NO_PRUNE_COUNTS, threads: 1 };
  const add = ([writes, bytes]: readonly [number, string | number], checkpoints: number): void => {
    counts.removedCheckpoints += checkpoints;
    counts.removedWrites += writes;
    counts.removedBytes += Number(bytes);
  };
  for (;;) {
    const read = await readThread(connection, call, threadId);
    // Deleted since it was found.
    if (read === undefined) return { ...NO_PRUNE_COUNTS };
    const plan = await new Slices(call).run(planPruneInSteps(read.checkpoints, rule, read.now));
    const places = plan.sort((a, b) => b.seq - a.seq).map((each) => placeOf(each.namespace, each.checkpointId));
    counts.keptCheckpoints = read.checkpoints.length - places.length;
    let { revision } = read;
    let done = 0;
    while (done < places.length) {
      if (call.cancelled) throw call.cancellation();
      const some = places.slice(done, done + CHECKPOINTS_AT_ONCE);
      if (rule.dryRun) {
        add(await connection.run<[number, string]>(call, WEIGH_CHECKPOINTS, [threadId, ...some]), some.length);
      } else {
        const args = [threadId, revision, ...some];
        const reply = await connection.run<[string, number, string] | []>(call, PRUNE_CHECKPOINTS, args);
        if (reply.length === 0) break;
        revision = reply[0];
        add([reply[1], reply[2]], some.length);
      }
      done += some.length;
    }
    if (done >= places.length) return counts;
  }
}

interface ReadThread {
  readonly revision: string;
  readonly now: number;
  readonly checkpoints: PrunableCheckpoint[];
}

/** All that a plan needs to know, of one revision of the thread. */
async function readThread(connection: Connection, call: Call, threadId: string): Promise<ReadThread | undefined> {
  for (;;) {
    const checkpoints: PrunableCheckpoint[] = [];
    let first: readonly [revision: string, now: string] | undefined;
    for (;;) {
      const [revision, now, ...flat] = await connection.run<[string, string, ...(string | number)[]] | []>(
        call,
        PRUNABLE_CHECKPOINTS,
        [threadId, checkpoints.length, CHECKPOINTS_AT_ONCE],
      );
      if (revision === undefined || now === undefined) return undefined;
      first ??= [revision, now];
      if (first[0] !== revision) break;
      for (let i = 0; i < flat.length; i += 3) {
        const [namespace, checkpointId] = parsePlace(flat[i] as string);
        const row = parseRow(namespace, checkpointId, `${flat[i + 1]}\n\n`);
        checkpoints.push({ ...row, hasWrites: flat[i + 2] === 1 });
      }
      if (flat.length < 3 * CHECKPOINTS_AT_ONCE) {
        return { revision, now: Number(now), checkpoints };
      }
    }
    if (call.cancelled) throw call.cancellation();
  }
}
