/** Where a compaction ends: which of the newest messages stay as they are. */
import type { Message } from "../contract/conversation-storage.js";
import { addCosts, type BudgetOptions, costOf, fits, NO_COST } from "./budget.js";
import { ToolGroups, type ToolPair } from "./tool-groups.js";
import type { ToolReferences } from "./tool-references.js";

/** What stays as it is: at least so many messages, or as many of the newest as fit a budget. */
export type KeptTail = { readonly last: number } | { readonly budget: BudgetOptions };

/**
 * The `seq` of the newest message to compact, `undefined` when all of them stay. A tool call and its result always end up on the
 * same side: of a number of messages more may stay for that, of a budget less.
 *
 * @param newestFirst the messages that are not compacted yet
 */
export async function compactionBoundary(
  newestFirst: AsyncIterable<Message>,
  kept: KeptTail,
  references: ToolReferences,
): Promise<number | undefined> {
  const groups = new ToolGroups();
  const seqs: number[] = [];
  let cost = NO_COST;
  /** How many of the newest messages stay if no pair objects. */
  let tail = 0;
  let full = false;
  for await (const message of newestFirst) {
    seqs.push(message.seq);
    if (!full) {
      if ("budget" in kept) cost = addCosts(cost, await costOf(message, kept.budget));
      full = "budget" in kept ? !fits(cost, kept.budget) : tail >= kept.last;
      if (!full) tail += 1;
    }
    // Nothing that stays waits for this message or an older one.
    if (full && groups.waiting.length === 0) break;
    groups.add(references(message));
  }
  if (!full) return undefined;
  return seqs["last" in kept ? keepingMore(tail, groups.pairs) : keepingLess(tail, groups.pairs)];
}

function keepingMore(tail: number, pairs: readonly ToolPair[]): number {
  let end = tail;
  for (let pair = straddling(end, pairs); pair !== undefined; pair = straddling(end, pairs)) end = pair.call + 1;
  return end;
}

function keepingLess(tail: number, pairs: readonly ToolPair[]): number {
  let end = tail;
  for (let pair = straddling(end, pairs); pair !== undefined; pair = straddling(end, pairs)) end = pair.result;
  return end;
}

/** A pair whose result would stay and whose call would not. */
function straddling(end: number, pairs: readonly ToolPair[]): ToolPair | undefined {
  return pairs.find(({ result, call }) => result < end && end <= call);
}
