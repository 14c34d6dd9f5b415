/** `waystone checkpoints ls`: the checkpoints of a thread, newest first. */
import type { ListedCheckpoint } from "../../contract/checkpoint-storage.js";
import type { JsonScalar } from "../../contract/json.js";
import type { Invocation } from "../invocation.js";
import { idColumn, jsonColumn, sizeColumn, timeColumn } from "../output/columns.js";
import { printListing } from "../output/listing.js";
import type { Column } from "../output/table.js";
import { seqBounds, seqCursor } from "../seq-cursor.js";
import { withStore } from "../store.js";
import { noCheckpoints } from "./threads-rm.js";

export interface CheckpointsLsOptions {
  readonly namespace?: string;
  readonly limit: number;
  readonly before?: number;
  readonly meta?: { readonly [key: string]: JsonScalar };
  readonly cursor?: string;
}

/** Most checkpoints that the storage gives at once. */
const MOST_AT_ONCE = 10_000;

const COLUMNS: readonly Column<ListedCheckpoint>[] = [
  { ...idColumn("CHECKPOINT", (checkpoint: ListedCheckpoint) => checkpoint.checkpointId, 10), minWidth: 16 },
  idColumn("NAMESPACE", (checkpoint) => checkpoint.namespace, 7),
  { title: "SEQ", value: (checkpoint) => checkpoint.seq, align: "right", keep: 8 },
  timeColumn("CREATED", (checkpoint) => checkpoint.createdAt, 9),
  sizeColumn("SIZE", (checkpoint) => checkpoint.sizeBytes, 6),
  idColumn("PARENT", (checkpoint) => checkpoint.parentId, 5),
  idColumn("SESSION", (checkpoint) => checkpoint.sessionId, 3),
  jsonColumn("METADATA", (checkpoint) => checkpoint.metadata, 1),
];

export async function checkpointsLs(
  invocation: Invocation,
  [threadId]: readonly [string],
  options: CheckpointsLsOptions,
): Promise<void> {
  const { namespace, limit, meta, cursor } = options;
  const { before } = seqBounds({ before: options.before }, cursor);
  // One more than asked for tells whether there is another page.
  const asked = limit > 0 && limit < MOST_AT_ONCE ? limit + 1 : limit;
  const found = await withStore(invocation, (storage) =>
    storage.listCheckpoints(threadId, { namespace, limit: asked, before, metadata: meta, signal: invocation.signal }),
  );
  const everything = namespace === undefined && before === undefined && meta === undefined && limit > 0;
  if (found.length === 0 && everything) throw noCheckpoints(threadId);
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const more = limit > 0 && found.length === asked && (asked > limit || (last?.seq ?? 1) > 1);
  await printListing(invocation, {
    noun: "checkpoint",
    columns: COLUMNS,
    rows,
    nextCursor: more && last !== undefined ? seqCursor("before", last.seq) : undefined,
  });
}
