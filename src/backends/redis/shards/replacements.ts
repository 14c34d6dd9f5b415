/** Values in the place of stored ones, over shards (P2): each goes to where its subject is. */
import type { Call } from "../../../domain/driver/call.js";
import type { ReplacementRow } from "../../../domain/driver/replacements.js";
import type { Shards } from "./shards.js";
import type { ThreadPlaces } from "./thread-places.js";

type Replace = (call: Call, replacements: readonly ReplacementRow[]) => Promise<boolean[]>;

export async function replaceInShards(
  shards: Shards,
  places: ThreadPlaces,
  inner: Replace,
  call: Call,
  replacements: readonly ReplacementRow[],
): Promise<boolean[]> {
  const results = replacements.map(() => false);
  const parts = new Map<string, { readonly row: ReplacementRow; readonly at: number }[]>();
  for (const [at, row] of replacements.entries()) {
    const key = "threadId" in row ? `thread ${row.threadId}` : `shard ${shardOf(shards, row)}`;
    const part = parts.get(key) ?? [];
    part.push({ row, at });
    parts.set(key, part);
  }
  for (const part of parts.values()) {
    if (call.cancelled) throw call.cancellation();
    const { row } = part[0] as { readonly row: ReplacementRow };
    const run = (one: Call): Promise<boolean[]> =>
      inner(
        one,
        part.map((each) => each.row),
      );
    const done =
      "threadId" in row ? await places.at(call, row.threadId, run) : await run(shards.call(call, shardOf(shards, row)));
    for (const [i, { at }] of part.entries()) results[at] = done[i] === true;
  }
  return results;
}

function shardOf(shards: Shards, row: Exclude<ReplacementRow, { readonly threadId: string }>): number {
  return shards.of(row.kind === "item" ? (row.namespace[0] as string) : row.sessionId);
}
