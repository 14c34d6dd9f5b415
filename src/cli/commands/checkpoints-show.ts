/** `waystone checkpoints show`: one checkpoint with its state. */

import type { Checkpoint, CheckpointWrite } from "../../contract/checkpoint-storage.js";
import { quoteIdentifier } from "../../contract/errors.js";
import { CommandFailure } from "../command-failure.js";
import type { Invocation } from "../invocation.js";
import { inspectValue } from "../output/content.js";
import { jsonField } from "../output/json.js";
import { portable } from "../output/portable.js";
import { type Field, printThing } from "../output/thing.js";
import { relativeTime, size } from "../output/units.js";
import { withStore } from "../store.js";

export interface CheckpointsShowOptions {
  readonly id?: string;
  readonly namespace?: string;
  readonly writes?: boolean;
  readonly full?: boolean;
}

export async function checkpointsShow(
  invocation: Invocation,
  [threadId]: readonly [string],
  { id, namespace, writes, full }: CheckpointsShowOptions,
): Promise<void> {
  const { signal, style } = invocation;
  const checkpoint = await withStore(invocation, (storage) =>
    storage.getCheckpoint(threadId, { checkpointId: id, namespace, writes, signal }),
  );
  if (checkpoint === undefined) throw noCheckpoint(threadId, id, namespace);
  await printThing(
    invocation,
    checkpointFields(checkpoint, style.now, (value) =>
      inspectValue(value, { width: style.width - 12, full: full === true }),
    ),
    checkpointJson(checkpoint),
  );
}

/** The failure of a checkpoint that is not there; without an id, of a namespace that has none. */
export function noCheckpoint(threadId: string, id: string | undefined, namespace: string | undefined): CommandFailure {
  const what = id === undefined ? "checkpoint" : `checkpoint ${quoteIdentifier(id)}`;
  const where =
    namespace === undefined || namespace === "" ? "the root namespace" : `namespace ${quoteIdentifier(namespace)}`;
  return new CommandFailure("NOT_FOUND", `thread ${quoteIdentifier(threadId)} has no ${what} in ${where}`, {
    hint: "`waystone checkpoints ls THREAD` lists the checkpoints of all its namespaces",
  });
}

function checkpointFields(
  checkpoint: Checkpoint,
  now: number,
  inspected: (value: unknown) => string,
): readonly Field[] {
  const { createdAt, sizeBytes, metadata, data } = checkpoint;
  return [
    { name: "thread", value: checkpoint.threadId },
    { name: "namespace", value: checkpoint.namespace, shown: checkpoint.namespace || "(root)" },
    { name: "checkpoint", value: checkpoint.checkpointId },
    { name: "seq", value: checkpoint.seq },
    { name: "parent", value: checkpoint.parentId },
    { name: "session", value: checkpoint.sessionId },
    {
      name: "created",
      value: createdAt.toISOString(),
      shown: `${createdAt.toISOString()} (${relativeTime(createdAt, now)})`,
    },
    { name: "needsParent", value: String(checkpoint.needsParent), shown: checkpoint.needsParent ? "yes" : "no" },
    { name: "size", value: sizeBytes, shown: size(sizeBytes) },
    { name: "metadata", value: jsonField(metadata), shown: jsonField(metadata, 2) },
    { name: "data", value: jsonField(portable(data)), shown: inspected(data) },
    ...(checkpoint.writes ?? []).map((write) => writeField(write, inspected)),
  ];
}

function writeField(write: CheckpointWrite, inspected: (value: unknown) => string): Field {
  const where = [write.taskPath, write.taskId, write.index].filter((part) => part !== "").join(" ");
  return {
    name: "write",
    value: jsonField({ ...write, value: portable(write.value) }),
    shown: `${where} ${write.channel} = ${inspected(write.value)}`,
  };
}

function checkpointJson(checkpoint: Checkpoint): unknown {
  const { writes, ...rest } = checkpoint;
  const json = { ...rest, data: portable(checkpoint.data) };
  return writes === undefined
    ? json
    : { ...json, writes: writes.map((write) => ({ ...write, value: portable(write.value) })) };
}
