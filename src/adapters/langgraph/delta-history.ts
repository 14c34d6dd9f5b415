/** What a delta channel needs to be rebuilt: the writes of the ancestors since the nearest stored value, in two round trips. */
import type { RunnableConfig } from "@langchain/core/runnables";
import type { CheckpointPendingWrite, DeltaChannelHistory } from "@langchain/langgraph-checkpoint";
import type { CheckpointStorage, ListedCheckpoint } from "../../contract/checkpoint-storage.js";
import type { TupleReader } from "./read-tuples.js";
import { placeOf } from "./run-config.js";
import type { StateCodec } from "./stored-state.js";

/** Ancestors read at once when the target does not say how far back a value is. */
const UNKNOWN_DISTANCE = 200;
/** Most that one listing takes. */
const MAX_PAGE = 10_000;

/**
 * The history of each channel. A thread without forks takes two round trips: the target, then its ancestors as far back as the
 * target's own counters say. Branches that lie between them take further pages.
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
  const target = await storage.getCheckpoint(threadId, { namespace, checkpointId });
  if (target === undefined) return;
  const { metadata } = await codec.decodeState(target.data);
  const distances = Object.values(metadata.counters_since_delta_snapshot ?? {}).map(([, supersteps]) => supersteps);
  const size = distances.length === 0 ? UNKNOWN_DISTANCE : Math.min(MAX_PAGE, Math.max(...distances) + 8);
  let wanted = target.parentId;
  const options = { namespace, before: target.seq, data: true, writes: true };
  for await (const page of reader.pages(threadId, options, size)) {
    for (const stored of page) {
      if (stored.checkpointId !== wanted) continue;
      await collect(stored, codec, reader, histories, open);
      wanted = stored.parentId;
      if (open.size === 0 || wanted === undefined) return;
    }
  }
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
