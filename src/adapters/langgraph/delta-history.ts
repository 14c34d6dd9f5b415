/** What a delta channel needs to be rebuilt: the writes of the ancestors since the nearest stored value, in two round trips. */
import type { RunnableConfig } from "@langchain/core/runnables";
import type { CheckpointMetadata, CheckpointPendingWrite, DeltaChannelHistory } from "@langchain/langgraph-checkpoint";
import type {
  CheckpointInfo,
  CheckpointStorage,
  ListCheckpointsOptions,
  ListedCheckpoint,
} from "../../contract/checkpoint-storage.js";
import type { TupleReader } from "./read-tuples.js";
import { placeOf } from "./run-config.js";
import type { StateCodec } from "./stored-state.js";

/** Ancestors read at once when nothing says how far back a value is. */
const UNKNOWN_DISTANCE = 200;
/** Newest checkpoints whose parents are looked at for branches, beside the reading of the target. */
const SEEN_PARENTS = 300;
/** Most that one listing takes. */
const MAX_PAGE = 10_000;

/**
 * The history of each channel in two round trips: the target, beside it who continues whom among the newest checkpoints, then the
 * ancestors with what lies between them. Ancestors that are further back than that are as far as the target's own counters say;
 * only branches between those take further pages.
 */
export async function deltaHistory(
  storage: CheckpointStorage,
  codec: StateCodec,
  reader: TupleReader,
  config: RunnableConfig,
  channels: readonly string[],
): Promise<Record<string, DeltaChannelHistory>> {
  const histories = new Map(channels.map((name) => [name, { blocks: [] as CheckpointPendingWrite[][] } as History]));
  await walkAncestors(storage, codec, reader, config, histories);
  return Object.fromEntries(
    [...histories].map(([name, { blocks, ...seed }]) => [name, { writes: blocks.toReversed().flat(), ...seed }]),
  );
}

/** Writes by ancestor, nearest first. */
type History = { readonly blocks: CheckpointPendingWrite[][]; seed?: unknown };

async function walkAncestors(
  storage: CheckpointStorage,
  codec: StateCodec,
  reader: TupleReader,
  config: RunnableConfig,
  histories: ReadonlyMap<string, History>,
): Promise<void> {
  const open = new Set(histories.keys());
  const { threadId, namespace = "", checkpointId } = placeOf(config);
  if (threadId === undefined || open.size === 0) return;
  const [target, newest] = await Promise.all([
    storage.getCheckpoint(threadId, { namespace, checkpointId }),
    storage.listCheckpoints(threadId, { namespace, limit: SEEN_PARENTS }),
  ]);
  if (target === undefined) return;
  const { metadata } = await codec.decodeState(target.data);
  const size = depthOf(target, newest) ?? supposedDepth(metadata);
  let wanted = target.parentId;
  const options = { namespace, before: target.seq, data: true, writes: true };
  for await (const page of pagesBefore(storage, reader, threadId, options, size)) {
    for (const stored of page) {
      if (stored.checkpointId !== wanted) continue;
      await collect(stored, codec, reader, histories, open);
      wanted = stored.parentId;
      if (open.size === 0 || wanted === undefined) return;
    }
  }
}

/** A page of the size that should be enough, then what else there is. */
async function* pagesBefore(
  storage: CheckpointStorage,
  reader: TupleReader,
  threadId: string,
  options: ListCheckpointsOptions,
  size: number,
): AsyncGenerator<ListedCheckpoint[]> {
  const first = await storage.listCheckpoints(threadId, { ...options, limit: size });
  yield first;
  const last = first.at(-1);
  if (last === undefined || first.length < size) return;
  yield* reader.pages(threadId, { ...options, before: last.seq }, UNKNOWN_DISTANCE);
}

/** How many checkpoints before the target reach back to the ancestor that needs no parent; `undefined` when that is not among these. */
function depthOf(target: CheckpointInfo, newest: readonly CheckpointInfo[]): number | undefined {
  const start = newest.findIndex(({ seq }) => seq < target.seq);
  if (start === -1) return undefined;
  let wanted = target.parentId;
  for (const [place, each] of newest.entries()) {
    if (place < start || each.checkpointId !== wanted) continue;
    if (!each.needsParent || each.parentId === undefined) return place - start + 1;
    wanted = each.parentId;
  }
  return undefined;
}

/** As far back as the counters of a thread without branches say. */
function supposedDepth({ counters_since_delta_snapshot: counters = {} }: CheckpointMetadata): number {
  const distances = Object.values(counters).map(([, supersteps]) => supersteps);
  return distances.length === 0 ? UNKNOWN_DISTANCE : Math.min(MAX_PAGE, Math.max(...distances) + 8);
}

async function collect(
  stored: ListedCheckpoint,
  codec: StateCodec,
  reader: TupleReader,
  histories: ReadonlyMap<string, History>,
  open: Set<string>,
): Promise<void> {
  const writes = await reader.pendingWrites((stored.writes ?? []).filter(({ channel }) => open.has(channel)));
  const values = (await codec.decodeState(stored.data)).checkpoint.channel_values;
  for (const name of open) {
    const history = histories.get(name);
    history?.blocks.push(writes.filter(([, channel]) => channel === name));
    if (history === undefined || !Object.hasOwn(values, name)) continue;
    history.seed = values[name];
    open.delete(name);
  }
}
